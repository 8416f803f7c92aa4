//! Payments of three keys, after the Block-STM paper: R. Gelashvili and others, "Block-STM: Scaling Blockchain Execution by
//! Turning Ordering Curse to a Performance Blessing", `PPoPP` 2023. Deposits and withdrawals are such with one account in all
//! of them, as an exchange has it.

use std::str::FromStr;

use pleach::{AccessSet, Delta};

use super::{Access, Key, Map, Output, Workload};
use crate::payments::{Numbers, Payment, balances, block, pay_in_place, payment, work};

/// Who pays whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// Anybody anybody else.
    Uniform,
    /// So many of a hundred payments go to one account.
    Deposits(u8),
    /// All payments come from one account.
    Withdrawals,
}

/// How balances are changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Balances {
    /// They are read and written, as in the paper.
    Values,
    /// By adds, which never go below zero.
    Adds,
}

impl Balances {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Values => "values",
            Self::Adds => "adds",
        }
    }
}

impl FromStr for Balances {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let all = [Self::Values, Self::Adds];
        let found = all.into_iter().find(|balances| balances.name() == name);
        found.ok_or_else(|| "it is `values` or `adds`".to_owned())
    }
}

/// A block of payments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Payments {
    /// How many there are.
    pub transactions: usize,
    /// Between how many accounts: at least two.
    pub accounts: u64,
    /// Who pays whom.
    pub shape: Shape,
    /// How balances are changed.
    pub balances: Balances,
    /// Of [`work`], for each payment.
    pub rounds: u32,
    /// What fixes all that is drawn.
    pub seed: u64,
}

impl Workload for Payments {
    type Transaction = Payment;
    type Value = u64;
    type Table = Map<u64>;

    fn begin(&self, put: &mut dyn FnMut(Key, u64)) {
        balances(self.accounts).for_each(|(key, number)| put(key, number));
    }

    fn block(&self) -> Vec<Payment> {
        let uniform = || block(self.transactions, self.accounts, self.seed);
        let mut numbers = Numbers::new(!self.seed);
        let others = self.accounts - 1;
        match self.shape {
            Shape::Uniform => uniform(),
            Shape::Deposits(share) => {
                let mut payments = uniform();
                for one in &mut payments {
                    if numbers.below(100) < u64::from(share) {
                        *one = payment(1 + numbers.below(others), 0);
                    }
                }
                payments
            }
            Shape::Withdrawals => {
                let to = std::iter::repeat_with(|| 1 + numbers.below(others));
                let payments = to.map(|to| payment(0, to));
                payments.take(self.transactions).collect()
            }
        }
    }

    fn rounds(&self) -> u32 {
        self.rounds
    }

    fn accesses(&self, payment: &Payment, set: &mut AccessSet<Key>) {
        announce(payment, self.balances, set);
    }

    fn execute<A: Access<u64>>(&self, payment: &Payment, state: &mut A) -> Result<Output, A::Stop> {
        pay(payment, self.balances, 0, self.rounds, state)
    }

    fn execute_in_place(&self, payment: &Payment, state: &mut Map<u64>) -> Output {
        pay_in_place(payment, state, self.rounds)
    }
}

/// What a payment touches.
pub(super) fn announce(payment: &Payment, balances: Balances, set: &mut AccessSet<Key>) {
    match balances {
        Balances::Values => payment.accesses(set),
        Balances::Adds => {
            set.add(payment.sender)
                .update(payment.sequence)
                .add(payment.receiver);
        }
    }
}

/// Makes a payment, with so many rounds of work, which begin with what was `seen` before. Gives the sender's sequence number, or
/// nothing if there is not enough money.
pub(super) fn pay<A: Access<u64>>(
    payment: &Payment,
    balances: Balances,
    seen: u64,
    rounds: u32,
    state: &mut A,
) -> Result<Output, A::Stop> {
    if balances == Balances::Adds {
        let sequence = state.get(&payment.sequence)?.unwrap_or_default();
        work(sequence ^ seen, rounds);
        if !state.add(&payment.sender, Delta::Minus(1))? {
            return Ok(None);
        }
        state.put(&payment.sequence, sequence + 1)?;
        state.add(&payment.receiver, Delta::Plus(1))?;
        return Ok(Some(sequence));
    }
    let balance = state.get(&payment.sender)?.unwrap_or_default();
    let sequence = state.get(&payment.sequence)?.unwrap_or_default();
    let receiver = state.get(&payment.receiver)?.unwrap_or_default();
    work(balance ^ seen, rounds);
    let Some(left) = balance.checked_sub(1) else {
        return Ok(None);
    };
    state.put(&payment.sender, left)?;
    state.put(&payment.sequence, sequence + 1)?;
    state.put(&payment.receiver, receiver + 1)?;
    Ok(Some(sequence))
}
