//! `seda-stages/src/protocol/phase.rs`: one decides what becomes of an event, whoever calls it off meanwhile.
#![cfg(pleach_loom)]

use loom::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
use seda_stages::protocol::phase::{CallOff, Phase, Withdrawn};

/// A stage takes the event and passes it on, another one takes it and decides; meanwhile somebody calls it off.
#[test]
fn one_decides() {
    loom::model(|| {
        let event = Arc::new((Phase::new(), AtomicUsize::new(0)));
        let answer = |event: &(Phase, AtomicUsize)| {
            event.1.fetch_add(1, Ordering::Relaxed);
        };
        let calling = thread::spawn({
            let event = Arc::clone(&event);
            move || {
                let outcome = event.0.call_off(Withdrawn::Cancelled);
                if outcome == CallOff::Mine {
                    answer(&event);
                }
                outcome
            }
        });
        let decided = (|| {
            event.0.begin().ok()?;
            let decide = || {
                event.0.decide();
                answer(&event);
            };
            if !event.0.pass_on() {
                decide();
                return Some("called off");
            }
            event.0.begin().ok()?;
            decide();
            Some("done")
        })();
        let outcome = calling.join().expect("no thread panics");
        assert_eq!(
            event.1.load(Ordering::Relaxed),
            1,
            "{decided:?} {outcome:?}"
        );
        match outcome {
            CallOff::Mine => assert_eq!(decided, None),
            // It may have been in the hands of the last stage, which has the last word.
            CallOff::Noted => assert!(decided.is_some()),
            CallOff::TooLate => assert_eq!(decided, Some("done")),
        }
    });
}

/// What is called off while a stage has it does not go on to the next.
#[test]
fn what_is_noted_is_heeded() {
    loom::model(|| {
        let event = Arc::new(Phase::new());
        event.begin().expect("nobody has called it off");
        let calling = thread::spawn({
            let event = Arc::clone(&event);
            move || event.call_off(Withdrawn::Cancelled)
        });
        let goes_on = event.pass_on() && event.begin().is_ok();
        let outcome = calling.join().expect("no thread panics");
        if goes_on {
            // It was called off in the hands of the second stage.
            assert_eq!(outcome, CallOff::Noted);
            assert!(event.is_called_off());
        }
    });
}

/// Two call it off for different reasons: one is told that it decides, and the stage learns which.
#[test]
fn one_reason_counts() {
    loom::model(|| {
        let event = Arc::new(Phase::new());
        let calling = thread::spawn({
            let event = Arc::clone(&event);
            move || event.call_off(Withdrawn::Expired)
        });
        let cancelled = event.call_off(Withdrawn::Cancelled);
        let expired = calling.join().expect("no thread panics");
        match event.begin() {
            Err(Withdrawn::Cancelled) => {
                assert_eq!((cancelled, expired), (CallOff::Mine, CallOff::TooLate));
            }
            Err(Withdrawn::Expired) => {
                assert_eq!((cancelled, expired), (CallOff::TooLate, CallOff::Mine));
            }
            Ok(()) => panic!("it was called off"),
        }
    });
}

/// What an irrevocable stage has done comes to the end, whoever calls it off.
#[test]
fn what_stands_is_decided_by_a_stage() {
    loom::model(|| {
        let event = Arc::new(Phase::new());
        event.begin().expect("nobody has called it off");
        let calling = thread::spawn({
            let event = Arc::clone(&event);
            move || event.call_off(Withdrawn::Cancelled)
        });
        event.stand();
        assert!(event.pass_on());
        assert!(event.stands());
        event.begin().expect("it stands");
        assert!(!event.is_called_off());
        event.decide();
        let outcome = calling.join().expect("no thread panics");
        assert_ne!(outcome, CallOff::Mine);
        assert_eq!(event.call_off(Withdrawn::Expired), CallOff::TooLate);
    });
}
