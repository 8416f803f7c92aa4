//! `seda-stages/src/protocol/answer.rs`: who waits is woken, who polls is called.
#![cfg(pleach_loom)]

use std::{
    sync::Arc as Shared,
    task::{Poll, Wake, Waker},
};

use loom::{sync::Arc, sync::Notify, thread};
use seda_stages::protocol::answer::Answer;

#[test]
fn who_waits_is_woken() {
    loom::model(|| {
        let answer = Arc::new(Answer::new());
        let giving = thread::spawn({
            let answer = Arc::clone(&answer);
            move || answer.give(Box::new(7))
        });
        assert_eq!(*answer.wait(), 7);
        giving.join().expect("no thread panics");
    });
}

#[test]
fn two_who_look_get_it_once() {
    loom::model(|| {
        let answer = Arc::new(Answer::new());
        let giving = thread::spawn({
            let answer = Arc::clone(&answer);
            move || answer.give(7)
        });
        let looking = thread::spawn({
            let answer = Arc::clone(&answer);
            move || answer.take().is_some()
        });
        let mine = answer.take().is_some();
        let theirs = looking.join().expect("no thread panics");
        giving.join().expect("no thread panics");
        let late = answer.take().is_some();
        assert_eq!(
            [mine, theirs, late].into_iter().filter(|got| *got).count(),
            1
        );
    });
}

/// A waker that ends a wait.
struct Bell(Notify);

impl Wake for Bell {
    fn wake(self: Shared<Self>) {
        self.0.notify();
    }
}

#[test]
fn who_polls_is_called() {
    loom::model(|| {
        let answer = Arc::new(Answer::new());
        let giving = thread::spawn({
            let answer = Arc::clone(&answer);
            move || answer.give(7)
        });
        let bell = Shared::new(Bell(Notify::new()));
        let waker = Waker::from(Shared::clone(&bell));
        let value = loop {
            match answer.poll(&waker) {
                Poll::Ready(value) => break value,
                Poll::Pending => bell.0.wait(),
            }
        };
        assert_eq!(value, 7);
        giving.join().expect("no thread panics");
    });
}
