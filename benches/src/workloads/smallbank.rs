//! `SmallBank`: M. Alomari, M. Cahill, A. Fekete, U. Roehm, "The Cost of Serializability on Platforms That Use Snapshot Isolation",
//! ICDE 2008, with the mix and the amounts of H-Store and `BenchBase`. Amounts are in cents.

use pleach::AccessSet;

use super::{Access, Key, Map, Output, Workload, key};
use crate::payments::{Numbers, work};

const CHECKING: u64 = 0;
const SAVINGS: u64 = 1;

/// So many customers have a quarter of all accesses.
const HOT: u64 = 100;

/// A block of its transactions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SmallBank {
    /// How many there are.
    pub transactions: usize,
    /// How many customers: at least two.
    pub customers: u64,
    /// Of [`work`], for each transaction.
    pub rounds: u32,
    /// What fixes all that is drawn.
    pub seed: u64,
}

/// A customer's balances.
#[derive(Clone, Copy, Debug)]
pub struct Customer {
    checking: Key,
    savings: Key,
}

/// What is done.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    /// All that one customer has goes to the checking account of another.
    Amalgamate(Customer, Customer),
    /// How much a customer has.
    Balance(Customer),
    /// Into a checking account.
    DepositChecking(Customer),
    /// From one checking account to another.
    SendPayment(Customer, Customer),
    /// From a savings account.
    TransactSavings(Customer),
    /// From a checking account, with a penalty if that is more than the customer has.
    WriteCheck(Customer),
}

const SENT: i64 = 500;
const DEPOSITED: i64 = 130;
const SAVED: i64 = 2_020;
const CHECK: i64 = 500;
const PENALTY: i64 = 100;

impl SmallBank {
    fn customer(&self, numbers: &mut Numbers) -> u64 {
        if numbers.below(4) == 0 {
            numbers.below(HOT.min(self.customers))
        } else {
            numbers.below(self.customers)
        }
    }
}

fn customer(id: u64) -> Customer {
    Customer {
        checking: key(id, CHECKING),
        savings: key(id, SAVINGS),
    }
}

impl Workload for SmallBank {
    type Transaction = Action;
    /// Checking accounts may be below zero.
    type Value = Cents;
    type Table = Map<Cents>;

    fn begin(&self, put: &mut dyn FnMut(Key, Cents)) {
        let mut numbers = Numbers::new(!self.seed);
        for id in 0..self.customers {
            let Customer { checking, savings } = customer(id);
            for account in [checking, savings] {
                let cents = 1_000_000 + numbers.below(4_000_001);
                put(account, Cents(cents.cast_signed()));
            }
        }
    }

    fn block(&self) -> Vec<Action> {
        let mut numbers = Numbers::new(self.seed);
        let action = |_| {
            let kind = numbers.below(100);
            let first = self.customer(&mut numbers);
            let one = customer(first);
            let mut other = || {
                let other = self.customer(&mut numbers);
                customer(if other == first {
                    (first + 1) % self.customers
                } else {
                    other
                })
            };
            match kind {
                0..15 => Action::Amalgamate(one, other()),
                15..30 => Action::Balance(one),
                30..45 => Action::DepositChecking(one),
                45..70 => Action::SendPayment(one, other()),
                70..85 => Action::TransactSavings(one),
                _ => Action::WriteCheck(one),
            }
        };
        (0..self.transactions).map(action).collect()
    }

    fn rounds(&self) -> u32 {
        self.rounds
    }

    fn accesses(&self, action: &Action, set: &mut AccessSet<Key>) {
        match action {
            Action::Amalgamate(from, to) => {
                set.update(from.savings)
                    .update(from.checking)
                    .update(to.checking);
            }
            Action::Balance(one) => {
                set.read(one.savings).read(one.checking);
            }
            Action::DepositChecking(one) => {
                set.update(one.checking);
            }
            Action::SendPayment(from, to) => {
                set.update(from.checking).update(to.checking);
            }
            Action::TransactSavings(one) => {
                set.update(one.savings);
            }
            Action::WriteCheck(one) => {
                set.read(one.savings).update(one.checking);
            }
        }
    }

    fn execute<A: Access<Cents>>(&self, action: &Action, state: &mut A) -> Result<Output, A::Stop> {
        let mut bank = Bank {
            state,
            rounds: self.rounds,
        };
        match action {
            Action::Amalgamate(from, to) => {
                let all = bank.get(&from.savings)? + bank.get(&from.checking)?;
                let there = bank.get(&to.checking)?;
                bank.work(all);
                bank.put(&from.savings, 0)?;
                bank.put(&from.checking, 0)?;
                bank.put(&to.checking, there + all)
            }
            Action::Balance(one) => {
                let all = bank.get(&one.savings)? + bank.get(&one.checking)?;
                bank.work(all);
                Ok(Some(all.cast_unsigned()))
            }
            Action::DepositChecking(one) => {
                let there = bank.get(&one.checking)?;
                bank.work(there);
                bank.put(&one.checking, there + DEPOSITED)
            }
            Action::SendPayment(from, to) => {
                let there = bank.get(&from.checking)?;
                let other = bank.get(&to.checking)?;
                bank.work(there);
                if there < SENT {
                    return Ok(None);
                }
                bank.put(&from.checking, there - SENT)?;
                bank.put(&to.checking, other + SENT)
            }
            Action::TransactSavings(one) => {
                let there = bank.get(&one.savings)?;
                bank.work(there);
                if there < SAVED {
                    return Ok(None);
                }
                bank.put(&one.savings, there - SAVED)
            }
            Action::WriteCheck(one) => {
                let there = bank.get(&one.checking)?;
                let all = bank.get(&one.savings)? + there;
                bank.work(all);
                let penalty = if all < CHECK { PENALTY } else { 0 };
                bank.put(&one.checking, there - CHECK - penalty)
            }
        }
    }
}

/// An amount of money, which may be owed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cents(i64);

impl pleach::Value for Cents {
    type Amount = pleach::NoAmount;

    fn amount(&self) -> Option<pleach::NoAmount> {
        None
    }

    fn from_amount(_: pleach::NoAmount) -> Option<Self> {
        None
    }
}

/// Accounts as the actions see them.
struct Bank<'a, A> {
    state: &'a mut A,
    rounds: u32,
}

impl<A: Access<Cents>> Bank<'_, A> {
    fn get(&mut self, account: &Key) -> Result<i64, A::Stop> {
        Ok(self.state.get(account)?.map_or(0, |Cents(cents)| cents))
    }

    fn work(&self, seed: i64) {
        work(seed.cast_unsigned(), self.rounds);
    }

    /// What an action ends with gives what was put.
    fn put(&mut self, account: &Key, cents: i64) -> Result<Output, A::Stop> {
        self.state.put(account, Cents(cents))?;
        Ok(Some(cents.cast_unsigned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_comes_and_goes_as_actions_say() {
        let bank = SmallBank {
            transactions: 3_000,
            customers: 30,
            rounds: 0,
            seed: 3,
        };
        let mut map = Map::default();
        bank.begin(&mut |key, value| _ = map.insert(key, value));
        let total = |map: &Map<Cents>| map.values().map(|Cents(cents)| cents).sum::<i64>();
        let (mut expected, mut kinds) = (total(&map), [0; 6]);
        for action in bank.block() {
            let before = total(&map);
            let output = bank.execute_in_place(&action, &mut map);
            let (kind, change) = match action {
                Action::Amalgamate(..) => (0, 0),
                Action::Balance(_) => (1, 0),
                Action::DepositChecking(_) => (2, DEPOSITED),
                Action::SendPayment(..) => (3, 0),
                Action::TransactSavings(_) if output.is_none() => (4, 0),
                Action::TransactSavings(_) => (4, -SAVED),
                // Perhaps with a penalty.
                Action::WriteCheck(_) if total(&map) == before - CHECK => (5, -CHECK),
                Action::WriteCheck(_) => (5, -CHECK - PENALTY),
            };
            kinds[kind] += 1;
            expected += change;
            assert_eq!(total(&map), expected, "{action:?}");
        }
        for (count, percent) in kinds.into_iter().zip([15_i32, 15, 15, 25, 15, 15]) {
            assert!((count - 30 * percent).abs() < 100, "{kinds:?}");
        }
    }
}
