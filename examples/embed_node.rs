//! A small node: blocks come in as bytes, are decoded side by side, executed one after another on all cores, and kept; old
//! heights go to the store. Somebody listens to commits, and a block beside the chain takes over.
//!
//! `cargo run --release --example embed_node`

use std::{
    convert::Infallible,
    error::Error,
    sync::mpsc::{self, Sender},
    thread,
    time::Instant,
};

use pleach::{
    Block, Delta, Executor, MemoryState, MemoryStore, ParallelExecutor, Runtime, State, StateView,
    Stop, VersionedState, Vm,
};
use seda_stages::{Pipeline, Settings, from_fn};

/// Accounts, and transfers between them.
struct Bank;

#[derive(Clone, Copy)]
struct Transfer {
    from: u32,
    to: u32,
    amount: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("not enough money")]
struct NotEnough;

impl Vm for Bank {
    type Transaction = Transfer;
    type Key = u32;
    type Value = u64;
    type Output = ();
    type Error = NotEnough;
    type Scratch = ();

    fn execute<S: StateView<u32, u64>>(
        &self,
        transfer: &Transfer,
        state: &mut S,
        (): &mut (),
    ) -> Result<(), Stop<NotEnough>> {
        sign(transfer);
        if !state.add(&transfer.from, Delta::Minus(transfer.amount))? {
            return Err(Stop::Failed(NotEnough));
        }
        state.add(&transfer.to, Delta::Plus(transfer.amount))?;
        Ok(())
    }
}

/// Stands for what a real VM does with a transaction.
fn sign(transfer: &Transfer) {
    let mut number = u64::from(transfer.from) << 32 | u64::from(transfer.to) | 1;
    for _ in 0..2_000 {
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
    }
    std::hint::black_box(number);
}

/// Twelve bytes a transfer.
fn decode(bytes: &[u8]) -> Result<Vec<Transfer>, String> {
    if !bytes.len().is_multiple_of(12) {
        return Err(format!("{} bytes are no transfers", bytes.len()));
    }
    let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
    let transfers = bytes.chunks_exact(12).map(|bytes| Transfer {
        from: number(&bytes[..4]),
        to: number(&bytes[4..8]),
        amount: number(&bytes[8..]).into(),
    });
    Ok(transfers.collect())
}

type Chain = VersionedState<u32, u64, MemoryStore<u32, u64>>;

/// What subscribers hear.
struct Committed {
    height: u64,
    transactions: usize,
    failed: usize,
}

/// How many heights stay readable.
const KEPT: u64 = 8;

fn node(
    chain: &Chain,
    executor: &ParallelExecutor,
    subscriber: &Sender<Committed>,
) -> Result<Pipeline<Vec<u8>, u64>, Box<dyn Error>> {
    let execute = {
        let (chain, executor) = (chain.clone(), executor.clone());
        let subscriber = subscriber.clone();
        from_fn(move |transfers: Vec<Transfer>| {
            // The block before is in memory already, whether it is in the store or not.
            let parent = chain.latest();
            let outcome = executor.execute(Block::new(&Bank, &parent, &transfers))?;
            let event = Committed {
                height: chain.commit(outcome.changes),
                transactions: transfers.len(),
                failed: outcome.statistics.skipped,
            };
            let height = event.height;
            // Nobody may be listening any more.
            let _ = subscriber.send(event);
            Ok::<u64, pleach::ExecuteError>(height)
        })
    };
    let store = {
        let chain = chain.clone();
        from_fn(move |height: u64| {
            chain
                .prune(height.saturating_sub(KEPT))
                .map(|()| height)
                .map_err(|error| error.to_string())
        })
    };
    let pipeline = Pipeline::builder()
        .stage(
            "decode",
            Settings::new().queue(16).order_restored(),
            from_fn(|bytes: Vec<u8>| decode(&bytes)),
        )
        .stage("execute", Settings::new().queue(4).in_order(), execute)
        .stage("store", Settings::new().queue(4).in_order(), store)
        .build()?;
    Ok(pipeline)
}

/// A block of random transfers, as bytes.
fn block(seed: u32, transfers: u32) -> Vec<u8> {
    let mut number = u64::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut below = |bound: u64| {
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        u32::try_from((number >> 16) % bound).expect("it is small")
    };
    let numbers = (0..transfers).flat_map(|_| [below(ACCOUNTS), below(ACCOUNTS), below(30)]);
    numbers.flat_map(u32::to_le_bytes).collect()
}

const ACCOUNTS: u64 = 1_000;

fn total(state: &impl State<u32, u64, Error = Infallible>) -> u64 {
    let balance = |account| match state.get(&account) {
        Ok(balance) => balance.unwrap_or(0),
        Err(never) => match never {},
    };
    (0..ACCOUNTS as u32).map(balance).sum()
}

fn main() -> Result<(), Box<dyn Error>> {
    let genesis: MemoryState<u32, u64> =
        (0..ACCOUNTS as u32).map(|account| (account, 100)).collect();
    let chain = VersionedState::open(MemoryStore::new(genesis))?;
    let executor = ParallelExecutor::new(&Runtime::builder().build()?);
    let (subscriber, commits) = mpsc::channel();
    let pipeline = node(&chain, &executor, &subscriber)?;
    drop(subscriber);

    let listener = thread::spawn(move || {
        commits
            .iter()
            .fold((0, 0, 0), |(_, transactions, failed), commit| {
                (
                    commit.height,
                    transactions + commit.transactions,
                    failed + commit.failed,
                )
            })
    });

    let begun = Instant::now();
    let tickets: Vec<_> = (0..50)
        .map(|seed| {
            pipeline
                .submit(block(seed, 2_000))
                .map_err(|refused| refused.reason)
        })
        .collect::<Result<_, _>>()?;
    let broken = pipeline
        .submit(vec![1, 2, 3])
        .map_err(|refused| refused.reason)?;
    for (ticket, height) in tickets.into_iter().zip(1..) {
        assert_eq!(ticket.wait()?, height);
    }
    println!(
        "a broken block: {}",
        broken.wait().expect_err("it has three bytes")
    );
    let took = begun.elapsed();

    // A block beside the last one: it is executed, kept, and then chosen.
    let parent = chain.at(chain.height() - 1)?;
    let transfers = decode(&block(99, 500))?;
    let outcome = executor.execute(Block::new(&Bank, &parent, &transfers))?;
    let fork = parent.fork(outcome.changes);
    let before = chain.latest();
    let height = chain.adopt(&fork)?;
    println!("a fork took over at height {height}; who held the old block still reads it");
    assert_eq!(total(&before), total(&chain.latest()));

    let snapshot = pipeline.snapshot();
    for stage in &snapshot.stages {
        println!(
            "stage {}: {} handled, {} failed",
            stage.name, stage.work.handled, stage.work.failed
        );
    }
    let summary = pipeline.drain();
    drop(pipeline);
    let (height, transactions, failed) = listener.join().expect("the listener does not panic");
    println!(
        "{} blocks up to height {height}: {transactions} transactions, {failed} without money, {:.0} a second",
        summary.completed,
        transactions as f64 / took.as_secs_f64()
    );
    Ok(())
}
