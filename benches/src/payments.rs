//! Payments between random accounts, after the Block-STM paper: each reads and writes its sender's balance and sequence
//! number, and its receiver's balance. Keys have 32 bytes.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use pleach::AccessSet;

/// The key of a number of an account.
pub type Key = [u8; 32];

/// What an account has in the beginning.
const BALANCE: u64 = 1_000_000_000;

/// A payment of one unit.
#[derive(Clone, Copy, Debug)]
pub struct Payment {
    /// The balance that it comes from.
    pub sender: Key,
    /// The sender's sequence number.
    pub sequence: Key,
    /// The balance that it goes to.
    pub receiver: Key,
}

impl Payment {
    /// Fills in what it touches: three keys, each read and written.
    pub fn accesses(&self, set: &mut AccessSet<Key>) {
        set.update(self.sender)
            .update(self.sequence)
            .update(self.receiver);
    }
}

/// Numbers that only look random (splitmix64): the same for a seed on every machine.
#[derive(Clone, Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// The numbers of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.draw()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from 0 to below 1.
    pub fn share(&mut self) -> f64 {
        // As many bits as fit.
        (self.draw() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// The key of a row of one of sixteen tables: the two of accounts come first.
pub(crate) fn key(row: u64, table: u64) -> Key {
    debug_assert!(table < 16);
    let mut numbers = Numbers::new(row << 4 | table);
    let mut key = [0; 32];
    for chunk in key.chunks_exact_mut(8) {
        chunk.copy_from_slice(&numbers.draw().to_le_bytes());
    }
    key
}

fn balance(account: u64) -> Key {
    key(account, 0)
}

fn sequence(account: u64) -> Key {
    key(account, 1)
}

/// A block of payments between different accounts, drawn uniformly. There are at least two accounts.
#[must_use]
pub fn block(transactions: usize, accounts: u64, seed: u64) -> Vec<Payment> {
    let mut numbers = Numbers::new(seed);
    (0..transactions)
        .map(|_| {
            let from = numbers.below(accounts);
            let to = (from + 1 + numbers.below(accounts - 1)) % accounts;
            payment(from, to)
        })
        .collect()
}

/// A payment from one account to another one.
#[must_use]
pub fn payment(from: u64, to: u64) -> Payment {
    Payment {
        sender: balance(from),
        sequence: sequence(from),
        receiver: balance(to),
    }
}

/// What all accounts have in the beginning.
pub fn balances(accounts: u64) -> impl Iterator<Item = (Key, u64)> {
    let balances = (0..accounts).map(|account| (balance(account), BALANCE));
    balances.chain((0..accounts).map(|account| (sequence(account), 0)))
}

/// What a transaction does beside reading and writing: so many rounds of xorshift64.
pub fn work(seed: u64, rounds: u32) {
    let mut number = seed | 1;
    for _ in 0..rounds {
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
    }
    std::hint::black_box(number);
}

/// Makes a payment in a map, with so many rounds of work: with fewer look-ups than reading and writing each number takes.
/// Gives the sender's sequence number, or nothing if there is not enough money.
pub fn pay_in_place(
    payment: &Payment,
    map: &mut HashMap<Key, u64, RandomState>,
    rounds: u32,
) -> Option<u64> {
    let balance = map.get_mut(&payment.sender)?;
    work(*balance, rounds);
    *balance = balance.checked_sub(1)?;
    let sequence = map.entry(payment.sequence).or_default();
    let number = *sequence;
    *sequence += 1;
    *map.entry(payment.receiver).or_default() += 1;
    Some(number)
}

/// The plain serial loop over a hash map: what every engine is measured against.
#[derive(Clone, Debug)]
pub struct Ledger(HashMap<Key, u64, RandomState>);

impl Ledger {
    /// All accounts with the same balance.
    #[must_use]
    pub fn new(accounts: u64) -> Self {
        Self(balances(accounts).collect())
    }

    /// Executes a block, and says how many payments were made.
    pub fn run(&mut self, block: &[Payment]) -> usize {
        let made = block
            .iter()
            .filter(|payment| pay_in_place(payment, &mut self.0, 0).is_some());
        made.count()
    }
}
