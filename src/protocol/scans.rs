//! Range scans beside writes: who scans a range learns of every key in it that has versions, and who is about to give a key
//! its first version learns of everybody who has scanned over it.
//!
//! Keys that get versions are noted by each worker for itself, under a lock that it has for itself until somebody scans. A
//! scan is put down first, and then gathers what the workers have noted. So a key is either gathered by the scan, or noted
//! after that, by somebody who then finds the scan. Either way the scan is noted at the key as one who relies on it, before
//! the key has a version.

use std::{
    collections::BTreeMap,
    ops::{Bound, RangeBounds},
};

use crossbeam_utils::CachePadded;

use super::versions::Reader;
use crate::{
    mutant::mutant,
    sync::{Mutex, lock},
};

/// The scans of a block, and the keys that it writes.
#[derive(Debug)]
pub struct Scans<K> {
    notes: Box<[CachePadded<Mutex<Notes>>]>,
    state: Mutex<State<K>>,
}

/// What a worker has noted.
#[derive(Debug, Default)]
struct Notes {
    /// Keys that have versions, by number, and that nobody has gathered.
    written: Vec<u32>,
    /// Whether anybody has scanned, and so must be told.
    is_scanned: bool,
}

#[derive(Debug)]
struct State<K> {
    /// Keys that have versions, or had, as far as they were gathered.
    written: BTreeMap<K, u32>,
    scans: Vec<Scan<K>>,
    /// How many scans there were when those of committed transactions were last forgotten.
    remembered: usize,
}

#[derive(Debug)]
struct Scan<K> {
    reader: Reader,
    from: Bound<K>,
    to: Bound<K>,
}

impl<K: Ord + Clone> Scans<K> {
    /// None, by so many workers.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        Self {
            notes: (0..workers).map(|_| CachePadded::default()).collect(),
            state: Mutex::new(State {
                written: BTreeMap::new(),
                scans: Vec::new(),
                remembered: 0,
            }),
        }
    }

    /// Notes that keys of these numbers are about to have their first versions. Gives each to `note` with those who have
    /// scanned over it. `key` tells the key of a number.
    pub fn tell<'k>(
        &self,
        worker: usize,
        numbers: &[u32],
        key: impl Fn(u32) -> &'k K,
        mut note: impl FnMut(u32, Reader),
    ) where
        K: 'k,
    {
        {
            let mut notes = lock(&self.notes[worker]);
            if !notes.is_scanned || mutant!("silent_phantom") {
                notes.written.extend_from_slice(numbers);
                return;
            }
        }
        let mut state = lock(&self.state);
        for number in numbers {
            let key = key(*number);
            state.written.insert(key.clone(), *number);
            for scan in &state.scans {
                if (scan.from.as_ref(), scan.to.as_ref()).contains(key) {
                    note(*number, scan.reader);
                }
            }
        }
    }

    /// Begins a scan: from now on, whoever gives a key of the range its first version notes `reader` there. `key` tells the key
    /// of a number. All transactions before `settled` are committed.
    pub fn begin<'k>(
        &self,
        reader: Reader,
        (from, to): (Bound<&K>, Bound<&K>),
        settled: u32,
        key: impl Fn(u32) -> &'k K,
    ) where
        K: 'k,
    {
        let mut state = lock(&self.state);
        // Now and then, or many scans would take time in the square of their number.
        if state.scans.len() > 2 * state.remembered {
            state
                .scans
                .retain(|scan| scan.reader.transaction >= settled);
            state.remembered = state.scans.len();
        }
        state.scans.push(Scan {
            reader,
            from: from.cloned(),
            to: to.cloned(),
        });
        // The lock is kept: who scans next finds all that was gathered.
        for notes in &self.notes {
            let mut notes = lock(notes);
            notes.is_scanned = true;
            let written = std::mem::take(&mut notes.written);
            drop(notes);
            if mutant!("gather_apart") {
                drop(state);
                state = lock(&self.state);
            }
            let keys = written
                .into_iter()
                .map(|number| (key(number).clone(), number));
            state.written.extend(keys);
        }
    }

    /// The first key of the range that is known to have had versions, and its number.
    #[must_use]
    pub fn next(&self, range: (Bound<&K>, Bound<&K>)) -> Option<(K, u32)> {
        let state = lock(&self.state);
        let (key, number) = state.written.range(range).next()?;
        Some((key.clone(), *number))
    }

    /// Ends a scan that did not go further than `last`.
    pub fn end(&self, reader: Reader, last: &K) {
        let mut state = lock(&self.state);
        // The last one of this attempt.
        let scan = state.scans.iter_mut().rev();
        if let Some(scan) = scan.into_iter().find(|scan| scan.reader == reader) {
            scan.to = Bound::Included(last.clone());
        }
    }
}
