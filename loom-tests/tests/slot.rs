//! `src/protocol/slot.rs`: who sees that it is filled sees the value.
#![cfg(pleach_loom)]

use loom::{sync::Arc, thread};
use pleach::protocol::slot::Slot;

#[test]
fn a_value_is_there_when_the_flag_is() {
    loom::model(|| {
        let slot = Arc::new(Slot::new());
        let look = |slot: &Slot<u32>| {
            if slot.is_filled() {
                // SAFETY: It is filled; loom fails if that does not order this.
                assert_eq!(unsafe { slot.get() }, Some(&7));
            }
        };
        let others = [(), ()].map(|()| {
            let slot = Arc::clone(&slot);
            thread::spawn(move || look(&slot))
        });
        // SAFETY: Only this thread fills it, once.
        unsafe { slot.fill(7) };
        for other in others {
            other.join().expect("no thread panics");
        }
        // SAFETY: Nobody else reaches it any more.
        assert_eq!(unsafe { slot.remove() }, Some(7));
    });
}
