//! A whole pipeline of `seda-stages`, with a few events: in every interleaving each is answered once, and rightly.
#![cfg(pleach_loom)]

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use seda_stages::{EventErrorKind, Pipeline, Settings, from_fn};

fn explore(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(model);
}

fn same(event: u32) -> Result<u32, Infallible> {
    Ok(event)
}

fn pipeline(workers: usize) -> Pipeline<u32, u32> {
    let seen = Arc::new(Mutex::new(None));
    let in_order = from_fn(move |event: u32| {
        let before = seen.lock().expect("nobody panics").replace(event);
        assert!(before < Some(event), "in order");
        same(event)
    });
    Pipeline::builder()
        .stage("any", Settings::new().queue(2), from_fn(same))
        .stage("strict", Settings::new().queue(1).in_order(), in_order)
        .workers(workers)
        .build()
        .expect("there are threads")
}

#[test]
fn results_come_in_order_and_all_of_them() {
    explore(3, || {
        let pipeline = pipeline(2);
        let tickets = [1, 2].map(|event| pipeline.submit(event).expect("it is open"));
        for (event, ticket) in [1, 2].into_iter().zip(tickets) {
            assert_eq!(ticket.wait().expect("nothing fails"), event);
        }
        assert_eq!(pipeline.drain().completed, 2);
    });
}

/// One event is cancelled while it goes through: it has a result, or was cancelled, and the other one has a result.
#[test]
fn cancellation_of_one() {
    explore(3, || {
        let pipeline = pipeline(1);
        let first = pipeline.submit(1).expect("it is open");
        let second = pipeline.submit(2).expect("it is open");
        let is_in_time = first.cancel();
        match first.wait() {
            Ok(event) => assert_eq!(event, 1),
            Err(error) => {
                assert!(is_in_time);
                assert!(matches!(error.kind(), EventErrorKind::Cancelled));
            }
        }
        assert_eq!(second.wait().expect("nothing fails"), 2);
        let summary = pipeline.drain();
        assert_eq!(summary.completed + summary.cancelled, 2);
    });
}

/// Aborted at any moment: every ticket is answered, and the books are right.
#[test]
fn abort_accounts_for_everything() {
    explore(3, || {
        let pipeline = pipeline(1);
        let tickets = [1, 2].map(|event| pipeline.submit(event).expect("it is open"));
        let summary = pipeline.abort();
        assert_eq!(summary.completed + summary.cancelled, 2);
        for ticket in tickets {
            assert!(ticket.is_done());
        }
    });
}

/// Results of side-by-side handlers leave in order, each told before the next.
#[test]
fn restored_order_is_told_in_order() {
    explore(3, || {
        let pipeline = Pipeline::builder()
            .stage(
                "restored",
                Settings::new().queue(2).order_restored(),
                from_fn(same),
            )
            .workers(2)
            .build()
            .expect("there are threads");
        let first = pipeline.submit(1).expect("it is open");
        let second = pipeline.submit(2).expect("it is open");
        assert_eq!(second.wait().expect("nothing fails"), 2);
        assert!(first.is_done(), "the first is told before the second");
        assert_eq!(pipeline.drain().completed, 2);
    });
}
