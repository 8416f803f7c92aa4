//! YCSB's workload E: scans of up to a hundred records that follow each other, and now and then a new one. Keys are in the order of
//! the records, so that a scan is a range; it may reach beyond the last record, and then depends on who puts the next one.
//!
//! An engine that knows no ranges, or that is told beforehand what is touched, asks for each record of the range.

use pleach::AccessSet;

use super::{Access, Key, Ordered, Output, Workload, ycsb::Record, zipf::Zipf};
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
    /// What there is of these, all keys from the first to the last, is read.
    Scan(Box<[Key]>),
    /// A record is put, with the number that it is.
    Insert(Key, u64),
}

/// The key of a record: in the order of the records.
fn key(record: u64) -> Key {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&record.to_be_bytes());
    key
}

impl Workload for Scans {
    type Transaction = Action;
    type Value = Record;
    type Table = Ordered<Record>;

    fn begin(&self, put: &mut dyn FnMut(Key, Record)) {
        (0..self.records).for_each(|id| put(key(id), Record::new(id)));
    }

    fn block(&self) -> Vec<Action> {
        let zipf = Zipf::new(self.records, self.theta);
        let mut numbers = Numbers::new(self.seed);
        let mut records = self.records;
        let action = |_| {
            if numbers.below(100) < SCANS {
                let first = zipf.draw(&mut numbers);
                let end = first + 1 + numbers.below(LONGEST);
                return Action::Scan((first..end).map(key).collect());
            }
            records += 1;
            Action::Insert(key(records - 1), records - 1)
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
                state.scan(keys, &mut |record| {
                    seen = seen.wrapping_mul(31).wrapping_add(record.number());
                })?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workloads::Table;

    #[test]
    fn scans_see_what_was_put_before_them_and_nothing_after() {
        let scans = Scans {
            transactions: 2_000,
            records: 50,
            theta: 0.0,
            rounds: 0,
            seed: 3,
        };
        let mut table = Ordered::default();
        scans.begin(&mut |key, record| table.set(key, record));
        let (mut put, mut beyond, mut met) = (0, 0, 0);
        for action in scans.block() {
            let output = scans.execute_in_place(&action, &mut table);
            match action {
                Action::Insert(key, id) => {
                    assert_eq!((id, table.value(&key)), (50 + put, Some(&Record::new(id))));
                    put += 1;
                }
                Action::Scan(keys) => {
                    assert!((1..=100).contains(&keys.len()) && keys.is_sorted());
                    let there = keys.iter().filter_map(|key| table.value(key));
                    let seen = there.fold(0_u64, |seen, record| {
                        seen.wrapping_mul(31).wrapping_add(record.number())
                    });
                    assert_eq!(output, Some(seen));
                    let last = keys.last().expect("there is one");
                    beyond += u32::from(table.value(last).is_none());
                    met += u32::from(*last >= key(50) && table.value(&key(50)).is_some());
                }
            }
        }
        assert!((60..140).contains(&put), "{put} of 2,000 are put");
        assert!(
            beyond > 100 && met > 100,
            "{beyond}, {met}: some depend on those"
        );
    }
}
