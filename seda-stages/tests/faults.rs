//! Handlers that fail or panic: their events fail, others go on.

use std::{
    error::Error as _,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use seda_stages::{Batch, Clock, EventErrorKind, Pipeline, Restart, Settings, Stage, from_fn};

use crate::tools::{Barrier, assert_complete, same};

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("number {0}")]
struct Bad(u32);

fn picky(number: u32) -> Result<u32, Bad> {
    match number % 10 {
        3 => Err(Bad(number)),
        7 => panic!("number {number}"),
        _ => Ok(number),
    }
}

#[test]
fn an_event_that_fails_names_the_stage_and_others_go_on() {
    for batch in [1, 4] {
        let pipeline = Pipeline::builder()
            .stage("first", Settings::new(), from_fn(same::<u32>))
            .stage("picky", Settings::new().batch(batch), from_fn(picky))
            .stage("last", Settings::new().in_order(), from_fn(same::<u32>))
            .workers(2)
            .build()
            .unwrap();
        let tickets: Vec<_> = (0..100)
            .map(|number| pipeline.submit(number).unwrap())
            .collect();
        for (number, ticket) in (0..).zip(tickets) {
            let result = ticket.wait();
            match number % 10 {
                3 => {
                    let error = result.unwrap_err();
                    assert_eq!(error.stage(), Some("picky"));
                    assert_eq!(error.to_string(), "stage picky: failed");
                    let source = error.source().unwrap();
                    assert_eq!(source.downcast_ref(), Some(&Bad(number)));
                }
                7 => {
                    let error = result.unwrap_err();
                    assert_eq!(
                        error.to_string(),
                        format!("stage picky: panicked: number {number}")
                    );
                }
                _ => assert_eq!(result.unwrap(), number),
            }
        }
        let summary = pipeline.drain();
        assert_complete(summary);
        assert_eq!((summary.completed, summary.failed), (80, 20));
        let work = &pipeline.snapshot().stages[1].work;
        assert_eq!((work.handled, work.failed, work.panics), (80, 20, 10));
    }
}

#[test]
fn handlers_are_kept_until_they_panic() {
    let count = Arc::new(AtomicUsize::new(0));
    let make = {
        let count = Arc::clone(&count);
        move || {
            count.fetch_add(1, Ordering::SeqCst);
            from_fn(picky)()
        }
    };
    let settings = Settings::new().concurrency(1).batch(5);
    let pipeline = Pipeline::builder()
        .stage("picky", settings, make)
        .stepped()
        .build()
        .unwrap();
    for number in 0..30 {
        drop(pipeline.submit(number).unwrap());
    }
    assert_complete(pipeline.drain());
    assert_eq!(count.load(Ordering::SeqCst), 4);
}

#[test]
fn a_stage_that_panics_too_often_stops() {
    let settings = Settings::new().restart(Restart::AtMost(1));
    let pipeline = Pipeline::builder()
        .stage("picky", settings, from_fn(picky))
        .stepped()
        .build()
        .unwrap();
    let tickets: Vec<_> = (0..30)
        .map(|number| pipeline.submit(number).unwrap())
        .collect();
    while pipeline.step() {}
    for (number, ticket) in (0..).zip(tickets) {
        let result = ticket.wait();
        if number > 17 {
            let kind = result.unwrap_err().into_kind();
            assert!(matches!(kind, EventErrorKind::Stopped), "{kind:?}");
        } else if number == 7 || number == 17 {
            let kind = result.unwrap_err().into_kind();
            assert!(matches!(kind, EventErrorKind::Panicked(_)), "{kind:?}");
        }
    }
    assert_complete(pipeline.drain());
}

/// What a batch handler may do wrong.
#[derive(Clone, Copy)]
enum Wrong {
    TakesNone,
    AnswersNone,
    LeavesSome,
    PanicsBeforeTaking,
    PanicsAfterTaking,
    AnswersTwice,
}

impl Stage for Wrong {
    type In = u32;
    type Out = u32;
    type Error = Bad;

    fn handle(&mut self, event: u32) -> Result<u32, Bad> {
        Ok(event)
    }

    fn handle_batch(&mut self, batch: &mut Batch<u32, u32, Bad>) {
        match self {
            Self::TakesNone => {}
            Self::AnswersNone => while batch.take().is_some() {},
            Self::LeavesSome => {
                let event = batch.take().expect("there is one");
                batch.answer(Ok(event));
            }
            Self::PanicsBeforeTaking => panic!("before"),
            Self::PanicsAfterTaking => {
                let event = batch.take().expect("there is one");
                batch.answer(Ok(event));
                batch.take();
                panic!("after");
            }
            Self::AnswersTwice => {
                let event = batch.take().expect("there is one");
                batch.answer(Ok(event));
                batch.answer(Ok(event));
            }
        }
    }
}

#[test]
fn whatever_a_batch_handler_does_every_event_is_answered() {
    let outcome = |wrong: Wrong| {
        let pipeline = Pipeline::builder()
            .stage("wrong", Settings::new().batch(4), move || wrong)
            .stepped()
            .build()
            .unwrap();
        let tickets: Vec<_> = (0..4)
            .map(|number| pipeline.submit(number).unwrap())
            .collect();
        assert_complete(pipeline.drain());
        let results = tickets.into_iter().map(|ticket| match ticket.wait() {
            Ok(_) => 'o',
            Err(error) => match error.kind() {
                EventErrorKind::Unanswered => 'u',
                EventErrorKind::Panicked(_) => 'p',
                other => panic!("{other}"),
            },
        });
        results.collect::<String>()
    };
    assert_eq!(outcome(Wrong::TakesNone), "uuuu");
    assert_eq!(outcome(Wrong::AnswersNone), "uuuu");
    assert_eq!(outcome(Wrong::LeavesSome), "oooo");
    assert_eq!(outcome(Wrong::PanicsBeforeTaking), "pppp");
    assert_eq!(outcome(Wrong::PanicsAfterTaking), "opop");
    assert_eq!(outcome(Wrong::AnswersTwice), "oooo");
}

#[test]
fn a_factory_that_panics_fails_the_events() {
    let make = || -> Wrong { panic!("no handler") };
    let pipeline = Pipeline::builder()
        .stage("none", Settings::new().batch(2), make)
        .workers(2)
        .build()
        .unwrap();
    let tickets: Vec<_> = (0..10)
        .map(|number| pipeline.submit(number).unwrap())
        .collect();
    for ticket in tickets {
        let error = ticket.wait().unwrap_err();
        assert_eq!(error.to_string(), "stage none: panicked: no handler");
    }
    assert_eq!(pipeline.drain().failed, 10);
}

/// Panics when it is dropped.
struct Bomb(u32);

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("number {} is dropped", self.0);
    }
}

/// Why a bomb fails; it panics when it becomes an error like others.
struct Fuse;

impl From<Fuse> for Box<dyn std::error::Error + Send + Sync> {
    fn from(_: Fuse) -> Self {
        panic!("no words for it");
    }
}

/// Events, results and errors are somebody else's code, where they are dropped and where they are not.
#[test]
fn what_panics_when_it_is_dropped_ends_no_worker() {
    let barrier = Barrier::default();
    let held = barrier.clone();
    let handle = move |bomb: Bomb| {
        held.pass();
        if bomb.0 == 1 {
            std::mem::forget(bomb);
            return Err(Fuse);
        }
        Ok(bomb)
    };
    let pipeline = Pipeline::builder()
        .stage(
            "one by one",
            Settings::new().concurrency(1),
            from_fn(handle),
        )
        .workers(1)
        .build()
        .unwrap();
    let unheard = pipeline.submit(Bomb(0)).unwrap();
    barrier.wait_for(1);
    let [fails, cancelled] = [1, 2].map(|number| pipeline.submit(Bomb(number)).unwrap());
    assert!(cancelled.cancel());
    drop(unheard);
    barrier.open();
    let error = fails.wait().err().unwrap();
    assert_eq!(
        error.to_string(),
        "stage one by one: panicked: no words for it"
    );
    let summary = pipeline.drain();
    assert_complete(summary);
    assert_eq!(
        (summary.completed, summary.failed, summary.cancelled),
        (1, 1, 1)
    );
}

/// What a clock of yours should not do costs measurements, not events.
#[test]
fn a_clock_that_goes_back_harms_nobody() {
    #[derive(Debug)]
    struct Back(AtomicU64);
    impl Clock for Back {
        fn now(&self) -> Duration {
            Duration::from_secs(self.0.fetch_sub(1, Ordering::Relaxed))
        }
    }
    let pipeline = Pipeline::builder()
        .stage("same", Settings::new(), from_fn(same::<u32>))
        .clock(Back(AtomicU64::new(1_000)))
        .timeline(9)
        .stepped()
        .build()
        .unwrap();
    let ticket = pipeline.submit(7).unwrap();
    assert!(pipeline.step());
    assert_eq!(ticket.wait().unwrap(), 7);
    assert_complete(pipeline.drain());
    let timeline = pipeline.timeline().unwrap();
    timeline.write_chrome_trace(Vec::new()).unwrap();
}
