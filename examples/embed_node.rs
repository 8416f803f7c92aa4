//! A small node: blocks come in as bytes, are decoded and checked side by side, executed one after another on all cores, and
//! made safe together. Somebody listens to commits and reverts, and a block that comes later takes over.
//!
//! `cargo run --release --features pipeline --example embed_node`

use std::{
    error::Error,
    sync::mpsc::{self, Sender},
    thread,
};

use pleach::{
    Block, CancelToken, Delta, ExecuteError, Executor, MemoryState, MemoryStore, ParallelExecutor,
    Runtime, Snapshot, State, StateView, Stop, VersionedState, Vm,
    pipeline::{Executed, Failed, Node, Pipeline},
};

/// From one account to another, so much.
type Transfer = [u32; 3];

struct Bank;

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
        [from, to, amount]: &Transfer,
        state: &mut S,
        (): &mut (),
    ) -> Result<(), Stop<NotEnough>> {
        let amount = u64::from(*amount);
        if !state.add(from, Delta::Minus(amount))? {
            return Err(Stop::Failed(NotEnough));
        }
        state.add(to, Delta::Plus(amount))?;
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
enum Invalid {
    #[error("{0} bytes are no block")]
    Length(usize),
    #[error("account {0} pays itself")]
    Itself(u32),
    #[error("it cannot be executed")]
    Execute(#[from] ExecuteError),
}

/// A height, and how many transfers its block did: it is committed. Without: the chain has gone back to it.
type News = (u64, Option<usize>);

struct BankNode(Sender<News>);

impl Node for BankNode {
    type Key = u32;
    type Value = u64;
    type Input = Vec<u8>;
    /// Its parent, its name, its transfers.
    type Block = (u32, u32, Vec<Transfer>);
    type Id = u32;
    type Output = usize;
    type Error = Invalid;

    fn decode(&self, bytes: Vec<u8>) -> Result<Self::Block, Invalid> {
        let wrong = || Invalid::Length(bytes.len());
        let (words, []) = bytes.as_chunks() else {
            return Err(wrong());
        };
        let words: Vec<_> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
        let ([parent, id], transfers) = words.split_first_chunk().ok_or_else(wrong)?;
        let (transfers, []) = transfers.as_chunks() else {
            return Err(wrong());
        };
        Ok((*parent, *id, transfers.to_vec()))
    }

    fn check(&self, (_, _, transfers): &mut Self::Block) -> Result<(), Invalid> {
        let itself = transfers.iter().find(|[from, to, _]| from == to);
        itself.map_or(Ok(()), |[from, ..]| Err(Invalid::Itself(*from)))
    }

    fn parent(&self, (parent, ..): &Self::Block) -> u32 {
        *parent
    }

    fn id(&self, (_, id, _): &Self::Block) -> u32 {
        *id
    }

    fn execute<S: State<u32, u64>>(
        &self,
        (_, _, transfers): &mut Self::Block,
        state: &S,
        executor: &ParallelExecutor,
        cancel: &CancelToken,
    ) -> Result<Executed<Self>, Invalid> {
        let outcome = executor.execute(Block::new(&Bank, state, transfers).cancel(cancel))?;
        let done = transfers.len() - outcome.statistics.skipped;
        Ok((done, outcome.changes))
    }

    fn committed(&self, height: u64, done: &usize) {
        // Nobody may be listening any more.
        let _ = self.0.send((height, Some(*done)));
    }

    fn reverted(&self, height: u64) {
        let _ = self.0.send((height, None));
    }
}

const ACCOUNTS: u32 = 1_000;
const TRANSFERS: u32 = 2_000;

/// A block of random transfers, as bytes.
fn block(parent: u32, id: u32) -> Vec<u8> {
    let mut random = u64::from(id).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut below = |bound: u32| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 32) as u32 % bound
    };
    let transfers = (0..TRANSFERS).flat_map(|_| {
        let from = below(ACCOUNTS);
        [from, (from + 1 + below(ACCOUNTS - 1)) % ACCOUNTS, below(30)]
    });
    let words = [parent, id].into_iter().chain(transfers);
    words.flat_map(u32::to_le_bytes).collect()
}

fn total(state: &Snapshot<u32, u64, MemoryStore<u32, u64>>) -> u64 {
    let balances = (0..ACCOUNTS).map(|account| state.get(&account));
    balances.map(|Ok(balance)| balance.unwrap_or(0)).sum()
}

fn main() -> Result<(), Box<dyn Error>> {
    let genesis: MemoryState<u32, u64> = (0..ACCOUNTS).map(|account| (account, 100)).collect();
    // On a disk it would be a `pleach_redb::RedbStore`.
    let chain = VersionedState::open(MemoryStore::new(genesis))?;
    let executor = ParallelExecutor::new(&Runtime::builder().build()?);
    let (subscriber, commits) = mpsc::channel();
    let pipeline = Pipeline::builder(BankNode(subscriber), chain.clone(), 0, executor).build()?;
    let listener = thread::spawn(move || commits.iter().collect::<Vec<News>>());
    let submit = |block| pipeline.submit(block).map_err(|refused| refused.reason);

    // One thread hands blocks in, and waits where there is no room for them; this one learns when they are final.
    let (network, tickets) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || (1..=50).try_for_each(|id| network.send(submit(block(id - 1, id)))));
        for ticket in tickets {
            ticket?.wait()?;
        }
        Ok::<_, Box<dyn Error>>(())
    })?;
    println!("height {} is final", chain.height());

    // Bytes that are no block, and a block that comes too late, fail alone.
    for ticket in [submit(vec![1, 2, 3]), submit(block(49, 150))] {
        let error = ticket?.wait().expect_err("neither has a place");
        let reason = Failed::<u32, Invalid>::of(&error).expect("a stage says so");
        println!("stage {}: {reason}", error.stage().unwrap_or("none"));
    }

    // The late block takes over, and one that follows it. Who held the state before still reads it.
    let before = chain.latest();
    let back = pipeline.revert(49).map_err(|refused| refused.reason);
    for ticket in [back, submit(block(49, 150)), submit(block(150, 151))] {
        println!("the chain is at height {}", ticket?.wait()?.height());
    }
    assert_eq!(total(&before), total(&chain.latest()));
    for stage in &pipeline.stages().snapshot().stages {
        println!("stage {}: {} handled", stage.name, stage.work.handled);
    }

    // What was accepted is finished, and its threads have ended; then nobody is left to tell the listener anything.
    let summary = pipeline.drain();
    drop(pipeline);
    let mut done = Vec::new();
    for (height, block) in listener.join().expect("it does not panic") {
        // One block more, or those above it less.
        done.resize(height as usize, block.unwrap_or(0));
    }
    let (blocks, done) = (done.len(), done.iter().sum::<usize>());
    println!("{blocks} blocks are in the chain, with {done} transfers; {summary:?}");
    Ok(())
}
