//! What is counted: paths of one worker, which are the same in every run.

use std::{hint::black_box, num::NonZeroUsize};

use pleach::{
    AccessSet, Block, CancelToken, Executor, MemoryState, ParallelExecutor, Runtime,
    SerialExecutor, Strategy, Trust,
};
use pleach_bench::{
    engines::Native,
    payments::{Key, balances},
    workloads::{Balances, Payments, Shape, Workload as _},
};
use pleach_dtt::{Dtt, Limits, OpenTree};
use pleach_evm::{Chain, sample};

/// Runs a workload so often.
type Workload = fn(u64);

pub(crate) const WORKLOADS: [(&str, Workload); 6] = [
    ("payments-serial", |repeats| {
        repeat(repeats, &SerialExecutor::new(), false);
    }),
    ("payments-exact", |repeats| {
        repeat(repeats, &alone(Strategy::Exact), true);
    }),
    ("payments-optimistic", |repeats| {
        repeat(repeats, &alone(Strategy::Optimistic), false);
    }),
    ("tree-analysis", analysis),
    ("tree-decode-verify", decode_and_verify),
    ("evm-sample-serial", ethereum),
];

const TRANSACTIONS: usize = 2_000;
const ACCOUNTS: u64 = 1_000;
/// The block of the sample chain that is executed.
const SAMPLE: usize = 2;

fn payments() -> Payments {
    Payments {
        transactions: TRANSACTIONS,
        accounts: ACCOUNTS,
        shape: Shape::Uniform,
        balances: Balances::Values,
        rounds: 0,
        seed: 7,
    }
}

fn alone(strategy: Strategy) -> ParallelExecutor {
    let runtime = Runtime::builder().workers(NonZeroUsize::MIN).build();
    ParallelExecutor::new(&runtime.expect("there is a thread")).strategy(strategy)
}

fn repeat(repeats: u64, executor: &impl Executor, declares: bool) {
    let state: MemoryState<Key, u64> = balances(ACCOUNTS).collect();
    let workload = payments();
    let block = workload.block();
    let vm = Native { workload, declares };
    for _ in 0..repeats {
        let outcome = executor.execute(Block::new(&vm, &state, &block));
        black_box(outcome.expect("payments are executed"));
    }
}

fn sets() -> Vec<AccessSet<Key>> {
    let sets = payments().block().into_iter().map(|payment| {
        let mut set = AccessSet::new();
        payment.accesses(&mut set);
        set
    });
    sets.collect()
}

fn tree(sets: &[AccessSet<Key>]) -> Dtt {
    let mut open = OpenTree::with_capacity(sets.len(), 3 * sets.len());
    for set in sets {
        open.push(set, Trust::Exact).expect("it is not too large");
    }
    open.into_tree()
}

fn analysis(repeats: u64) {
    let sets = sets();
    for _ in 0..repeats {
        black_box(tree(black_box(&sets)));
    }
}

fn decode_and_verify(repeats: u64) {
    let sets = sets();
    let bytes = tree(&sets).encode();
    for _ in 0..repeats {
        let tree = Dtt::decode(black_box(&bytes), Limits::default()).expect("it is a tree");
        let sets = sets.iter().map(|set| (set, Trust::Exact));
        tree.verify(sets).expect("it is what they give");
    }
}

fn ethereum(repeats: u64) {
    let Chain {
        spec,
        genesis: mut state,
        blocks,
    } = sample::chain();
    let (serial, cancel) = (SerialExecutor::new(), CancelToken::new());
    for (index, block) in blocks.iter().enumerate().take(SAMPLE + 1) {
        let prepared = block.prepare(&spec).expect("the block is signed");
        let execute = || {
            prepared
                .execute(&serial, &state, &cancel)
                .expect("it is executed")
        };
        if index == SAMPLE {
            for _ in 0..repeats {
                black_box(execute());
            }
            return;
        }
        let result = execute();
        prepared.apply(&result, &mut state);
        state.insert_block_hash(block.header.number, block.hash);
    }
}
