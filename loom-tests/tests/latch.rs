//! `src/protocol/latch.rs`: one thread at a time, and each sees what those before it did.
#![cfg(pleach_loom)]

use loom::{sync::Arc, thread};
use pleach::protocol::latch::Latch;

#[test]
fn nothing_is_lost() {
    loom::model(|| {
        let latch = Arc::new(Latch::new(0));
        let other = thread::spawn({
            let latch = Arc::clone(&latch);
            move || {
                *latch.lock() += 1;
                *latch.lock() += 1;
            }
        });
        *latch.lock() += 1;
        other.join().expect("no thread panics");
        assert_eq!(*latch.lock(), 3);
    });
}
