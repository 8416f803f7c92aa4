//! `src/protocol/handoff.rs`: with a countdown between them, a value is there when it is looked at.
#![cfg(pleach_loom)]

use loom::{sync::Arc, thread};
use pleach::protocol::{countdown::Countdown, handoff::Handoff};

#[test]
fn a_value_is_there_when_the_countdown_is_over() {
    loom::model(|| {
        let shared = Arc::new((Handoff::new(), Handoff::new(), Countdown::new(2)));
        let look = |shared: &(Handoff<u32>, Handoff<u32>, Countdown)| {
            if shared.2.arrive() {
                // SAFETY: Both were filled before their threads arrived; loom fails if that does not order this.
                let values = unsafe { (shared.0.get().copied(), shared.1.get().copied()) };
                assert_eq!(values, (Some(7), Some(8)));
            }
        };
        let other = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                // SAFETY: Only this thread fills it, once.
                unsafe { shared.0.fill(7) };
                look(&shared);
            }
        });
        // SAFETY: Only this thread fills it, once.
        unsafe { shared.1.fill(8) };
        look(&shared);
        other.join().expect("no thread panics");
    });
}
