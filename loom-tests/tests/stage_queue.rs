//! `seda-stages/src/protocol/queue.rs`: nothing is lost or doubled, and where it is asked for, order is restored.
#![cfg(pleach_loom)]

use loom::{sync::Arc, thread};
use seda_stages::protocol::queue::{Numbered, Queue};

#[derive(Debug)]
struct Event(u64);

impl Numbered for Event {
    fn number(&self) -> u64 {
        self.0
    }
}

/// Two threads put events and absences in any order: those who are told of something find it, and it is in order.
#[test]
fn order_is_restored() {
    loom::model(|| {
        let queue = Arc::new(Queue::new(true));
        let put = |queue: &Queue<Event>, events: &[u64], gone: &[u64]| {
            let mut events: Vec<_> = events.iter().copied().map(Event).collect();
            let mut gone = gone.to_vec();
            let queued = queue.put(&mut events, &mut gone);
            let mut taken = Vec::new();
            queue.take(queued, &mut taken);
            assert_eq!(taken.len(), queued);
            (
                taken.into_iter().map(|event| event.0).collect::<Vec<_>>(),
                gone,
            )
        };
        let other = thread::spawn({
            let queue = Arc::clone(&queue);
            move || put(&queue, &[2], &[1])
        });
        let (mut mine, mut gone) = put(&queue, &[0, 3], &[]);
        let (theirs, more) = other.join().expect("no thread panics");
        for taken in [&mine, &theirs] {
            assert!(taken.is_sorted(), "{taken:?}");
        }
        mine.extend(theirs);
        mine.sort_unstable();
        assert_eq!(mine, [0, 2, 3]);
        gone.extend(more);
        assert_eq!(gone, [1]);
        assert_eq!(queue.early(), 0);
    });
}

/// Without an order, what is put can be taken at once, by somebody else, too.
#[test]
fn what_is_promised_is_there() {
    loom::model(|| {
        let queue = Arc::new(Queue::new(false));
        let other = thread::spawn({
            let queue = Arc::clone(&queue);
            move || {
                let queued = queue.put(&mut vec![Event(5), Event(3)], &mut vec![4]);
                assert_eq!(queued, 2);
                let mut taken = Vec::new();
                queue.take(1, &mut taken);
                taken.pop().expect("it was promised").0
            }
        });
        queue.push(Event(9));
        let mut taken = Vec::new();
        queue.take(1, &mut taken);
        let theirs = other.join().expect("no thread panics");
        queue.take(1, &mut taken);
        let mut all: Vec<_> = taken.into_iter().map(|event| event.0).collect();
        all.push(theirs);
        all.sort_unstable();
        assert_eq!(all, [3, 5, 9]);
    });
}
