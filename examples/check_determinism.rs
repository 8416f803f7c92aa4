//! Is a VM deterministic? One that is, one that asks the clock, and one that counts its calls.
//!
//! `cargo run --release --features determinism --example check_determinism`

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

use pleach::{
    Delta, MemoryState, StateView, Stop, Vm,
    determinism::{Check, Failure},
};

/// Pays from one account to another, and gives the payment a number.
struct Bank {
    number: fn() -> u64,
}

#[derive(Debug, thiserror::Error)]
#[error("not enough money")]
struct NotEnough;

impl Vm for Bank {
    /// Who pays whom how much.
    type Transaction = (&'static str, &'static str, u64);
    type Key = &'static str;
    type Value = u64;
    type Output = u64;
    type Error = NotEnough;
    type Scratch = ();

    fn execute<S: StateView<&'static str, u64>>(
        &self,
        (from, to, amount): &Self::Transaction,
        state: &mut S,
        (): &mut (),
    ) -> Result<u64, Stop<NotEnough>> {
        if !state.add(from, Delta::Minus(*amount))? {
            return Err(Stop::Failed(NotEnough));
        }
        state.add(to, Delta::Plus(*amount))?;
        let number = (self.number)();
        state.put(&"last payment", number)?;
        Ok(number)
    }
}

/// Both look harmless, and both split a chain.
fn clock() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as u64)
}

fn count() -> u64 {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    // ORDERING: Relaxed. It only counts.
    CALLS.fetch_add(1, Ordering::Relaxed)
}

fn main() -> Result<(), Failure> {
    let state: MemoryState<_, _> = [("alice", 100), ("bob", 50)].into_iter().collect();
    let payments = [
        ("alice", "bob", 3),
        ("bob", "carol", 5),
        ("carol", "alice", 1),
    ]
    .repeat(20);
    let banks = [
        ("honest", Bank { number: || 7 }),
        ("clock", Bank { number: clock }),
        ("counter", Bank { number: count }),
    ];
    for (name, bank) in banks {
        match Check::new(&bank, &state).schedules(8).run(&payments) {
            Ok(report) => println!(
                "{name}: the same under {} schedules, fingerprint {:016x}",
                report.schedules, report.fingerprint
            ),
            Err(Failure::Diverged(divergence)) => println!("{name}: {divergence}"),
            Err(other) => return Err(other),
        }
    }
    Ok(())
}
