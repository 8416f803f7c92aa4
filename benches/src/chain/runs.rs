//! As fast as it goes, and at a given load.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use pleach::{
    ParallelExecutor, Pipeline, Runtime, Strategy, VersionedState, pipeline::BlockTicket,
};

use super::{
    Case, Chain, Failure, How, Measured, Watch,
    node::{PaymentsNode, put_place, write},
    one_by_one::OneByOne,
    store::Slow,
};
use crate::{
    engines::Native,
    latency::Latency,
    payments::{Key, Numbers, balances},
    stopwatch::Run,
    workloads::{Balances, Payments, Shape},
};

/// How many heights stay in memory.
pub(super) const KEPT: u64 = 8;
/// How many blocks may wait before each stage.
pub(super) const QUEUE: usize = 8;
/// The load at which latencies are measured, of what is possible block by block.
const LOAD: f64 = 0.8;

pub(super) type Accounts = VersionedState<Key, u64, Slow>;
pub(super) type Finished = Arc<Mutex<Vec<Instant>>>;

const WAYS: [How; 2] = [How::OneByOne, How::Pipeline];

/// When blocks come.
#[derive(Clone, Copy)]
pub(super) enum Arrival {
    /// As soon as there is room for them.
    AtOnce,
    /// So many a second, on average, at moments that are independent of each other.
    Random(f64),
}

/// What is needed for all runs of a case.
pub(super) struct Stand {
    pub(super) case: Case,
    pub(super) executor: ParallelExecutor,
    pub(super) blocks: Vec<Vec<u8>>,
    /// How many payments of each block were made, and what is left in the end, by the first run.
    expected: Option<(Vec<usize>, Vec<Option<u64>>)>,
}

/// What a run gives.
struct Ran {
    made: Vec<usize>,
    came: Vec<Instant>,
    finished: Vec<Instant>,
    state: Accounts,
    run: Run,
}

/// Measures both ways in turns, so often, and compares what they come to. Nothing if it is not to go on.
///
/// # Errors
///
/// If one of them does not execute the chain, or both do not come to the same.
pub fn measure(
    case: Case,
    repeat: usize,
    watch: &dyn Watch,
) -> Result<Option<[Measured; 2]>, Failure> {
    let mut stand = Stand::new(case)?;
    let Some(fast) = stand.both(repeat, Arrival::AtOnce, watch)? else {
        return Ok(None);
    };
    let [one_by_one, pipeline] = fast.map(middle);
    let load = LOAD * one_by_one.speed();
    let Some(loaded) = stand.both(repeat, Arrival::Random(load), watch)? else {
        return Ok(None);
    };
    let mut loaded = loaded.map(together).into_iter();
    let measured = WAYS.into_iter().zip([one_by_one, pipeline]);
    let measured: Vec<_> = measured
        .zip(&mut loaded)
        .map(|((how, fast), loaded)| Measured {
            how,
            fast,
            load,
            loaded,
        })
        .collect();
    Ok(measured.try_into().ok())
}

/// The chain that was neither the fastest nor the slowest.
fn middle(mut chains: Vec<Chain>) -> Chain {
    chains.sort_by_key(|chain| chain.run.wall);
    chains.swap_remove(chains.len() / 2)
}

/// All chains as one.
pub(super) fn together(chains: Vec<Chain>) -> Chain {
    let mut latencies: Vec<_> = chains
        .iter()
        .flat_map(|chain| chain.latencies.iter().copied())
        .collect();
    latencies.sort_unstable();
    let run = chains
        .into_iter()
        .map(|chain| chain.run)
        .reduce(Run::and)
        .expect("there is a run");
    Chain { run, latencies }
}

impl Stand {
    pub(super) fn new(case: Case) -> Result<Self, Failure> {
        let runtime = Runtime::builder().workers(case.workers).build();
        let runtime = runtime.map_err(|error| Failure::Runtime(Box::new(error)))?;
        let block = |id: u64| {
            let mut block = write(case.transactions, case.accounts, id);
            put_place(&mut block, id);
            block
        };
        Ok(Self {
            case,
            executor: ParallelExecutor::new(&runtime).strategy(Strategy::Exact),
            blocks: (1..=case.blocks as u64).map(block).collect(),
            expected: None,
        })
    }

    pub(super) fn node(&self) -> (PaymentsNode, Accounts, Finished) {
        let rounds = self.case.rounds;
        let finished = Finished::default();
        let node = PaymentsNode {
            vm: Native {
                workload: Payments {
                    transactions: self.case.transactions,
                    accounts: self.case.accounts.into(),
                    shape: Shape::Uniform,
                    balances: Balances::Values,
                    rounds,
                    seed: 0,
                },
                declares: true,
            },
            rounds,
            finished: Arc::clone(&finished),
        };
        let Ok(state) =
            VersionedState::open(Slow::new(self.case.accounts, Latency(self.case.latency)));
        (node, state, finished)
    }

    /// Executes the chain in turns, so often each way.
    fn both(
        &mut self,
        repeat: usize,
        arrival: Arrival,
        watch: &dyn Watch,
    ) -> Result<Option<[Vec<Chain>; 2]>, Failure> {
        let mut both = [Vec::new(), Vec::new()];
        for _ in 0..repeat {
            for (how, chains) in WAYS.into_iter().zip(&mut both) {
                let Some(chain) = self.run(how, arrival, watch)? else {
                    return Ok(None);
                };
                chains.push(chain);
            }
        }
        Ok(Some(both))
    }

    /// Executes the chain, and compares what it comes to with the first time.
    pub(super) fn run(
        &mut self,
        how: How,
        arrival: Arrival,
        watch: &dyn Watch,
    ) -> Result<Option<Chain>, Failure> {
        let load = match arrival {
            Arrival::AtOnce => "as fast as it goes".to_owned(),
            Arrival::Random(rate) => format!("{rate:.0} blocks/s"),
        };
        watch.begins(&format!("{how}, {load}"));
        let ran = match how {
            How::OneByOne => self.one_by_one(arrival, watch)?,
            How::Pipeline => self.pipeline(arrival, watch)?,
        };
        let Some(ran) = ran else {
            return Ok(None);
        };
        let found = (ran.made, contents(&ran.state, self.case.accounts)?);
        match &self.expected {
            Some((made, _)) if *made != found.0 => return Err(Failure::Differ("payments")),
            Some((_, left)) if *left != found.1 => return Err(Failure::Differ("balances")),
            Some(_) => {}
            None => self.expected = Some(found),
        }
        Ok(Some(chain(&ran.came, &ran.finished, ran.run)))
    }

    fn one_by_one(&self, arrival: Arrival, watch: &dyn Watch) -> Result<Option<Ran>, Failure> {
        let (node, state, _) = self.node();
        let executor = self.executor.clone();
        let node = OneByOne {
            node,
            state,
            executor,
            kept: KEPT,
        };
        let blocks = self.blocks.clone();
        let arrivals = self.arrivals(arrival);
        let (ran, run) = Run::time(|| {
            let begin = Instant::now();
            let mut ran = (Vec::new(), Vec::new(), Vec::new());
            for (index, block) in blocks.into_iter().enumerate() {
                if !watch.goes_on() {
                    return Ok(None);
                }
                let came = come(begin, arrivals.get(index));
                let (made, finished) = node.block(block)?;
                ran.0.push(made);
                ran.1.push(came);
                ran.2.push(finished);
            }
            Ok::<_, Failure>(Some(ran))
        });
        let state = node.state;
        Ok(ran?.map(|(made, came, finished)| Ran {
            made,
            came,
            finished,
            state,
            run,
        }))
    }

    fn pipeline(&self, arrival: Arrival, watch: &dyn Watch) -> Result<Option<Ran>, Failure> {
        let (node, state, finished) = self.node();
        let pipeline = Pipeline::builder(node, state.clone(), 0, self.executor.clone())
            .kept(KEPT)
            .queue(QUEUE)
            .readers(self.readers())
            .workers(self.case.workers)
            .build()?;
        let blocks = self.blocks.clone();
        let arrivals = self.arrivals(arrival);
        let (ran, run) = Run::time(|| {
            let begin = Instant::now();
            let mut came = Vec::new();
            let mut tickets = Vec::new();
            for (index, block) in blocks.into_iter().enumerate() {
                if !watch.goes_on() {
                    return Ok(None);
                }
                came.push(come(begin, arrivals.get(index)));
                let ticket = pipeline.submit(block);
                tickets.push(ticket.map_err(|error| Failure::Block(error.to_string().into()))?);
            }
            let made = tickets.into_iter().map(made).collect::<Result<_, _>>()?;
            Ok::<_, Failure>(Some((made, came)))
        });
        drop(pipeline);
        let finished = std::mem::take(&mut *finished.lock());
        Ok(ran?.map(|(made, came)| Ran {
            made,
            came,
            finished,
            state,
            run,
        }))
    }

    pub(super) fn readers(&self) -> usize {
        if self.case.latency.is_zero() {
            0
        } else {
            self.case.readers
        }
    }

    /// When each block comes, from the beginning; nothing if there is room for it at once.
    fn arrivals(&self, arrival: Arrival) -> Vec<Duration> {
        let Arrival::Random(rate) = arrival else {
            return Vec::new();
        };
        let mut numbers = Numbers::new(11);
        let mut at = 0.0;
        let next = |_| {
            let share = numbers.below(1 << 53) as f64 / (1_u64 << 53) as f64;
            at -= (1.0 - share).ln() / rate;
            Duration::from_secs_f64(at)
        };
        (0..self.case.blocks).map(next).collect()
    }
}

/// Waits until a block comes, and says when that was to be.
pub(super) fn come(begin: Instant, arrival: Option<&Duration>) -> Instant {
    let Some(arrival) = arrival else {
        return Instant::now();
    };
    let at = begin + *arrival;
    thread::sleep(at.saturating_duration_since(Instant::now()));
    at
}

/// How many payments of a block were made.
pub(super) fn made(ticket: BlockTicket<PaymentsNode>) -> Result<usize, Failure> {
    let done = ticket
        .wait()
        .map_err(|error| Failure::Block(Box::new(error)))?;
    Ok(done.into_output().unwrap_or_default())
}

pub(super) fn chain(came: &[Instant], finished: &[Instant], run: Run) -> Chain {
    let pairs = came.iter().zip(finished);
    let mut latencies: Vec<_> = pairs
        .map(|(came, finished)| finished.saturating_duration_since(*came))
        .collect();
    latencies.sort_unstable();
    Chain { run, latencies }
}

/// All accounts. The store is asked at once for what it would take its time to say.
fn contents(state: &Accounts, accounts: u32) -> Result<Vec<Option<u64>>, Failure> {
    let pruned = state.prune(state.height());
    pruned.map_err(|error| Failure::Block(Box::new(error)))?;
    let numbers = balances(u64::from(accounts)).map(|(key, _)| state.store().balance(&key));
    Ok(numbers.collect())
}
