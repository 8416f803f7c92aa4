//! A proposer executes a block and ships its Deterministic Transaction Tree with it; a validator starts from that, and checks
//! it by the way. A tree that is wrong costs time, and nothing else.
//!
//! `cargo run --release --example carry_tree`

use std::{convert::Infallible, error::Error, time::Instant};

use pleach::{
    AccessSet, Block, Executor, MemoryState, Outcome, ParallelExecutor, Runtime, SerialExecutor,
    StateView, Stop, Strategy, Trust, Vm,
    dtt::{Dtt, Limits, OpenTree},
};
use pleach_dtt::RootHash;

/// Mixes two registers into a third. Which ones is seen only while it runs.
#[derive(Clone, Copy)]
struct Mix {
    seed: u64,
}

struct Mixer;

const REGISTERS: u64 = 12;
const TRANSACTIONS: u64 = 3_000;
const RUNS: usize = 9;

impl Vm for Mixer {
    type Transaction = Mix;
    type Key = u64;
    type Value = u64;
    type Output = u64;
    type Error = Infallible;
    type Scratch = ();

    fn execute<S: StateView<u64, u64>>(
        &self,
        mix: &Mix,
        state: &mut S,
        (): &mut (),
    ) -> Result<u64, Stop<Infallible>> {
        let [one, other, into] = [1, 2, 3].map(|place| scramble(mix.seed + place, 1) % REGISTERS);
        let one = state.get(&one)?.unwrap_or(0);
        let other = state.get(&other)?.unwrap_or(0);
        let mixed = scramble(one ^ other.rotate_left(32), 1_500);
        state.put(&into, mixed)?;
        Ok(mixed)
    }
}

fn scramble(mut number: u64, rounds: u32) -> u64 {
    for _ in 0..rounds {
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number ^= number >> 27;
    }
    number
}

/// The tree of what was touched: the same on every node, whatever schedule it had.
fn tree(accesses: &[AccessSet<u64>]) -> Result<Dtt, pleach::dtt::TooLarge> {
    let mut open = OpenTree::new();
    for set in accesses {
        open.push(set, Trust::Predicted)?;
    }
    Ok(open.into_tree())
}

/// What goes over the wire beside the block.
struct Sealed {
    tree: Vec<u8>,
    root: RootHash,
}

fn propose(state: &MemoryState<u64, u64>, block: &[Mix]) -> Result<Sealed, Box<dyn Error>> {
    let executor = ParallelExecutor::new(&Runtime::builder().build()?);
    let (_, accesses) = executor.record(Block::new(&Mixer, state, block))?;
    let tree = tree(&accesses)?;
    println!(
        "proposer:  {} transactions, {} dependencies, longest chain {}, tree {} bytes, root {:.16}",
        tree.len(),
        tree.edges(),
        tree.critical_path(&vec![1; tree.len()]).cost,
        tree.encode().len(),
        tree.root_hash().to_string(),
    );
    Ok(Sealed {
        tree: tree.encode(),
        root: tree.root_hash(),
    })
}

fn validate(
    state: &MemoryState<u64, u64>,
    block: &[Mix],
    sealed: &Sealed,
) -> Result<Dtt, Box<dyn Error>> {
    // It comes from outside: no more transactions than the block has.
    let limits = Limits::default().transactions(block.len());
    let carried = Dtt::decode(&sealed.tree, limits)?;
    let executor = ParallelExecutor::new(&Runtime::builder().build()?);
    let hinted = Block::new(&Mixer, state, block).tree(&carried);
    let (_, accesses) = executor.record(hinted)?;
    let found = tree(&accesses)?;
    println!(
        "validator: root {:.16} by its own execution, so the proposer's tree is {}",
        found.root_hash().to_string(),
        if found.root_hash() == sealed.root && found == carried {
            "right"
        } else {
            "wrong"
        },
    );
    Ok(carried)
}

/// One run: how many milliseconds it took, and how many attempts.
fn run(
    executor: &ParallelExecutor,
    block: Block<'_, Mixer, MemoryState<u64, u64>>,
    expected: &Outcome<Mixer>,
) -> Result<(f64, usize), Box<dyn Error>> {
    let begun = Instant::now();
    let outcome = executor.execute(block)?;
    let milliseconds = begun.elapsed().as_secs_f64() * 1e3;
    assert_eq!(outcome.changes, expected.changes, "hints never decide");
    assert!(outcome.outputs().eq(expected.outputs()));
    Ok((milliseconds, outcome.statistics.attempts))
}

fn main() -> Result<(), Box<dyn Error>> {
    let state = MemoryState::new();
    let block: Vec<Mix> = (0..TRANSACTIONS)
        .map(|number| Mix {
            seed: scramble(number, 4),
        })
        .collect();
    let sealed = propose(&state, &block)?;
    let carried = validate(&state, &block, &sealed)?;

    let mut damaged = sealed.tree.clone();
    damaged.truncate(damaged.len() / 2);
    let error = Dtt::decode(&damaged, Limits::default()).expect_err("half of it is missing");
    println!("half of the bytes: {error}\n");

    // Two that lie: nothing depends on anything, and everything on what is before it.
    let free = tree(&vec![AccessSet::new(); block.len()])?;
    let mut link = AccessSet::new();
    link.update(0);
    let chain = tree(&vec![link; block.len()])?;

    let expected = SerialExecutor::new().execute(Block::new(&Mixer, &state, &block))?;
    let runtime = Runtime::builder().build()?;
    let executor = ParallelExecutor::new(&runtime).strategy(Strategy::Optimistic);
    let hints = [
        ("no tree", None),
        ("the proposer's", Some(&carried)),
        ("one of no dependencies", Some(&free)),
        ("one chain", Some(&chain)),
    ];
    let mut runs = [const { Vec::new() }; 4];
    for _ in 0..RUNS {
        for ((_, hint), runs) in hints.iter().zip(&mut runs) {
            let mut hinted = Block::new(&Mixer, &state, &block);
            if let Some(tree) = hint {
                hinted = hinted.tree(tree);
            }
            runs.push(run(&executor, hinted, &expected)?);
        }
    }
    println!(
        "on {} workers      milliseconds  attempts",
        runtime.workers()
    );
    for ((name, _), mut runs) in hints.into_iter().zip(runs) {
        runs.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let (milliseconds, attempts) = runs[RUNS / 2];
        println!("{name:<24}{milliseconds:>8.2}{attempts:>10}");
    }
    println!("\nEvery run came to what the serial executor comes to.");
    Ok(())
}
