//! Everybody wants the same: a mint's counter, and transactions that read what one before them wrote.

use pleach::{AccessSet, Delta};

use super::{Access, Balances, Key, Map, Output, Workload, key};
use crate::payments::work;

const COUNTER: u64 = 0;
const TOKENS: u64 = 1;
const LINKS: u64 = 2;

/// Each transaction counts one up, and writes a key of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mint {
    /// How many there are.
    pub transactions: usize,
    /// How they count: [`Values`](Balances::Values) is the worst case.
    pub balances: Balances,
    /// Of [`work`], for each transaction.
    pub rounds: u32,
}

/// What is minted.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    counter: Key,
    own: Key,
    id: u64,
}

impl Workload for Mint {
    type Transaction = Token;
    type Value = u64;
    type Table = Map<u64>;

    fn begin(&self, put: &mut dyn FnMut(Key, u64)) {
        put(key(0, COUNTER), 0);
    }

    fn block(&self) -> Vec<Token> {
        let token = |id| Token {
            counter: key(0, COUNTER),
            own: key(id, TOKENS),
            id,
        };
        (0..self.transactions as u64).map(token).collect()
    }

    fn rounds(&self) -> u32 {
        self.rounds
    }

    fn accesses(&self, token: &Token, set: &mut AccessSet<Key>) {
        match self.balances {
            Balances::Values => set.update(token.counter),
            Balances::Adds => set.add(token.counter),
        };
        set.write(token.own);
    }

    fn execute<A: Access<u64>>(&self, token: &Token, state: &mut A) -> Result<Output, A::Stop> {
        let number = match self.balances {
            Balances::Values => {
                let number = state.get(&token.counter)?.unwrap_or_default();
                work(number, self.rounds);
                state.put(&token.counter, number + 1)?;
                number
            }
            Balances::Adds => {
                work(token.id, self.rounds);
                state.add(&token.counter, Delta::Plus(1))?;
                token.id
            }
        };
        state.put(&token.own, number)?;
        Ok(Some(number))
    }
}

/// Each transaction reads what the one so far before it wrote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chain {
    /// How many there are.
    pub transactions: usize,
    /// How far before it.
    pub distance: u64,
    /// Of [`work`], for each transaction.
    pub rounds: u32,
}

/// A transaction of a chain.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    before: Key,
    own: Key,
}

impl Workload for Chain {
    type Transaction = Link;
    type Value = u64;
    type Table = Map<u64>;

    fn begin(&self, put: &mut dyn FnMut(Key, u64)) {
        // Those before the first.
        (0..self.distance).for_each(|id| put(key(id, LINKS), id));
    }

    fn block(&self) -> Vec<Link> {
        let link = |id| Link {
            before: key(id, LINKS),
            own: key(id + self.distance, LINKS),
        };
        (0..self.transactions as u64).map(link).collect()
    }

    fn rounds(&self) -> u32 {
        self.rounds
    }

    fn accesses(&self, link: &Link, set: &mut AccessSet<Key>) {
        set.read(link.before).write(link.own);
    }

    fn execute<A: Access<u64>>(&self, link: &Link, state: &mut A) -> Result<Output, A::Stop> {
        let before = state.get(&link.before)?.unwrap_or_default();
        work(before, self.rounds);
        state.put(&link.own, before + 1)?;
        Ok(Some(before))
    }
}
