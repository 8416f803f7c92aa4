//! `src/protocol/lifecycle.rs`: nobody runs a transaction twice at a time, waits in vain, or commits what was deceived.
#![cfg(pleach_loom)]

use loom::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
use pleach::protocol::{
    lifecycle::{Finished, Lifecycle, Until},
    turn::Turn,
    versions::{Change, Found, Reader, Versions},
};

#[test]
fn one_of_two_begins() {
    loom::model(|| {
        let all: Arc<Lifecycle<u32>> = Arc::new(Lifecycle::new(1));
        let other = thread::spawn({
            let all = Arc::clone(&all);
            move || all.begin(0).is_some()
        });
        let mine = all.begin(0).is_some();
        assert!(mine != other.join().expect("no thread panics"));
    });
}

#[test]
fn who_waits_is_woken_or_need_not_wait() {
    loom::model(|| {
        let all: Arc<Lifecycle<u32>> = Arc::new(Lifecycle::new(2));
        all.begin(0).expect("it is ready");
        all.begin(1).expect("it is ready");
        let other = thread::spawn({
            let all = Arc::clone(&all);
            move || match all.finish(0, 7) {
                Finished::Done(woken) => woken,
                Finished::Again(..) => panic!("nobody deceived it"),
            }
        });
        let waits = all.wait(1, 3, 0, Until::Done);
        let woken = other.join().expect("no thread panics");
        assert_eq!(woken, if waits { vec![1] } else { vec![] });
        // Either way it is ready now, with what it left.
        assert_eq!(all.begin(1), Some((2, 3)));
    });
}

#[test]
fn who_waits_for_one_that_is_reserved_is_woken_by_its_commit() {
    for until in [Until::Done, Until::Settled] {
        loom::model(move || {
            let all: Arc<Lifecycle<u32>> = Arc::new(Lifecycle::new(2));
            all.reserve(0);
            assert_eq!(all.begin(0), None);
            all.begin(1).expect("it is ready");
            let other = thread::spawn({
                let all = Arc::clone(&all);
                move || {
                    assert!(all.take(0).expect("it is reserved").is_reserved);
                    all.settle_reserved(0)
                }
            });
            let waits = all.wait(1, 3, 0, until);
            let woken = other.join().expect("no thread panics");
            assert_eq!(woken, if waits { vec![1] } else { vec![] });
            assert_eq!(all.begin(1), Some((2, 3)));
        });
    }
}

#[test]
fn who_waits_for_the_commit_is_woken_by_it() {
    loom::model(|| {
        let all: Arc<Lifecycle<u32>> = Arc::new(Lifecycle::new(2));
        all.begin(0).expect("it is ready");
        assert!(matches!(all.finish(0, 7), Finished::Done(_)));
        all.begin(1).expect("it is ready");
        let other = thread::spawn({
            let all = Arc::clone(&all);
            move || {
                let taken = all.take(0).expect("it is done");
                assert_eq!(taken.kept, 7);
                taken.woken
            }
        });
        let waits = all.wait(1, 3, 0, Until::Settled);
        let woken = other.join().expect("no thread panics");
        assert_eq!(woken, if waits { vec![1] } else { vec![] });
        assert_eq!(all.begin(1), Some((2, 3)));
    });
}

#[test]
fn who_waits_for_the_commit_is_not_woken_by_the_end_of_an_attempt() {
    loom::model(|| {
        let all: Arc<Lifecycle<u32>> = Arc::new(Lifecycle::new(3));
        for transaction in 0..3 {
            all.begin(transaction).expect("it is ready");
        }
        let other = thread::spawn({
            let all = Arc::clone(&all);
            move || {
                let Finished::Done(mut woken) = all.finish(0, 7) else {
                    panic!("nobody deceived it")
                };
                assert!(!woken.contains(&1));
                woken.extend(all.take(0).expect("it is done").woken);
                woken
            }
        });
        let mut waits = Vec::new();
        waits.extend(all.wait(1, 3, 0, Until::Settled).then_some(1));
        waits.extend(all.wait(2, 4, 0, Until::Done).then_some(2));
        let mut woken = other.join().expect("no thread panics");
        woken.sort_unstable();
        assert_eq!(woken, waits);
        assert_eq!(all.begin(1), Some((2, 3)));
        assert_eq!(all.begin(2), Some((2, 4)));
    });
}

#[test]
fn who_is_deceived_runs_again_and_once() {
    loom::model(|| {
        let all: Arc<Lifecycle<u32>> = Arc::new(Lifecycle::new(1));
        let (attempt, _) = all.begin(0).expect("it is ready");
        let other = thread::spawn({
            let all = Arc::clone(&all);
            move || {
                let kept = all.deceive(0, attempt);
                let is_recalled = kept.is_some();
                if let Some(kept) = kept {
                    assert_eq!(kept, 7);
                    all.release(0, kept);
                }
                is_recalled
            }
        });
        let again = matches!(all.finish(0, 7), Finished::Again(2, 7));
        let is_recalled = other.join().expect("no thread panics");
        assert!(again != is_recalled);
        assert_eq!(all.begin(0).is_some(), is_recalled);
    });
}

#[test]
fn the_next_attempt_is_not_blamed_for_the_last() {
    loom::model(|| {
        let all: Arc<Lifecycle<u32>> = Arc::new(Lifecycle::new(2));
        let (first, _) = all.begin(1).expect("it is ready");
        // It gives up by itself, and begins anew.
        assert!(matches!(all.deceive(1, first), None));
        assert!(matches!(all.finish(1, 0), Finished::Again(..)));
        let other = thread::spawn({
            let all = Arc::clone(&all);
            move || assert!(all.deceive(1, first).is_none())
        });
        let finished = all.finish(1, 7);
        other.join().expect("no thread panics");
        assert!(matches!(finished, Finished::Done(_)));
    });
}

/// Transaction 0 puts something that transaction 1 looks at; whoever can commits them.
#[test]
fn what_is_committed_has_seen_what_was_committed_before() {
    struct Block {
        all: Lifecycle<Option<u64>>,
        key: Mutex<Versions<u64>>,
        /// How many are committed, and what they had seen.
        commit: Turn<(u32, Vec<Option<u64>>)>,
        runs: AtomicUsize,
    }

    impl Block {
        fn commit(&self) {
            self.commit.take(|(next, seen)| {
                while *next < 2
                    && let Some(taken) = self.all.take(*next)
                {
                    seen.push(taken.kept);
                    *next += 1;
                }
            });
        }

        /// Runs transaction 1, as often as it is deceived.
        fn read(&self) {
            let Some((mut attempt, _)) = self.all.begin(1) else {
                return;
            };
            loop {
                self.runs.fetch_add(1, Ordering::Relaxed);
                let seen = self.key.lock().expect("nobody panics").look(1, attempt);
                let Found::Value(seen) = seen else {
                    panic!("nobody guesses");
                };
                match self.all.finish(1, seen) {
                    Finished::Done(_) => break,
                    Finished::Again(next, _) => attempt = next,
                }
            }
            self.commit();
        }

        fn write(&self) {
            self.all.begin(0).expect("it is ready");
            let mut deceived = Vec::new();
            self.key.lock().expect("nobody panics").publish(
                0,
                Some(Change::Put(Some(5))),
                &mut deceived,
            );
            for Reader {
                transaction,
                attempt,
            } in deceived
            {
                if let Some(kept) = self.all.deceive(transaction, attempt) {
                    self.all.release(transaction, kept);
                }
            }
            assert!(matches!(self.all.finish(0, None), Finished::Done(_)));
            self.commit();
            // If it was recalled, it is for whoever is free.
            self.read();
        }
    }

    loom::model(|| {
        let mut key = Versions::default();
        key.load(Some(&1));
        let block = Arc::new(Block {
            all: Lifecycle::new(2),
            key: Mutex::new(key),
            commit: Turn::new((0, Vec::new())),
            runs: AtomicUsize::new(0),
        });
        let other = thread::spawn({
            let block = Arc::clone(&block);
            move || block.read()
        });
        block.write();
        other.join().expect("no thread panics");
        let Ok(block) = Arc::try_unwrap(block) else {
            panic!("the other thread has ended");
        };
        assert_eq!(block.commit.into_inner(), (2, vec![None, Some(5)]));
        assert!(block.runs.into_inner() <= 2);
    });
}
