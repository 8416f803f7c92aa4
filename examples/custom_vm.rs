//! A VM in 60 lines: a little bank with accounts, a fee account that everybody pays, and a limit on the block.
//!
//! `cargo run --release --example custom_vm`

use pleach::{
    Block, Delta, Executor, MemoryState, Over, SerialExecutor, State, StateView, Stop, Vm,
    WeightLimit,
};

/// What the bank does with a transaction.
struct Bank;

/// A transfer, with the number of the sender's previous ones.
struct Transfer {
    from: &'static str,
    to: &'static str,
    amount: u64,
    nonce: u64,
}

/// The state holds balances and counters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Key {
    Balance(&'static str),
    Nonce(&'static str),
}

#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("nonce {found}, expected {expected}")]
    Nonce { expected: u64, found: u64 },
    #[error("{0} has not enough money")]
    NotEnough(&'static str),
}

const FEE: u64 = 1;

impl Vm for Bank {
    type Transaction = Transfer;
    type Key = Key;
    type Value = u64;
    type Output = u64;
    type Error = Refusal;
    type Scratch = ();

    fn execute<S: StateView<Key, u64>>(
        &self,
        transfer: &Transfer,
        state: &mut S,
        (): &mut (),
    ) -> Result<u64, Stop<Refusal>> {
        let counter = Key::Nonce(transfer.from);
        let expected = state.get(&counter)?.unwrap_or(0);
        if transfer.nonce != expected {
            let found = transfer.nonce;
            return Err(Stop::Failed(Refusal::Nonce { expected, found }));
        }
        state.put(&counter, expected + 1)?;

        // Adds do not wait for each other: the fee account is no bottleneck. Whatever fails leaves nothing behind.
        let cost = transfer.amount + FEE;
        if !state.add(&Key::Balance(transfer.from), Delta::Minus(cost))? {
            return Err(Stop::Failed(Refusal::NotEnough(transfer.from)));
        }
        state.add(&Key::Balance(transfer.to), Delta::Plus(transfer.amount))?;
        state.add(&Key::Balance("fees"), Delta::Plus(FEE))?;
        Ok(cost)
    }
}

fn main() -> Result<(), pleach::ExecuteError> {
    let transfer = |from, to, amount, nonce| Transfer {
        from,
        to,
        amount,
        nonce,
    };
    let transactions = [
        transfer("alice", "bob", 40, 0),
        transfer("bob", "carol", 30, 0),
        transfer("alice", "carol", 10, 7),
        transfer("carol", "alice", 500, 0),
        transfer("alice", "dave", 5, 1),
    ];
    let mut state: MemoryState<_, _> = [(Key::Balance("alice"), 100)].into_iter().collect();

    let block = Block::new(&Bank, &state, &transactions)
        .number(1)
        .rule(WeightLimit::new(1_000, |transfer: &Transfer| transfer.amount).over(Over::SkipRest))
        .on_commit(|index, outcome| match outcome.reason() {
            None => println!("transaction {index}: executed"),
            Some(reason) => println!("transaction {index}: skipped, {reason}"),
        });
    let outcome = SerialExecutor::new().execute(block)?;

    println!("\n{} keys changed:", outcome.changes.len());
    for (key, value) in &outcome.changes {
        println!("  {key:?} = {}", value.unwrap_or(0));
    }
    state.apply(outcome.changes);
    assert_eq!(State::get(&state, &Key::Balance("fees")), Ok(Some(3)));
    Ok(())
}
