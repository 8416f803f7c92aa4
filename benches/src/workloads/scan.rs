//! YCSB's workload E: scans of up to a hundred records that follow each other, and now and then a new one. Records are asked for
//! one by one: keys are not in the order of the records.

use pleach::AccessSet;

use super::{
    Access, Key, Output, Workload, key,
    ycsb::{RECORDS, Record},
    zipf::Zipf,
};
use crate::payments::{Numbers, work};

/// So many records a scan has at most.
const LONGEST: u64 = 100;

/// So many of a hundred transactions are scans.
const SCANS: u64 = 95;

/// A block of such transactions.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Scans {
    /// How many there are.
    pub transactions: usize,
    /// How many records there are in the beginning.
    pub records: u64,
    /// How uneven it is where scans begin: from 0, where all records are alike, to below 1.
    pub theta: f64,
    /// Of [`work`], for each transaction.
    pub rounds: u32,
    /// What fixes all that is drawn.
    pub seed: u64,
}

/// What is done.
#[derive(Clone, Debug)]
pub enum Action {
    /// These are read.
    Scan(Box<[Key]>),
    /// A record is put, with the number that it is.
    Insert(Key, u64),
}

impl Workload for Scans {
    type Transaction = Action;
    type Value = Record;

    fn begin(&self, put: &mut dyn FnMut(Key, Record)) {
        (0..self.records).for_each(|id| put(key(id, RECORDS), Record::new(id)));
    }

    fn block(&self) -> Vec<Action> {
        let zipf = Zipf::new(self.records, self.theta);
        let mut numbers = Numbers::new(self.seed);
        let mut records = self.records;
        let action = |_| {
            if numbers.below(100) < SCANS {
                let first = zipf.draw(&mut numbers);
                let end = first + 1 + numbers.below(LONGEST);
                let ids = first..end.min(records);
                return Action::Scan(ids.map(|id| key(id, RECORDS)).collect());
            }
            records += 1;
            Action::Insert(key(records - 1, RECORDS), records - 1)
        };
        (0..self.transactions).map(action).collect()
    }

    fn rounds(&self) -> u32 {
        self.rounds
    }

    fn accesses(&self, action: &Action, set: &mut AccessSet<Key>) {
        match action {
            Action::Scan(keys) => {
                for key in keys {
                    set.read(*key);
                }
            }
            Action::Insert(key, _) => {
                set.write(*key);
            }
        }
    }

    fn execute<A: Access<Record>>(
        &self,
        action: &Action,
        state: &mut A,
    ) -> Result<Output, A::Stop> {
        match action {
            Action::Scan(keys) => {
                let mut seen = 0_u64;
                for key in keys {
                    let record = state.get(key)?;
                    seen = seen.wrapping_add(record.map_or(0, |record| record.number()));
                }
                work(seen, self.rounds);
                Ok(Some(seen))
            }
            Action::Insert(key, id) => {
                work(*id, self.rounds);
                state.put(key, Record::new(*id))?;
                Ok(Some(*id))
            }
        }
    }
}
