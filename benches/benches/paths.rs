//! The library's own hot paths, each as bare as it gets: one worker, and transactions that do nothing else.
//!
//! | group | what dominates |
//! | --- | --- |
//! | `exact plan` | access sets become a plan, which is then followed: many small branches, one large one |
//! | `optimistic` | keys are found, versions published, reads checked: keys that all have, and keys that nobody else has |
//! | `versions` | the versions of one key, thousands of them: reads of the one before, and of one far before |
//! | `commit` | what is asked again at the commit, and told to who listens; changes brought into order; applied by height |
//! | `versioned state` | reads of a state by height: of the newest, and below many later ones |
//!
//! `cargo bench -p pleach-bench --bench paths`

use std::{hint::black_box, num::NonZeroUsize, time::Duration};

use criterion::{
    BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main,
    measurement::WallTime,
};
use pleach::{
    Block, Executor, MemoryState, MemoryStore, ParallelExecutor, Runtime, State, Strategy,
    VersionedState,
};
use pleach_bench::{
    engines::{Base, Native},
    payments::{Key, balances},
    workloads::{Balances, Chain, Mint, Payments, Shape, Workload},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TRANSACTIONS: usize = 10_000;

fn alone(strategy: Strategy) -> ParallelExecutor {
    let runtime = Runtime::builder().workers(NonZeroUsize::MIN).build();
    ParallelExecutor::new(&runtime.expect("there is a thread")).strategy(strategy)
}

fn payments(accounts: u64, balances: Balances) -> Payments {
    Payments {
        transactions: TRANSACTIONS,
        accounts,
        shape: Shape::Uniform,
        balances,
        rounds: 0,
        seed: 7,
    }
}

/// Executes a workload's block, and drops what comes of it.
fn execute<W: Workload>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    workload: W,
    strategy: Strategy,
    listens: bool,
) {
    let (base, block) = (Base::new(&workload, Duration::ZERO), workload.block());
    let executor = alone(strategy);
    let vm = Native {
        workload,
        declares: strategy == Strategy::Exact,
    };
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            let mut block = Block::new(&vm, &base, &block);
            if listens {
                block = block.on_commit(|index, _| _ = black_box(index));
            }
            executor.execute(block).expect("it is executed")
        });
    });
}

fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(30);
    group.throughput(Throughput::Elements(TRANSACTIONS as u64));
    group
}

fn exact_plan(criterion: &mut Criterion) {
    let mut group = group(criterion, "exact plan");
    let values = Balances::Values;
    for (name, accounts) in [("small branches", 100_000), ("one large branch", 1_000)] {
        let workload = payments(accounts, values);
        execute(&mut group, name, workload, Strategy::Exact, false);
    }
    let adds = payments(1_000, Balances::Adds);
    execute(&mut group, "adds", adds, Strategy::Exact, false);
    group.finish();
}

fn optimistic(criterion: &mut Criterion) {
    let mut group = group(criterion, "optimistic");
    for (name, accounts) in [("keys of few", 100_000), ("keys of many", 100)] {
        let workload = payments(accounts, Balances::Values);
        execute(&mut group, name, workload, Strategy::Optimistic, false);
    }
    group.finish();
}

fn versions(criterion: &mut Criterion) {
    let mut group = group(criterion, "versions");
    let mint = Mint {
        transactions: TRANSACTIONS,
        balances: Balances::Values,
        rounds: 0,
    };
    execute(&mut group, "one key", mint, Strategy::Optimistic, false);
    for distance in [1, 1_000] {
        let chain = Chain {
            transactions: TRANSACTIONS,
            distance,
            rounds: 0,
        };
        let name = format!("{distance} before");
        execute(&mut group, &name, chain, Strategy::Optimistic, false);
    }
    group.finish();
}

fn commit(criterion: &mut Criterion) {
    let mut group = group(criterion, "commit");
    let mint = Mint {
        transactions: TRANSACTIONS,
        balances: Balances::Adds,
        rounds: 0,
    };
    for (name, listens) in [("adds to one key", false), ("the same, streamed", true)] {
        execute(&mut group, name, mint, Strategy::Optimistic, listens);
    }
    let workload = payments(10_000, Balances::Values);
    let (base, block) = (Base::new(&workload, Duration::ZERO), workload.block());
    let executor = alone(Strategy::Serial);
    let vm = Native {
        workload,
        declares: false,
    };
    let changes = || {
        let outcome = executor.execute(Block::new(&vm, &base, &block));
        outcome.expect("it is executed").changes
    };
    group.bench_function("changes into order", |bencher| {
        bencher.iter_batched(
            changes,
            |changes| changes.iter().count(),
            BatchSize::LargeInput,
        );
    });
    let state: MemoryState<Key, u64> = balances(10_000).collect();
    let store = MemoryStore::new(state);
    let state = VersionedState::open(store).expect("memory does not fail");
    group.bench_function("by height", |bencher| {
        bencher.iter_batched(
            changes,
            |changes| {
                let height = state.commit(changes);
                state.prune(height).expect("nobody reads");
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn versioned_state(criterion: &mut Criterion) {
    let mut group = group(criterion, "versioned state");
    let workload = payments(1_000, Balances::Values);
    let begin: MemoryState<Key, u64> = balances(1_000).collect();
    let state = VersionedState::open(MemoryStore::new(begin)).expect("memory does not fail");
    let executor = alone(Strategy::Serial);
    let vm = Native {
        workload,
        declares: false,
    };
    let block = workload.block();
    let before = state.latest();
    for _ in 0..32 {
        let outcome = executor.execute(Block::new(&vm, &state.latest(), &block));
        state.commit(outcome.expect("it is executed").changes);
    }
    for (name, snapshot) in [("newest", state.latest()), ("32 before", before)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let reads = block.iter().map(|payment| snapshot.get(&payment.sender));
                reads.filter(|read| matches!(read, Ok(Some(_)))).count()
            });
        });
    }
    group.finish();
}

criterion_group!(
    benches,
    exact_plan,
    optimistic,
    versions,
    commit,
    versioned_state
);
criterion_main!(benches);
