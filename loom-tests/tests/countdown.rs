//! `src/protocol/countdown.rs`: exactly one is the last to arrive, and it sees what all wrote.
#![cfg(pleach_loom)]

use loom::{sync::Arc, thread};
use pleach::protocol::{countdown::Countdown, handoff::Handoff};

#[test]
fn the_last_to_arrive_sees_what_all_wrote() {
    loom::model(|| {
        let values: [Handoff<usize>; 3] = std::array::from_fn(|_| Handoff::new());
        let shared = Arc::new((Countdown::new(3), values));
        let arrive = |index: usize| {
            let shared = Arc::clone(&shared);
            move || {
                let (countdown, values) = &*shared;
                // SAFETY: Each thread has a cell of its own.
                unsafe { values[index].fill(index) };
                let last = countdown.arrive();
                if last {
                    for (index, value) in values.iter().enumerate() {
                        // SAFETY: All have arrived; loom fails if that does not order this.
                        assert_eq!(unsafe { value.get() }, Some(&index));
                    }
                }
                usize::from(last)
            }
        };
        let others = [thread::spawn(arrive(0)), thread::spawn(arrive(1))];
        let mut last = arrive(2)();
        for other in others {
            last += other.join().expect("no thread panics");
        }
        assert_eq!(last, 1);
    });
}
