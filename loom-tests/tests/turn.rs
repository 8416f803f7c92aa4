//! `src/protocol/turn.rs`: whatever somebody called for is seen to, by one thread at a time.
#![cfg(pleach_loom)]

use loom::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
use pleach::protocol::turn::Turn;

#[test]
fn no_reason_is_lost() {
    loom::model(|| {
        // What is seen to, and how often each was.
        let shared = Arc::new((
            [AtomicUsize::new(0), AtomicUsize::new(0)],
            Turn::new([0, 0]),
        ));
        let call = |(reasons, turn): &([AtomicUsize; 2], Turn<[usize; 2]>), mine: usize| {
            // Relaxed: it is the turn that makes it seen.
            reasons[mine].store(1, Ordering::Relaxed);
            turn.take(|seen| {
                for (seen, reason) in seen.iter_mut().zip(reasons) {
                    *seen = reason.load(Ordering::Relaxed);
                }
            });
        };
        let other = thread::spawn({
            let shared = Arc::clone(&shared);
            move || call(&shared, 1)
        });
        call(&shared, 0);
        other.join().expect("no thread panics");
        let Ok((_, turn)) = Arc::try_unwrap(shared) else {
            panic!("the other thread has ended");
        };
        assert_eq!(turn.into_inner(), [1, 1]);
    });
}

#[test]
fn turns_follow_each_other() {
    loom::model(|| {
        let turn = Arc::new(Turn::new(0));
        let others: Vec<_> = (0..2)
            .map(|_| {
                let turn = Arc::clone(&turn);
                thread::spawn(move || turn.take(|count| *count += 1))
            })
            .collect();
        for other in others {
            other.join().expect("no thread panics");
        }
        let Ok(turn) = Arc::try_unwrap(turn) else {
            panic!("the other threads have ended");
        };
        // One may see to what the other called for, too.
        assert!(turn.into_inner() >= 1);
    });
}
