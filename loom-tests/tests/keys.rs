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
                let (number, ..) = keys.enter(keys.hash(key), key, &mut spare);
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
            let (found, _, is_new) = keys.enter(keys.hash(key), key, &mut Spare::default());
            assert_eq!((found, is_new), (*number, false));
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
fn one_of_two_is_the_first() {
    loom::model(|| {
        let keys: Arc<Keys<u8, ()>> = Arc::new(Keys::new(1));
        let is_new = |keys: &Keys<u8, ()>| keys.enter(keys.hash(&1), &1, &mut Spare::default()).2;
        let other = thread::spawn({
            let keys = Arc::clone(&keys);
            move || is_new(&keys)
        });
        let mine = is_new(&keys);
        assert!(mine != other.join().expect("no thread panics"));
    });
}
