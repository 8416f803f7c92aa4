//! Random pipelines under random use, stepped and on threads: every event is answered, order holds, nothing hangs.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use seda_stages::{EventErrorKind, Order, Pipeline, Settings, from_fn};

use crate::tools::assert_complete;

#[derive(Clone, Debug)]
struct Shape {
    orders: [Order; 3],
    queues: [usize; 3],
    batches: [usize; 3],
    concurrency: [usize; 3],
    own: [bool; 3],
    inside: Option<usize>,
    /// None for a pipeline that is stepped.
    workers: Option<usize>,
    /// What becomes of each event: which stage fails it, or panics at it, and whether it is cancelled.
    events: Vec<(u8, bool)>,
}

fn shapes() -> impl Strategy<Value = Shape> {
    let order = prop_oneof![Just(Order::Any), Just(Order::Restored), Just(Order::Strict)];
    let numbers = || [1..4_usize, 1..4_usize, 1..4_usize];
    (
        [order.clone(), order.clone(), order],
        numbers(),
        numbers(),
        numbers(),
        any::<[bool; 3]>(),
        prop::option::of(1..6_usize),
        prop::option::of(1..4_usize),
        prop::collection::vec((0..12_u8, prop::bool::weighted(0.1)), 1..40),
    )
        .prop_map(
            |(orders, queues, batches, concurrency, own, inside, workers, events)| Shape {
                orders,
                queues,
                batches,
                concurrency,
                own,
                inside,
                workers,
                events,
            },
        )
}

fn check(shape: &Shape) {
    let seen: [Arc<Mutex<Vec<usize>>>; 3] = Default::default();
    let settings = |stage: usize| {
        let settings = Settings::new()
            .queue(shape.queues[stage])
            .batch(shape.batches[stage])
            .concurrency(shape.concurrency[stage])
            .order(shape.orders[stage]);
        if shape.own[stage] {
            settings.own_threads()
        } else {
            settings
        }
    };
    let handler = |stage: usize| {
        let seen = Arc::clone(&seen[stage]);
        from_fn(move |(number, fate): (usize, u8)| {
            seen.lock().unwrap().push(number);
            match usize::from(fate) {
                fails if fails == stage => Err("a failure"),
                panics if panics == stage + 3 => panic!("a panic"),
                _ => Ok((number, fate)),
            }
        })
    };
    let mut builder = Pipeline::builder()
        .stage("0", settings(0), handler(0))
        .stage("1", settings(1), handler(1))
        .stage("2", settings(2), handler(2));
    if let Some(inside) = shape.inside {
        builder = builder.inside(inside);
    }
    let builder = match shape.workers {
        Some(workers) => builder.workers(workers),
        None => builder.stepped(),
    };
    let pipeline = builder.build().unwrap();
    let mut tickets = Vec::new();
    for (number, (fate, is_cancelled)) in shape.events.iter().enumerate() {
        let ticket = pipeline.submit((number, *fate)).unwrap();
        if *is_cancelled {
            ticket.cancel();
        }
        tickets.push(ticket);
    }
    let summary = pipeline.drain();
    assert_complete(summary);
    assert_eq!(summary.accepted, shape.events.len() as u64);
    for (ticket, (number, (fate, is_cancelled))) in
        tickets.into_iter().zip(shape.events.iter().enumerate())
    {
        let result = ticket.try_take().expect("it is answered");
        match result {
            Ok(event) => assert!(event == (number, *fate) && *fate >= 6),
            Err(error) => match error.kind() {
                EventErrorKind::Cancelled => assert!(is_cancelled),
                EventErrorKind::Failed(_) => assert_eq!(error.stage(), Some(&*fate.to_string())),
                EventErrorKind::Panicked(_) => {
                    assert_eq!(error.stage(), Some(&*(fate - 3).to_string()));
                }
                other => panic!("{other}"),
            },
        }
    }
    for (stage, seen) in seen.iter().enumerate() {
        let mut seen = seen.lock().unwrap().clone();
        if shape.orders[stage] == Order::Strict {
            assert!(seen.is_sorted(), "stage {stage}: {seen:?}");
        }
        let all = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), all, "no stage sees an event twice");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_event_of_every_pipeline_is_answered(shape in shapes()) {
        check(&shape);
    }
}
