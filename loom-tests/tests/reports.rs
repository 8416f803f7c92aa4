//! `src/protocol/reports.rs`: what is taken is all there, and with turns, all is taken.
#![cfg(pleach_loom)]

use loom::{sync::Arc, thread};
use pleach::protocol::{reports::Reports, turn::Turn};

#[test]
fn every_report_is_taken_in_order() {
    loom::model(|| {
        let shared = Arc::new((Reports::new(2), Turn::new(Vec::new())));
        let work = |shared: &(Reports<usize>, Turn<Vec<usize>>), number: usize| {
            let (reports, turn) = shared;
            // SAFETY: Each thread leaves one of its own.
            unsafe { reports.leave(number, 10 + number) };
            turn.take(|taken| {
                // SAFETY: Only who has the turn takes any.
                while let Some(report) = unsafe { reports.take(taken.len()) } {
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
