//! `src/protocol/scans.rs`: who scans a range and who gives a key of it its first version learn of each other.
#![cfg(pleach_loom)]

use std::ops::Bound;

use loom::{
    sync::{Arc, Mutex},
    thread,
};
use pleach::protocol::{
    scans::Scans,
    versions::{Change, Found, Reader, Versions},
};

/// Key 5 has number 0, and nothing in the parent state.
struct Shared {
    scans: Scans<u8>,
    key: Mutex<Versions<u64>>,
}

const KEYS: [u8; 1] = [5];

impl Shared {
    fn new() -> Arc<Self> {
        let mut versions = Versions::default();
        versions.load(None);
        Arc::new(Self {
            scans: Scans::new(1),
            key: Mutex::new(versions),
        })
    }

    /// Gives the key its first version, and tells who was deceived.
    fn write(&self) -> Vec<Reader> {
        let mut deceived = Vec::new();
        let note = |_, reader| self.key.lock().expect("nobody panics").note(reader);
        self.scans
            .tell(0, &[0], |number| &KEYS[number as usize], note);
        let mut versions = self.key.lock().expect("nobody panics");
        versions.known_to_scans();
        versions.publish(0, Some(Change::Put(Some(1))), &mut deceived);
        deceived
    }

    /// Scans all keys, and says whether the key was there.
    fn scan(&self, reader: Reader) -> bool {
        let all = (Bound::Unbounded, Bound::Unbounded);
        self.scans
            .begin(reader, all, 0, |number| &KEYS[number as usize]);
        match self.scans.next(all) {
            None => false,
            Some((key, number)) => {
                assert_eq!((key, number), (5, 0));
                let mut versions = self.key.lock().expect("nobody panics");
                matches!(
                    versions.look(reader.transaction, reader.attempt),
                    Found::Value(Some(1))
                )
            }
        }
    }
}

fn reader(transaction: u32) -> Reader {
    Reader {
        transaction,
        attempt: 1,
    }
}

#[test]
fn a_scan_sees_a_first_write_or_is_named_by_it() {
    loom::model(|| {
        let shared = Shared::new();
        let writer = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.write()
        });
        let sees = shared.scan(reader(1));
        let deceived = writer.join().expect("no thread panics");
        // It may be both: named for what it has not come by yet.
        assert!(sees || deceived.contains(&reader(1)));
    });
}

#[test]
fn so_do_two_scans() {
    loom::model(|| {
        let shared = Shared::new();
        let scan = |transaction| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.scan(reader(transaction)))
        };
        let (first, second) = (scan(1), scan(2));
        let deceived = shared.write();
        for (scan, transaction) in [(first, 1), (second, 2)] {
            let sees = scan.join().expect("no thread panics");
            assert!(sees || deceived.contains(&reader(transaction)));
        }
    });
}
