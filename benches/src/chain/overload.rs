//! More blocks than a pipeline can take.

use std::time::{Duration, Instant};

use pleach::{CancelToken, Pipeline, pipeline::seda_stages::ResponseTarget};

use super::{
    Case, Chain, Failure, How, Overload,
    node::put_place,
    runs::{Arrival, KEPT, QUEUE, Stand, chain, come, made, together},
};
use crate::stopwatch::{Run, median};

/// In turns, so often: a pipeline executes the chain as fast as it goes, and is offered so many `times` as much for this long, with
/// an admission controller that is given `target`: 99 in 100 blocks are to take no longer.
///
/// Blocks that are refused are lost, and the next one that is accepted follows the last one that was. Nothing if it is cancelled.
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
    cancel: &CancelToken,
    mut step: impl FnMut(),
) -> Result<Option<Overload>, Failure> {
    let mut stand = Stand::new(case)?;
    let (mut turns, mut refused) = (Vec::new(), 0);
    for _ in 0..repeat {
        let best = stand.run(How::Pipeline, Arrival::AtOnce)?.speed();
        let (accepted, lost) = turn(&stand, best * times, time, target, cancel)?;
        turns.push((best, accepted));
        refused += lost;
        step();
        if cancel.is_cancelled() {
            return Ok(None);
        }
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
    cancel: &CancelToken,
) -> Result<(Chain, usize), Failure> {
    let (node, state, finished) = stand.node();
    let pipeline = Pipeline::builder(node, state, 0, stand.executor.clone())
        .kept(KEPT)
        .queue(QUEUE)
        .readers(stand.readers())
        .workers(stand.case.workers)
        .admission(ResponseTarget::p99(target)?)
        .build()?;
    let gap = Duration::from_secs_f64(1.0 / offered);
    let mut blocks = stand.blocks.iter().cycle();
    let (ran, run) = Run::time(|| {
        let begin = Instant::now();
        let (mut arrivals, mut tickets, mut refused) = (Vec::new(), Vec::new(), 0);
        let moments = (0..).map(|turn| gap * turn);
        for at in moments.take_while(|at| *at < time) {
            let at = come(begin, Some(&at));
            let Some(block) = blocks.next().filter(|_| !cancel.is_cancelled()) else {
                break;
            };
            let mut block = block.clone();
            put_place(&mut block, tickets.len() as u64 + 1);
            match pipeline.try_submit(block) {
                Ok(ticket) => {
                    arrivals.push(at);
                    tickets.push(ticket);
                }
                Err(_) => refused += 1,
            }
        }
        for ticket in tickets {
            made(ticket)?;
        }
        Ok::<_, Failure>((arrivals, refused))
    });
    let (arrivals, refused) = ran?;
    drop(pipeline);
    Ok((chain(&arrivals, &finished.lock(), run), refused))
}
