//! `src/protocol/handoff.rs`: with reports between them, a value is there when it is looked at.
#![cfg(pleach_loom)]

use loom::{sync::Arc, thread};
use pleach::protocol::{
    handoff::Handoff,
    reports::{Reports, Until},
};

#[test]
fn a_value_is_there_when_the_report_is() {
    loom::model(|| {
        let shared = Arc::new((Handoff::new(), Reports::new(1)));
        let other = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                // SAFETY: Only this thread fills it, once.
                unsafe { shared.0.fill(7) };
                // SAFETY: Nobody else leaves it.
                unsafe { shared.1.leave(0, ()) }
            }
        });
        if shared.1.is_over(0, Until::Left) {
            // SAFETY: It was filled before the report was left; loom fails if that does not order this.
            assert_eq!(unsafe { shared.0.get() }, Some(&7));
        }
        let mut woken = other.join().expect("no thread panics");
        assert_eq!(woken.next(|who| shared.1.waiter(who)), None);
    });
}
