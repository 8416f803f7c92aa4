//! Deadlines, cancellation of one event or all, and ending with events inside.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use seda_stages::{
    EventError, EventErrorKind, ManualClock, Pipeline, Refusal, Settings, Ticket, from_fn,
};

use crate::tools::{Barrier, Sure, assert_complete, hold, same};

fn kind<T: std::fmt::Debug>(result: Result<T, EventError>) -> EventErrorKind {
    result.unwrap_err().into_kind()
}

/// Two stages, of which the first holds everybody up.
fn held(barrier: &Barrier, order: Settings) -> Pipeline<u32, u32> {
    Pipeline::builder()
        .stage("hold", Settings::new().concurrency(1), hold(barrier))
        .stage("last", order, from_fn(same::<u32>))
        .workers(2)
        .build()
        .unwrap()
}

#[test]
fn who_waits_is_cancelled_at_once_and_who_is_handled_later() {
    let barrier = Barrier::default();
    let pipeline = held(&barrier, Settings::new().in_order());
    let tickets: Vec<_> = (0..3)
        .map(|event| pipeline.submit(event).unwrap())
        .collect();
    barrier.wait_for(1);
    let cancellers: Vec<_> = tickets.iter().map(Ticket::canceller).collect();
    assert!(cancellers[1].cancel());
    assert!(tickets[1].is_done());
    assert!(!cancellers[1].cancel(), "it is decided");
    assert!(tickets[0].cancel());
    assert!(!tickets[0].is_done(), "a stage has it");
    barrier.open();
    let results: Vec<_> = tickets.into_iter().map(Ticket::wait).collect();
    let summary = pipeline.drain();
    assert_complete(summary);
    assert_eq!((summary.completed, summary.cancelled), (1, 2));
    assert!(matches!(
        results[0].as_ref().unwrap_err().kind(),
        EventErrorKind::Cancelled
    ));
    assert_eq!(results[0].as_ref().unwrap_err().stage(), Some("hold"));
    assert_eq!(results[1].as_ref().unwrap_err().stage(), None);
    assert_eq!(*results[2].as_ref().unwrap(), 2);
}

#[test]
fn what_is_too_late_is_not_begun() {
    let clock = ManualClock::new();
    let handled = Arc::new(AtomicUsize::new(0));
    let count = {
        let handled = Arc::clone(&handled);
        from_fn(move |event: u32| {
            handled.fetch_add(1, Ordering::SeqCst);
            Sure::Ok(event)
        })
    };
    let pipeline = Pipeline::builder()
        .stage("first", Settings::new(), count.clone())
        .stage("last", Settings::new().in_order(), count)
        .clock(clock.clone())
        .stepped()
        .build()
        .unwrap();
    let submit = |seconds| {
        let event = pipeline.event(0).deadline(Duration::from_secs(seconds));
        event.submit().unwrap()
    };
    let (early, middle, late) = (submit(10), submit(20), submit(30));
    clock.advance(Duration::from_secs(10));
    assert!(pipeline.step(), "the first stage handles one");
    assert_eq!(handled.load(Ordering::SeqCst), 0, "the first has expired");
    assert!(matches!(kind(early.wait()), EventErrorKind::Expired));
    assert!(pipeline.step(), "the second goes through the first stage");
    clock.advance(Duration::from_secs(10));
    // Whoever looks at the ticket notices, too.
    assert!(matches!(
        kind(middle.try_take().unwrap()),
        EventErrorKind::Expired
    ));
    while pipeline.step() {}
    assert_eq!(late.wait().unwrap(), 0);
    assert_eq!(handled.load(Ordering::SeqCst), 3);
    let summary = pipeline.drain();
    assert_complete(summary);
    assert_eq!((summary.completed, summary.expired), (1, 2));
}

#[test]
fn a_deadline_ends_the_wait_for_a_stalled_stage_and_for_room() {
    let barrier = Barrier::default();
    let pipeline = Pipeline::builder()
        .stage("hold", Settings::new().queue(1), hold(&barrier))
        .workers(1)
        .build()
        .unwrap();
    let first = pipeline.submit(0).unwrap();
    barrier.wait_for(1);
    let short = Duration::from_millis(1);
    let second = pipeline.event(1).deadline(short).submit().unwrap();
    assert!(matches!(kind(second.wait()), EventErrorKind::Expired));
    // It still has its place in the queue until the stage gets on.
    let refused = pipeline.event(2).deadline(short).submit().unwrap_err();
    assert_eq!((refused.event, refused.reason), (2, Refusal::Expired));
    barrier.open();
    assert_eq!(first.wait().unwrap(), 0);
    assert_complete(pipeline.drain());
}

#[test]
fn all_events_are_cancelled_and_later_ones_are_not() {
    let barrier = Barrier::default();
    let pipeline = held(&barrier, Settings::new().in_order());
    let tickets: Vec<_> = (0..50)
        .map(|event| pipeline.submit(event).unwrap())
        .collect();
    barrier.wait_for(1);
    pipeline.cancel_all();
    assert!(!tickets[0].is_done());
    assert!(tickets[1..].iter().all(Ticket::is_done));
    let later = pipeline.submit(50).unwrap();
    barrier.open();
    assert_eq!(later.wait().unwrap(), 50);
    for ticket in tickets {
        assert!(matches!(kind(ticket.wait()), EventErrorKind::Cancelled));
    }
    let summary = pipeline.drain();
    assert_complete(summary);
    assert_eq!((summary.completed, summary.cancelled), (1, 50));
}

/// Those that wait for their turn behind a stalled event are cancelled at once, too.
#[test]
fn who_waits_for_their_turn_is_cancelled_at_once() {
    let barrier = Barrier::default();
    let hold = {
        let barrier = barrier.clone();
        from_fn(move |event: u32| {
            if event == 0 {
                barrier.pass();
            }
            Sure::Ok(event)
        })
    };
    let pipeline = Pipeline::builder()
        .stage("hold", Settings::new(), hold)
        .stage("last", Settings::new().in_order(), from_fn(same::<u32>))
        .workers(2)
        .build()
        .unwrap();
    let mut tickets: Vec<_> = (0..20)
        .map(|event| pipeline.submit(event).unwrap())
        .collect();
    while pipeline.snapshot().stages[1].early < 19 {
        std::thread::yield_now();
    }
    pipeline.cancel_all();
    let first = tickets.remove(0);
    for ticket in tickets {
        assert!(matches!(kind(ticket.wait()), EventErrorKind::Cancelled));
    }
    assert!(!first.is_done());
    barrier.open();
    assert!(matches!(kind(first.wait()), EventErrorKind::Cancelled));
    assert_eq!(pipeline.drain().cancelled, 20);
}

#[test]
fn aborting_answers_every_ticket() {
    let barrier = Barrier::default();
    let pipeline = Arc::new(held(&barrier, Settings::new()));
    let tickets: Vec<_> = (0..100)
        .map(|event| pipeline.submit(event).unwrap())
        .collect();
    barrier.wait_for(1);
    let aborting = std::thread::spawn({
        let pipeline = Arc::clone(&pipeline);
        move || pipeline.abort()
    });
    // It waits for the handler that runs.
    while !tickets[1..].iter().all(Ticket::is_done) {
        std::thread::yield_now();
    }
    assert!(!aborting.is_finished());
    barrier.open();
    let summary = aborting.join().unwrap();
    assert_complete(summary);
    assert_eq!((summary.accepted, summary.cancelled), (100, 100));
    assert!(tickets.iter().all(Ticket::is_done));
}

#[test]
fn dropping_a_pipeline_answers_every_ticket() {
    for stepped in [false, true] {
        let builder = Pipeline::builder().stage("same", Settings::new(), from_fn(same::<u32>));
        let builder = if stepped {
            builder.stepped()
        } else {
            builder.workers(1)
        };
        let pipeline = builder.build().unwrap();
        let tickets: Vec<_> = (0..100)
            .map(|event| pipeline.submit(event).unwrap())
            .collect();
        drop(pipeline);
        assert!(tickets.iter().all(Ticket::is_done));
        for (event, ticket) in (0..).zip(tickets) {
            match ticket.wait() {
                Ok(result) => assert_eq!(result, event),
                Err(error) => assert!(matches!(error.kind(), EventErrorKind::Cancelled)),
            }
        }
    }
}

#[test]
fn closing_ends_the_wait_of_who_submits() {
    let barrier = Barrier::default();
    let pipeline = held(&barrier, Settings::new());
    std::thread::scope(|scope| {
        let submitting = scope.spawn(|| {
            for event in 0.. {
                match pipeline.submit(event) {
                    Ok(ticket) => drop(ticket),
                    Err(refused) => return refused.reason,
                }
            }
            unreachable!("it ends")
        });
        while pipeline.snapshot().stages[0].queue_length < 256 {
            std::thread::yield_now();
        }
        pipeline.close();
        assert_eq!(submitting.join().unwrap(), Refusal::Closed);
        barrier.open();
    });
    assert_complete(pipeline.drain());
}

#[test]
fn a_handler_learns_that_its_event_is_cancelled() {
    use seda_stages::{Batch, Stage};

    struct Patient(Barrier);
    impl Stage for Patient {
        type In = u32;
        type Out = u32;
        type Error = std::convert::Infallible;

        fn handle(&mut self, event: u32) -> Sure<u32> {
            Ok(event)
        }

        fn handle_batch(&mut self, batch: &mut Batch<u32, u32, Self::Error>) {
            let event = batch.take().expect("there is one");
            self.0.pass();
            let answer = if batch.is_cancelled() { 99 } else { event };
            batch.answer(Ok(answer));
        }
    }

    let barrier = Barrier::default();
    let make = {
        let barrier = barrier.clone();
        move || Patient(barrier.clone())
    };
    let pipeline = Pipeline::builder()
        .stage("patient", Settings::new(), make)
        .workers(1)
        .build()
        .unwrap();
    let ticket = pipeline.submit(1).unwrap();
    barrier.wait_for(1);
    assert!(ticket.cancel());
    barrier.open();
    // It was the last stage: what it says counts.
    assert_eq!(ticket.wait().unwrap(), 99);
}

/// What the first stage has done is not undone: neither one ticket, nor all, nor the time ends an event on its way to the last.
#[test]
fn what_is_irrevocable_goes_on() {
    let clock = ManualClock::new();
    let pipeline = Pipeline::builder()
        .stage(
            "first",
            Settings::new().in_order().irrevocable(),
            from_fn(same::<u32>),
        )
        .stage("last", Settings::new().in_order(), from_fn(same::<u32>))
        .clock(clock.clone())
        .stepped()
        .build()
        .unwrap();
    let submit = |event| {
        let event = pipeline.event(event).deadline(Duration::from_secs(1));
        event.submit().unwrap()
    };
    let tickets = [submit(0), submit(1)];
    let waiting = submit(2);
    // Each step is one event of the last stage that has one.
    assert!(pipeline.step());
    assert!(!tickets[0].cancel(), "it stands");
    assert!(pipeline.step() && pipeline.step());
    pipeline.cancel_all();
    clock.advance(Duration::from_secs(2));
    let summary = pipeline.abort();
    assert_complete(summary);
    assert_eq!((summary.completed, summary.cancelled), (2, 1));
    for (ticket, event) in tickets.into_iter().zip(0..) {
        assert_eq!(ticket.wait().unwrap(), event);
    }
    assert!(matches!(kind(waiting.wait()), EventErrorKind::Cancelled));
}

/// Cancelled in the hands of a stage that is irrevocable: if it gives a result, that stands.
#[test]
fn what_was_done_before_it_was_known_stands() {
    let barrier = Barrier::default();
    let pipeline = Pipeline::builder()
        .stage(
            "hold",
            Settings::new().concurrency(1).irrevocable(),
            hold(&barrier),
        )
        .stage("last", Settings::new().in_order(), from_fn(same::<u32>))
        .workers(2)
        .build()
        .unwrap();
    let ticket = pipeline.submit(7).unwrap();
    barrier.wait_for(1);
    assert!(ticket.cancel(), "the stage may still listen");
    barrier.open();
    assert_eq!(ticket.wait().unwrap(), 7);
}

/// Whoever asks again and again learns of the deadline, too, and in one long wait as soon as it has passed.
#[test]
fn a_deadline_ends_waits_that_are_bounded() {
    let barrier = Barrier::default();
    let clock = ManualClock::new();
    let pipeline = Pipeline::builder()
        .stage("hold", Settings::new(), hold(&barrier))
        .clock(clock.clone())
        .workers(1)
        .build()
        .unwrap();
    let first = pipeline.submit(0).unwrap();
    barrier.wait_for(1);
    let short = Duration::from_millis(1);
    let ticket = pipeline.event(1).deadline(short).submit().unwrap();
    let ticket = ticket.wait_for(short).unwrap_err();
    clock.advance(short);
    let result = ticket.wait_for(short);
    let first = first.wait_for(short).unwrap_err();
    barrier.open();
    let result = result.expect("it has expired");
    assert!(matches!(kind(result), EventErrorKind::Expired));
    assert_eq!(first.wait().unwrap(), 0);
    assert_complete(pipeline.drain());
}
