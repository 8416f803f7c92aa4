//! `src/protocol/keys.rs`: a key has one number, whoever asks first, and who has the number finds the key.
#![cfg(pleach_loom)]

use loom::{sync::Arc, thread};
use pleach::protocol::keys::{Keys, Spare};

/// Two threads enter these keys, in this order. In models a bucket has two slots, and there are two tables.
fn explore(first: &'static [u8], second: &'static [u8]) {
    loom::model(move || {
        let keys: Arc<Keys<u8, ()>> = Arc::new(Keys::new(1));
        let enter = |keys: &Keys<u8, ()>, all: &[u8]| -> Vec<(u8, u32)> {
            let mut spare = Spare::default();
            let entered = all.iter().map(|key| {
                let (number, _) = keys.enter(keys.hash(key), key, &mut spare);
                assert_eq!(keys.key(number), key);
                (*key, number)
            });
            entered.collect()
        };
        let other = thread::spawn({
            let keys = Arc::clone(&keys);
            move || enter(&keys, second)
        });
        let mut all = enter(&keys, first);
        all.extend(other.join().expect("no thread panics"));
        for (key, number) in &all {
            for (other, other_number) in &all {
                assert_eq!(key == other, number == other_number);
            }
            let found = keys.find(keys.hash(key), key);
            assert_eq!(found.map(|(number, _)| number), Some(*number));
        }
    });
}

#[test]
fn the_same_key_has_one_number() {
    explore(&[1], &[1]);
}

#[test]
fn different_keys_have_different_ones() {
    explore(&[1], &[2]);
}

#[test]
fn keys_that_meet_in_other_orders() {
    explore(&[1, 2], &[2, 1]);
}

#[test]
fn keys_for_which_there_is_no_slot() {
    // One bucket of two slots, then two of them: the last ones go elsewhere.
    explore(&[1, 2, 3, 4, 5, 6, 7], &[7]);
}

#[test]
fn who_finds_a_key_sees_it() {
    loom::model(|| {
        let keys: Arc<Keys<u8, ()>> = Arc::new(Keys::new(1));
        let other = thread::spawn({
            let keys = Arc::clone(&keys);
            move || keys.enter(keys.hash(&1), &1, &mut Spare::default()).0
        });
        if let Some((number, _)) = keys.find(keys.hash(&1), &1) {
            assert_eq!(keys.key(number), &1);
        }
        other.join().expect("no thread panics");
    });
}
