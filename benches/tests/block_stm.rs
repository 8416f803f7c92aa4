//! Block-STM gives what a plain serial loop over a map gives.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use pleach_bench::{
    block_stm::{Access, BlockStm, Blocked, Outcome, Program},
    engines::Native,
    payments::{Numbers, balances},
    workloads::{Balances, Payments, Shape, Workload},
};

const WORKERS: [usize; 4] = [1, 2, 3, 8];

fn engines() -> Vec<(usize, BlockStm)> {
    let engine = |workers| {
        let workers = NonZeroUsize::new(workers).expect("there are some");
        BlockStm::new(workers).expect("there are threads")
    };
    let engines = WORKERS.iter().map(|workers| (*workers, engine(*workers)));
    engines.collect()
}

/// What a serial loop sees: the state, and the writes so far on top.
struct Serial<'a, K, V> {
    state: &'a HashMap<K, V>,
    writes: BTreeMap<K, V>,
}

impl<K: Hash + Ord, V: Clone> Access<K, V> for Serial<'_, K, V> {
    fn read(&mut self, key: &K) -> Result<Option<V>, Blocked> {
        let value = self.writes.get(key).or_else(|| self.state.get(key));
        Ok(value.cloned())
    }

    fn write(&mut self, key: K, value: V) {
        self.writes.insert(key, value);
    }
}

type OutcomeOf<P> = Outcome<<P as Program>::Key, <P as Program>::Value, <P as Program>::Output>;

fn serial<P>(
    program: &P,
    state: &HashMap<P::Key, P::Value>,
    block: &[P::Transaction],
) -> OutcomeOf<P>
where
    P: Program<Key: Ord>,
{
    let mut serial = Serial {
        state,
        writes: BTreeMap::new(),
    };
    let outputs = block.iter().map(|transaction| {
        let output = program.execute(transaction, &mut serial);
        output.expect("nobody blocks a serial loop")
    });
    Outcome {
        outputs: outputs.collect(),
        changes: serial.writes.into_iter().collect(),
    }
}

fn sorted<K: Ord, V, O>(mut outcome: Outcome<K, V, O>) -> Outcome<K, V, O> {
    outcome.changes.sort_by(|(a, _), (b, _)| a.cmp(b));
    outcome
}

/// So many payments between so many accounts, with so many rounds of work for each.
fn payments(transactions: usize, accounts: u64, rounds: u32, seed: u64) -> Native<Payments> {
    let workload = Payments {
        transactions,
        accounts,
        shape: Shape::Uniform,
        balances: Balances::Values,
        rounds,
        seed,
    };
    Native {
        workload,
        declares: false,
    }
}

#[test]
fn payments_are_made_as_one_after_another() {
    let engines = engines();
    for accounts in [2, 10, 100, 10_000] {
        let state: HashMap<_, _> = balances(accounts).collect();
        for seed in 0..12 {
            let program = payments(1_000, accounts, [0, 100][seed as usize % 2], seed);
            let block = program.workload.block();
            let expected = serial(&program, &state, &block);
            for (workers, engine) in &engines {
                let outcome = engine.execute(&program, |key| state.get(key).copied(), &block);
                let same = sorted(outcome) == expected;
                assert!(same, "{accounts} accounts, seed {seed}, {workers} workers");
            }
        }
    }
}

#[test]
fn small_blocks_end_too() {
    let state: HashMap<_, _> = balances(2).collect();
    for (workers, engine) in engines() {
        for transactions in (0..6).cycle().take(2_000) {
            let program = payments(transactions, 2, 0, 1);
            let block = program.workload.block();
            let outcome = engine.execute(&program, |key| state.get(key).copied(), &block);
            let expected = serial(&program, &state, &block);
            let same = sorted(outcome) == expected;
            assert!(same, "{transactions} transactions, {workers} workers");
        }
    }
}

/// Transactions that go from key to key by what they read, and write keys that depend on it too.
struct Wander {
    keys: u64,
    executions: AtomicUsize,
}

impl Program for Wander {
    type Transaction = u64;
    type Key = u64;
    type Value = u64;
    type Output = u64;

    fn execute<A: Access<u64, u64>>(&self, seed: &u64, state: &mut A) -> Result<u64, Blocked> {
        self.executions.fetch_add(1, Ordering::Relaxed);
        let mut numbers = Numbers::new(*seed);
        let mut digest = numbers.below(u64::MAX);
        for _ in 0..numbers.below(8) {
            let key = Numbers::new(digest).below(self.keys);
            match numbers.below(4) {
                // What is read chooses the next key; there may be nothing.
                0 | 1 => {
                    let value = state.read(&key)?.unwrap_or(u64::MAX);
                    digest = Numbers::new(digest ^ value).below(u64::MAX);
                }
                2 => state.write(key, digest),
                // Written or not by what was read before, and perhaps twice.
                _ if digest.is_multiple_of(2) => state.write(key, digest ^ 1),
                // Others run meanwhile: what follows may read their writes.
                _ => thread::yield_now(),
            }
        }
        Ok(digest)
    }
}

#[test]
fn transactions_may_touch_what_they_please() {
    const TRANSACTIONS: usize = 300;
    let engines = engines();
    let mut again = 0;
    for seed in 0..150 {
        let mut numbers = Numbers::new(seed);
        let program = Wander {
            keys: [1, 2, 5, 20, 100, 1_000][seed as usize % 6],
            executions: AtomicUsize::new(0),
        };
        // Half of the keys are there in the beginning.
        let state: HashMap<_, _> = (0..program.keys).step_by(2).zip(1_000..).collect();
        let block: Vec<_> = (0..TRANSACTIONS).map(|_| numbers.below(u64::MAX)).collect();
        let expected = serial(&program, &state, &block);
        for (workers, engine) in &engines {
            let before = program.executions.load(Ordering::Relaxed);
            let outcome = engine.execute(&program, |key| state.get(key).copied(), &block);
            let same = sorted(outcome) == expected;
            assert!(
                same,
                "{} keys, seed {seed}, {workers} workers",
                program.keys
            );
            let executions = program.executions.load(Ordering::Relaxed) - before;
            assert!(*workers > 1 || executions == TRANSACTIONS);
            again += executions - TRANSACTIONS;
        }
    }
    // Or else the engine's ways for conflicts were not tried.
    assert!(again > 1_000, "{again} executions were not the first");
}

/// Panics on one transaction, once others are under way.
struct PanicsAt(u64);

impl Program for PanicsAt {
    type Transaction = u64;
    type Key = u64;
    type Value = u64;
    type Output = ();

    fn execute<A: Access<u64, u64>>(&self, number: &u64, state: &mut A) -> Result<(), Blocked> {
        let value = state.read(&0)?.unwrap_or_default();
        assert_ne!(*number, self.0);
        state.write(0, value + 1);
        Ok(())
    }
}

#[test]
fn a_panic_ends_the_block_and_the_next_one_runs() {
    let block: Vec<_> = (0..200).collect();
    for (workers, engine) in engines() {
        let run = |program| engine.execute(&program, |_| None, &block);
        let result = catch_unwind(AssertUnwindSafe(|| run(PanicsAt(100))));
        assert!(result.is_err(), "{workers} workers");
        assert_eq!(run(PanicsAt(200)).changes, [(0, 200)], "{workers} workers");
    }
}
