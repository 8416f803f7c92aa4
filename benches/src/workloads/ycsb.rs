//! YCSB: B. Cooper, A. Silberstein, E. Tam, R. Ramakrishnan, R. Sears, "Benchmarking Cloud Serving Systems with YCSB", `SoCC`
//! 2010; in transactions of ten records, as multi-version engines are measured with it.

use pleach::{AccessSet, NoAmount, Value};

use super::{Access, Key, Map, Output, Workload, key, zipf::Zipf};
use crate::payments::{Numbers, work};

const RECORDS: u64 = 0;

/// How many different records a transaction asks for.
const KEYS: usize = 10;

/// How many of the ten records of a transaction it reads and writes; it only reads the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mix(
    /// Up to 10.
    pub u8,
);

/// A block of such transactions.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Ycsb {
    /// How many there are.
    pub transactions: usize,
    /// How many records: at least ten.
    pub records: u64,
    /// How many of them are changed.
    pub mix: Mix,
    /// How uneven they are asked for: from 0, where all are alike, to below 1.
    pub theta: f64,
    /// Of [`work`], for each transaction.
    pub rounds: u32,
    /// What fixes all that is drawn.
    pub seed: u64,
}

/// A record of 100 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record([u8; 100]);

impl Record {
    pub(super) fn new(id: u64) -> Self {
        let mut bytes = [0; 100];
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = (id >> (place % 8 * 8)) as u8;
        }
        Self(bytes)
    }

    /// One of its fields.
    pub(super) fn number(&self) -> u64 {
        let (fields, _) = self.0.as_chunks();
        u64::from_le_bytes(fields[0])
    }

    /// With another number in that field.
    fn with(mut self, number: u64) -> Self {
        self.0[..8].copy_from_slice(&number.to_le_bytes());
        self
    }
}

impl Value for Record {
    type Amount = NoAmount;

    fn amount(&self) -> Option<NoAmount> {
        None
    }

    fn from_amount(_: NoAmount) -> Option<Self> {
        None
    }
}

impl Workload for Ycsb {
    /// Those that are changed come last.
    type Transaction = [Key; KEYS];
    type Value = Record;
    type Table = Map<Record>;

    fn begin(&self, put: &mut dyn FnMut(Key, Record)) {
        (0..self.records).for_each(|id| put(key(id, RECORDS), Record::new(id)));
    }

    fn block(&self) -> Vec<[Key; KEYS]> {
        let (zipf, mut numbers) = (Zipf::new(self.records, self.theta), Numbers::new(self.seed));
        let transaction = |_| {
            let mut ids = [u64::MAX; KEYS];
            for place in 0..KEYS {
                let mut id = zipf.draw(&mut numbers);
                let mut tries = 0;
                while ids[..place].contains(&id) {
                    tries += 1;
                    id = if tries < 100 {
                        zipf.draw(&mut numbers)
                    } else {
                        // There are few, or nearly all ask for the same few.
                        (id + 1) % self.records
                    };
                }
                ids[place] = id;
            }
            ids.map(|id| key(id, RECORDS))
        };
        (0..self.transactions).map(transaction).collect()
    }

    fn rounds(&self) -> u32 {
        self.rounds
    }

    fn accesses(&self, keys: &[Key; KEYS], set: &mut AccessSet<Key>) {
        let (read, changed) = keys.split_at(KEYS - self.changed());
        for key in read {
            set.read(*key);
        }
        for key in changed {
            set.update(*key);
        }
    }

    fn execute<A: Access<Record>>(
        &self,
        keys: &[Key; KEYS],
        state: &mut A,
    ) -> Result<Output, A::Stop> {
        let (read, changed) = keys.split_at(KEYS - self.changed());
        let mut seen = 0_u64;
        for key in read {
            let record = state.get(key)?;
            seen = seen.wrapping_add(record.map_or(0, |record| record.number()));
        }
        work(seen, self.rounds);
        for key in changed {
            if let Some(record) = state.get(key)? {
                let number = record.number();
                seen = seen.wrapping_add(number);
                state.put(key, record.with(number.wrapping_add(1)))?;
            }
        }
        Ok(Some(seen))
    }
}

impl Ycsb {
    fn changed(&self) -> usize {
        usize::from(self.mix.0).min(KEYS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_transaction_has_ten_records_and_changes_some() {
        for (updates, records) in [(2, 1_000), (5, 10), (10, 50)] {
            let ycsb = Ycsb {
                transactions: 500,
                records,
                mix: Mix(updates),
                theta: 0.99,
                rounds: 0,
                seed: 3,
            };
            let mut map = Map::default();
            ycsb.begin(&mut |key, value| _ = map.insert(key, value));
            let sum = |map: &Map<Record>| map.values().map(Record::number).sum::<u64>();
            let before = sum(&map);
            for mut keys in ycsb.block() {
                assert!(ycsb.execute_in_place(&keys, &mut map).is_some());
                keys.sort_unstable();
                assert!(keys.windows(2).all(|pair| pair[0] != pair[1]));
            }
            assert_eq!(sum(&map) - before, 500 * u64::from(updates));
        }
    }
}
