//! Pipelines with many threads on all sides, without a test harness around them: for `ThreadSanitizer`, which `loom-tests/tsan`
//! brings in, and as a test like any other.

use std::{process::ExitCode, thread, time::Duration};

use seda_stages::{
    EventErrorKind, Pipeline, QueueThreads, ResponseTarget, Settings, SmallestBatch, from_fn,
};

/// Events are on the heap, so that a race is seen.
type Event = Box<u64>;

fn pipeline() -> Pipeline<Event, Event> {
    let add = from_fn(|event: Event| Ok::<_, &str>(Box::new(*event + 1)));
    let picky = from_fn(|event: Event| {
        if event.is_multiple_of(7) {
            Err("seven")
        } else {
            Ok(event)
        }
    });
    let every = Duration::from_micros(50);
    Pipeline::builder()
        .stage(
            "add",
            Settings::new()
                .queue(8)
                .batch(SmallestBatch::up_to(4))
                .control_every(every),
            add,
        )
        .stage("picky", Settings::new().queue(4).order_restored(), picky)
        .stage(
            "own",
            Settings::new()
                .queue(4)
                .own_threads()
                .concurrency(QueueThreads::new(1, 3).threshold(2))
                .control_every(every),
            from_fn(Ok::<Event, &str>),
        )
        .stage(
            "ordered",
            Settings::new().queue(4).batch(3).in_order().irrevocable(),
            from_fn(Ok::<Event, &str>),
        )
        .stage("end", Settings::new().queue(4), from_fn(Ok::<Event, &str>))
        .workers(3)
        .admission(ResponseTarget::p99(Duration::from_millis(5)).expect("it is not zero"))
        .timeline(50)
        .build()
        .expect("there are threads")
}

/// What becomes of events, of which some are cancelled, some late, some not waited for.
fn submit(pipeline: &Pipeline<Event, Event>, events: u64) -> Result<u64, String> {
    let mut done = 0;
    for number in 0..events {
        let event = pipeline.event(Box::new(number));
        let event = if number.is_multiple_of(11) {
            event.deadline(Duration::from_micros(20))
        } else {
            event
        };
        let ticket = match number % 3 {
            0 => event.try_submit(),
            _ => event.submit(),
        };
        let Ok(ticket) = ticket else { continue };
        match number % 5 {
            0 => drop(ticket),
            1 => {
                ticket.cancel();
                drop(pipeline.snapshot());
            }
            _ => match ticket.wait() {
                Ok(event) if *event == number + 1 => done += 1,
                Err(error) if !matches!(error.kind(), EventErrorKind::Panicked(_)) => {}
                other => return Err(format!("{number}: {other:?}")),
            },
        }
    }
    Ok(done)
}

fn main() -> ExitCode {
    let mut failures = Vec::new();
    for round in 0..20 {
        let pipeline = pipeline();
        thread::scope(|scope| {
            let submitters: Vec<_> = (0..3)
                .map(|_| scope.spawn(|| submit(&pipeline, 200)))
                .collect();
            if round % 4 == 0 {
                scope.spawn(|| pipeline.cancel_all());
                scope.spawn(|| drop(pipeline.timeline()));
            }
            for submitter in submitters {
                failures.extend(submitter.join().expect("it does not panic").err());
            }
        });
        let summary = if round % 2 == 0 {
            pipeline.drain()
        } else {
            pipeline.abort()
        };
        if summary.accepted
            != summary.completed + summary.failed + summary.cancelled + summary.expired
        {
            failures.push(format!("{summary:?}"));
        }
    }
    for failure in &failures {
        eprintln!("{failure}");
    }
    ExitCode::from(u8::from(!failures.is_empty()))
}
