//! Payments that read and write more than three keys, as those of Diem and Aptos do in the Block-STM paper: the keys beside
//! those of a plain payment belong to one of its accounts, or are three that everybody reads.

use pleach::AccessSet;

use super::{
    Access, Balances, Key, Map, Output, Workload, key,
    payments::{announce, pay},
};
use crate::payments::{Numbers, Payment, balances, block};

/// How much a payment touches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Width {
    /// 8 reads, 5 writes.
    Aptos,
    /// 21 reads, 4 writes.
    Diem,
}

/// A block of such payments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WidePayments {
    /// How many there are.
    pub transactions: usize,
    /// Between how many accounts: at least two.
    pub accounts: u64,
    /// How much they touch.
    pub width: Width,
    /// How balances are changed.
    pub balances: Balances,
    /// Of [`work`](crate::payments::work), for each payment.
    pub rounds: u32,
    /// What fixes all that is drawn.
    pub seed: u64,
}

/// A payment, and what else it touches.
#[derive(Clone, Debug)]
pub struct WidePayment {
    payment: Payment,
    /// Counters that it reads and writes.
    counts: Box<[Key]>,
    /// What it only reads.
    reads: Box<[Key]>,
}

const EVENTS: u64 = 2;
const GLOBAL: u64 = 3;
/// The first of the tables that hold what accounts are.
const DETAILS: u64 = 4;

const GLOBALS: u64 = 3;

impl WidePayments {
    /// How many counters a payment has, and how many details of each of its accounts it reads.
    fn counts(&self) -> (usize, u64) {
        match self.width {
            Width::Aptos => (2, 0),
            Width::Diem => (1, 7),
        }
    }
}

impl Workload for WidePayments {
    type Transaction = WidePayment;
    type Value = u64;
    type Table = Map<u64>;

    fn begin(&self, put: &mut dyn FnMut(Key, u64)) {
        balances(self.accounts).for_each(|(key, number)| put(key, number));
        (0..GLOBALS).for_each(|id| put(key(id, GLOBAL), id));
        let (_, details) = self.counts();
        for account in 0..self.accounts {
            put(key(account, EVENTS), 0);
            (0..details).for_each(|detail| put(key(account, DETAILS + detail), detail));
        }
    }

    fn block(&self) -> Vec<WidePayment> {
        let (counters, details) = self.counts();
        let payments = block(self.transactions, self.accounts, self.seed).into_iter();
        // The same numbers say between whom each of these is.
        let mut numbers = Numbers::new(self.seed);
        let wide = payments.map(|payment| {
            let from = numbers.below(self.accounts);
            let to = (from + 1 + numbers.below(self.accounts - 1)) % self.accounts;
            let globals = (0..GLOBALS).map(|id| key(id, GLOBAL));
            let details = (0..details)
                .flat_map(|detail| [from, to].map(|account| key(account, DETAILS + detail)));
            WidePayment {
                payment,
                counts: [from, to][..counters]
                    .iter()
                    .map(|account| key(*account, EVENTS))
                    .collect(),
                reads: globals.chain(details).collect(),
            }
        });
        wide.collect()
    }

    fn rounds(&self) -> u32 {
        self.rounds
    }

    fn accesses(&self, transaction: &WidePayment, set: &mut AccessSet<Key>) {
        announce(&transaction.payment, self.balances, set);
        for key in &transaction.counts {
            set.update(*key);
        }
        for key in &transaction.reads {
            set.read(*key);
        }
    }

    fn execute<A: Access<u64>>(
        &self,
        WidePayment {
            payment,
            counts,
            reads,
        }: &WidePayment,
        state: &mut A,
    ) -> Result<Output, A::Stop> {
        let mut seen = 0_u64;
        for key in reads {
            seen = seen.wrapping_mul(31) + state.get(key)?.unwrap_or_default();
        }
        let Some(sequence) = pay(payment, self.balances, seen, self.rounds, state)? else {
            return Ok(None);
        };
        for key in counts {
            let count = state.get(key)?.unwrap_or_default();
            state.put(key, count + 1)?;
        }
        Ok(Some(seen ^ sequence))
    }
}
