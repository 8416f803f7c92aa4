//! Payments on every engine that there is, beside the plain loop over a hash map.
//!
//! `cargo run --release -p pleach-bench --bin engines [REPEAT]`: all in turns in one process, medians, in microseconds a
//! transaction, and how many times as fast as the plain loop that is.

use std::{
    collections::HashMap, convert::Infallible, env, num::NonZeroUsize, process::ExitCode,
    time::Instant,
};

use foldhash::fast::RandomState;
use pleach::{
    AccessSet, Block, Executor, ParallelExecutor, Runtime, SerialExecutor, State, StateView, Stop,
    Strategy, Trust, Vm,
};
use pleach_bench::{
    block_stm::{self, BlockStm},
    payments::{self, Key, Payment, work},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Executes payments, each with so many rounds of work.
struct Payments {
    rounds: u32,
    /// Whether it says beforehand what payments touch.
    declares: bool,
}

impl Vm for Payments {
    type Transaction = Payment;
    type Key = Key;
    type Value = u64;
    type Output = bool;
    type Error = Infallible;
    type Scratch = ();

    fn accesses(&self, payment: &Payment, set: &mut AccessSet<Key>) -> Trust {
        if !self.declares {
            return Trust::Unknown;
        }
        payment.accesses(set);
        Trust::Exact
    }

    fn execute<S: StateView<Key, u64>>(
        &self,
        payment: &Payment,
        state: &mut S,
        (): &mut (),
    ) -> Result<bool, Stop<Infallible>> {
        let balance = state.get(&payment.sender)?.unwrap_or_default();
        let sequence = state.get(&payment.sequence)?.unwrap_or_default();
        let receiver = state.get(&payment.receiver)?.unwrap_or_default();
        work(balance, self.rounds);
        let Some(left) = balance.checked_sub(1) else {
            return Ok(false);
        };
        state.put(&payment.sender, left)?;
        state.put(&payment.sequence, sequence + 1)?;
        state.put(&payment.receiver, receiver + 1)?;
        Ok(true)
    }
}

/// A state that is as fast as the plain loop's.
struct Accounts(HashMap<Key, u64, RandomState>);

impl State<Key, u64> for Accounts {
    type Error = Infallible;

    fn get(&self, key: &Key) -> Result<Option<u64>, Infallible> {
        Ok(self.0.get(key).copied())
    }
}

fn main() -> ExitCode {
    let repeat: usize = match env::args().nth(1).map(|text| text.parse()) {
        None => 11,
        Some(Ok(repeat @ 1..)) => repeat,
        Some(_) => {
            eprintln!("usage: engines [REPEAT]");
            return ExitCode::from(2);
        }
    };
    println!(
        "10,000 payments; microseconds a transaction, and how many times as fast as the plain loop\n"
    );
    println!(
        "{:>9} {:>7} {:>11} {:>17} {:>17} {:>17} {:>17} {:>17} {:>20} {:>20}",
        "accounts",
        "rounds",
        "plain loop",
        "serial",
        "exact, 1 worker",
        "exact, 2 workers",
        "optimistic, 1",
        "optimistic, 2",
        "block-stm, 1 worker",
        "block-stm, 2 workers"
    );
    for rounds in [0, 1_000] {
        for accounts in [100_000, 10_000, 1_000, 100, 2] {
            line(accounts, rounds, repeat);
        }
    }
    ExitCode::SUCCESS
}

fn line(accounts: u64, rounds: u32, repeat: usize) {
    const TRANSACTIONS: usize = 10_000;
    let block = payments::block(TRANSACTIONS, accounts, 7);
    let vm = Payments {
        rounds,
        declares: true,
    };
    let unknown = Payments {
        rounds,
        declares: false,
    };
    let state = Accounts(payments::balances(accounts).collect());
    let number = |workers: usize| NonZeroUsize::new(workers).expect("there are some");
    let runtime = |workers: usize| {
        Runtime::builder()
            .workers(number(workers))
            .build()
            .expect("there are threads")
    };
    let (one, two) = (runtime(1), runtime(2));
    let exact = |runtime: &Runtime| ParallelExecutor::new(runtime).strategy(Strategy::Exact);
    let (exact_one, exact_two) = (exact(&one), exact(&two));
    let optimistic =
        |runtime: &Runtime| ParallelExecutor::new(runtime).strategy(Strategy::Optimistic);
    let (optimistic_one, optimistic_two) = (optimistic(&one), optimistic(&two));
    let program = block_stm::Payments { rounds };
    let (stm_one, stm_two) = (BlockStm::new(number(1)), BlockStm::new(number(2)));
    let mut ledger = payments::Ledger::new(accounts);
    let expected = SerialExecutor::new()
        .execute(Block::new(&vm, &state, &block))
        .expect("nothing fails");

    let check = |outcome: pleach::Outcome<Payments>| {
        assert_eq!(outcome.changes.len(), expected.changes.len());
    };
    let run = |vm: &Payments, executor: &ParallelExecutor| {
        check(
            executor
                .execute(Block::new(vm, &state, &block))
                .expect("nothing fails"),
        );
    };
    let run_stm = |engine: &BlockStm| {
        let outcome = engine.execute(&program, |key| state.0.get(key).copied(), &block);
        assert_eq!(outcome.changes.len(), expected.changes.len());
    };
    let mut times = vec![Vec::new(); 8];
    for _ in 0..repeat {
        let mut runs: [&mut dyn FnMut(); 8] = [
            &mut || _ = std::hint::black_box(ledger.run_with(&block, rounds)),
            &mut || {
                check(
                    SerialExecutor::new()
                        .execute(Block::new(&vm, &state, &block))
                        .expect("nothing fails"),
                );
            },
            &mut || run(&vm, &exact_one),
            &mut || run(&vm, &exact_two),
            &mut || run(&unknown, &optimistic_one),
            &mut || run(&unknown, &optimistic_two),
            &mut || run_stm(&stm_one),
            &mut || run_stm(&stm_two),
        ];
        for (run, times) in runs.iter_mut().zip(&mut times) {
            let start = Instant::now();
            run();
            times.push(start.elapsed().as_secs_f64() * 1e6 / TRANSACTIONS as f64);
        }
    }
    let medians = times.into_iter().map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    });
    let mut medians = medians.into_iter();
    let plain = medians.next().expect("there is one");
    print!("{accounts:>9} {rounds:>7} {plain:>11.3}");
    for (median, width) in medians.zip([9, 9, 9, 9, 9, 12, 12]) {
        print!(" {median:>width$.3} {:>6.2}x", plain / median);
    }
    println!();
}
