//! More blocks than a pipeline can take.

use std::time::{Duration, Instant};

use pleach::{
    Pipeline,
    pipeline::{Event, seda_stages::ResponseTarget},
};

use super::{
    Case, Chain, Failure, How, Overload, Watch,
    node::put_place,
    runs::{Arrival, KEPT, QUEUE, Stand, chain, come, made, together},
};
use crate::stopwatch::{Run, median};

/// So many blocks are let in from the beginning, one for each stage: a controller that begins with one has most stages idle for a time
/// that is a few per cent of a turn, and would be nothing of a day.
const STAGES: usize = 6;

/// In turns, so often: a pipeline executes the chain as fast as it goes, and is offered so many `times` as much for this long, with
/// an admission controller that is given `target`: 99 in 100 blocks are to take no longer.
///
/// A block that is refused is offered again at the next moment, so that whoever offers them costs the pipeline's cores as little as
/// somebody far away would: to copy each block anew took some per cent of them. Nothing if it is not to go on.
///
/// # Errors
///
/// If a block that was accepted is not executed.
pub fn overload(
    case: Case,
    repeat: usize,
    times: f64,
    time: Duration,
    target: Duration,
    watch: &dyn Watch,
) -> Result<Option<Overload>, Failure> {
    let mut stand = Stand::new(case)?;
    let (mut turns, mut refused) = (Vec::new(), 0);
    for _ in 0..repeat {
        let Some(best) = stand.run(How::Pipeline, Arrival::AtOnce, watch)? else {
            return Ok(None);
        };
        let best = best.speed();
        let Some((accepted, lost)) = turn(&stand, best * times, time, target, watch)? else {
            return Ok(None);
        };
        turns.push((best, accepted));
        refused += lost;
    }
    let shares = turns.iter().map(|(best, chain)| chain.speed() / best);
    let (share, best) = (median(shares), median(turns.iter().map(|(best, _)| *best)));
    let chains = turns.into_iter().map(|(_, chain)| chain).collect();
    let overload = best.zip(share).map(|(best, share)| Overload {
        offered: best * times,
        best,
        share,
        accepted: together(chains),
        refused,
        target,
    });
    Ok(overload)
}

/// What was accepted of so many blocks a second, and how many were not.
fn turn(
    stand: &Stand,
    offered: f64,
    time: Duration,
    target: Duration,
    watch: &dyn Watch,
) -> Result<Option<(Chain, usize)>, Failure> {
    watch.begins(&format!("pipeline, {offered:.0} blocks/s"));
    let (node, state, finished) = stand.node();
    let pipeline = Pipeline::builder(node, state, 0, stand.executor.clone())
        .kept(KEPT)
        .queue(QUEUE)
        .readers(stand.readers())
        .workers(stand.case.workers)
        .admission(ResponseTarget::p99(target)?.at_least(STAGES))
        .build()?;
    let gap = Duration::from_secs_f64(1.0 / offered);
    let mut blocks = stand.blocks.iter().cycle();
    let (ran, run) = Run::time(|| {
        let begin = Instant::now();
        let (mut arrivals, mut tickets, mut refused) = (Vec::new(), Vec::new(), 0);
        let mut again = None;
        let moments = (0..).map(|turn| gap * turn);
        for at in moments.take_while(|at| *at < time) {
            let at = come(begin, Some(&at));
            if !watch.goes_on() {
                return Ok(None);
            }
            let Some(mut block) = again.take().or_else(|| blocks.next().cloned()) else {
                return Ok(None);
            };
            put_place(&mut block, tickets.len() as u64 + 1);
            match pipeline.try_submit(block) {
                Ok(ticket) => {
                    arrivals.push(at);
                    tickets.push(ticket);
                }
                Err(back) => {
                    refused += 1;
                    if let Event::Block(block) = back.event {
                        again = Some(block);
                    }
                }
            }
        }
        for ticket in tickets {
            made(ticket)?;
        }
        Ok::<_, Failure>(Some((arrivals, refused)))
    });
    drop(pipeline);
    Ok(ran?.map(|(arrivals, refused)| (chain(&arrivals, &finished.lock(), run), refused)))
}
