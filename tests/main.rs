//! The tests of the core crate, in one binary.

#[cfg(feature = "pipeline")]
mod ahead;
mod determinism;
mod equivalence;
mod faults;
mod hints;
mod hostile;
mod lanes;
mod limits;
mod optimistic;
mod parallel;
#[cfg(feature = "pipeline")]
mod persisting;
#[cfg(feature = "pipeline")]
mod pipeline;
mod planned;
mod recording;
#[cfg(feature = "schedules")]
mod schedules;
mod split;
mod state;
mod streaming;
mod tidy;
mod versioned;
mod view;

use std::num::NonZeroUsize;

use pleach::{
    Executor, Outcome, ParallelExecutor, Runtime, SerialExecutor, Strategy,
    testkit::{Program, ProgramVm, Seen, Step, TestBlock},
};

/// Executes transactions of these steps on an empty state.
fn run(transactions: &[&[Step]]) -> Outcome<ProgramVm> {
    let block = TestBlock {
        transactions: transactions
            .iter()
            .map(|steps| Program::new(*steps))
            .collect(),
        ..TestBlock::default()
    };
    SerialExecutor::new()
        .execute(block.to_pleach(&ProgramVm))
        .expect("nothing fails here")
}

/// The ways of executing a block in parallel.
const STRATEGIES: [Strategy; 5] = [
    Strategy::Auto,
    Strategy::Exact,
    Strategy::Optimistic,
    Strategy::Split,
    Strategy::Lanes,
];

/// An executor with so many threads of its own.
fn executor(workers: usize, strategy: Strategy) -> ParallelExecutor {
    ParallelExecutor::new(&runtime(workers)).strategy(strategy)
}

fn runtime(workers: usize) -> Runtime {
    let workers = NonZeroUsize::new(workers).expect("there are some");
    let runtime = Runtime::builder().workers(workers).build();
    runtime.expect("there are threads")
}

/// What the transaction of this index saw.
fn seen(outcome: &Outcome<ProgramVm>, index: usize) -> &Seen {
    outcome.transactions[index]
        .output()
        .expect("it was executed")
}

/// Stands for an absent value in what a program saw.
const ABSENT: u64 = u64::MAX;

/// Says nothing of panics with this text, which tests bring about.
fn silence_panics(text: &'static str) {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload_as_str() != Some(text) {
            hook(panic);
        }
    }));
}
