//! `src/protocol/reports.rs`: what is taken is all there, with turns all is taken, and who waits is told once.
#![cfg(pleach_loom)]

use loom::{sync::Arc, thread};
use pleach::protocol::{
    handoff::Handoff,
    reports::{Reports, Until},
    turn::Turn,
};

#[test]
fn every_report_is_taken_in_order() {
    loom::model(|| {
        let shared = Arc::new((Reports::new(2), Turn::new(Vec::new())));
        let work = |shared: &(Reports<u32>, Turn<Vec<u32>>), number: u32| {
            let (reports, turn) = shared;
            // SAFETY: Each thread leaves one of its own.
            let mut woken = unsafe { reports.leave(number, 10 + number) };
            assert_eq!(woken.next(|who| reports.waiter(who)), None);
            turn.take(|taken| {
                while taken.len() < 2
                    // SAFETY: Only who has the turn takes any.
                    && let Some(report) = unsafe { reports.take(taken.len() as u32) }
                {
                    taken.push(report);
                }
            });
        };
        let other = thread::spawn({
            let shared = Arc::clone(&shared);
            move || work(&shared, 1)
        });
        work(&shared, 0);
        other.join().expect("no thread panics");
        shared.1.take(|taken| assert_eq!(*taken, [10, 11]));
    });
}

/// Two wait for what a third one does: each goes on itself, or is woken by that one, and sees what was left.
fn exactly_one_goes_on(until: Until) {
    loom::model(move || {
        let shared = Arc::new((Reports::new(3), Handoff::new()));
        let look = |shared: &(Reports<()>, Handoff<u32>)| {
            // SAFETY: What is waited for comes after it was filled; loom fails if that does not order this.
            assert_eq!(unsafe { shared.1.get() }, Some(&7));
        };
        let wait = move |shared: &(Reports<()>, Handoff<u32>), who: u32| {
            let waits = shared.0.wait(0, until, who, shared.0.waiter(who));
            if !waits {
                look(shared);
            }
            waits
        };
        let other = thread::spawn({
            let shared = Arc::clone(&shared);
            move || wait(&shared, 1)
        });
        let third = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                // SAFETY: Only this thread fills it, once.
                unsafe { shared.1.fill(7) };
                let mut woken = match until {
                    // SAFETY: Nobody else leaves it.
                    Until::Left => unsafe { shared.0.leave(0, ()) },
                    Until::Settled => shared.0.settle(0),
                };
                let next = || woken.next(|who| shared.0.waiter(who));
                std::iter::from_fn(next).collect::<Vec<u32>>()
            }
        });
        let mine = wait(&shared, 2);
        let others = other.join().expect("no thread panics");
        let mut woken = third.join().expect("no thread panics");
        woken.sort_unstable();
        let waited = [(1, others), (2, mine)].into_iter();
        let waited: Vec<u32> = waited
            .filter(|(_, waits)| *waits)
            .map(|(who, _)| who)
            .collect();
        assert_eq!(woken, waited);
    });
}

#[test]
fn who_waits_for_a_report_is_told_once() {
    exactly_one_goes_on(Until::Left);
}

#[test]
fn who_waits_for_a_commit_is_told_once() {
    exactly_one_goes_on(Until::Settled);
}
