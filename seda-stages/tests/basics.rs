//! Events go in, results come out: order, bounds, sharing, ending.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use seda_stages::{Batch, BuildError, ManualClock, Pipeline, Refusal, Settings, Stage, from_fn};

use crate::tools::{Barrier, Sure, assert_complete, hold, same};

#[test]
fn types_change_from_stage_to_stage() {
    let pipeline = Pipeline::builder()
        .stage(
            "length",
            Settings::new(),
            from_fn(|text: &str| Sure::Ok(text.len())),
        )
        .stage(
            "text",
            Settings::new(),
            from_fn(|length: usize| Sure::Ok(format!("<{length}>"))),
        )
        .workers(2)
        .build()
        .unwrap();
    let tickets: Vec<_> = ["a", "bb", "ccc"]
        .map(|text| pipeline.submit(text).unwrap())
        .into();
    let results: Vec<_> = tickets
        .into_iter()
        .map(|ticket| ticket.wait().unwrap())
        .collect();
    assert_eq!(results, ["<1>", "<2>", "<3>"]);
    let summary = pipeline.drain();
    assert_eq!((summary.accepted, summary.completed), (3, 3));
}

/// Results are told in the order of submission, and a strict stage sees events in it, whatever happens before.
#[test]
fn order_is_kept_where_it_is_asked_for() {
    for workers in [1, 2, 4] {
        for batch in [1, 3] {
            let seen = Arc::new(Mutex::new(Vec::new()));
            let note = {
                let seen = Arc::clone(&seen);
                from_fn(move |number: u64| {
                    seen.lock().unwrap().push(number);
                    Sure::Ok(number)
                })
            };
            let uneven = from_fn(|number: u64| {
                for _ in 0..(number * 7919) % 13 {
                    std::thread::yield_now();
                }
                if number % 5 == 3 {
                    Err("every fifth")
                } else {
                    Ok(number)
                }
            });
            let settings = || Settings::new().queue(4).batch(batch);
            let pipeline = Pipeline::builder()
                .stage("uneven", settings(), uneven.clone())
                .stage("again", settings(), uneven)
                .stage("strict", settings().in_order(), note)
                .workers(workers)
                .build()
                .unwrap();
            for number in 0..300 {
                drop(pipeline.submit(number).unwrap());
            }
            let summary = pipeline.drain();
            assert_complete(summary);
            assert_eq!(summary.failed, 60);
            let expected: Vec<_> = (0..300).filter(|number| number % 5 != 3).collect();
            assert_eq!(*seen.lock().unwrap(), expected);
        }
    }
}

#[test]
fn restored_order_holds_for_tickets_and_for_the_next_stage() {
    // Stepped, so that what happens when is the test's to say: a slow first event is a queue that is served last.
    let told = Arc::new(Mutex::new(Vec::new()));
    let barrier = Barrier::default();
    let slow_first = {
        let barrier = barrier.clone();
        from_fn(move |number: u64| {
            if number == 0 {
                barrier.pass();
            }
            Sure::Ok(number)
        })
    };
    let pipeline = Pipeline::builder()
        .stage("slow first", Settings::new().order_restored(), slow_first)
        .workers(3)
        .build()
        .unwrap();
    let tickets: Vec<_> = (0..20)
        .map(|number| pipeline.submit(number).unwrap())
        .collect();
    while pipeline.snapshot().early < 19 {
        std::thread::yield_now();
    }
    assert!(tickets.iter().all(|ticket| !ticket.is_done()));
    barrier.open();
    for ticket in tickets {
        told.lock().unwrap().push(ticket.wait().unwrap());
    }
    assert_eq!(*told.lock().unwrap(), (0..20).collect::<Vec<_>>());
}

/// Late stages come first, and a stage stops when the next one's queue is full.
#[test]
fn work_in_hand_is_finished_before_more_is_begun() {
    let steps = Arc::new(Mutex::new(String::new()));
    let note = |name: char| {
        let steps = Arc::clone(&steps);
        from_fn(move |event: u32| {
            steps.lock().unwrap().push(name);
            Sure::Ok(event)
        })
    };
    let pipeline = Pipeline::builder()
        .stage("a", Settings::new(), note('a'))
        .stage("b", Settings::new().queue(2), note('b'))
        .stage("c", Settings::new(), note('c'))
        .stepped()
        .build()
        .unwrap();
    for event in 0..3 {
        drop(pipeline.submit(event).unwrap());
    }
    while pipeline.step() {}
    assert_eq!(*steps.lock().unwrap(), "abcabcabc");
    assert!(!pipeline.step());
}

#[test]
fn a_full_pipeline_gives_the_event_back() {
    let barrier = Barrier::default();
    let held = {
        let barrier = barrier.clone();
        from_fn(move |event: Box<u32>| {
            barrier.pass();
            Sure::Ok(*event)
        })
    };
    let pipeline = Pipeline::builder()
        .stage("held", Settings::new().queue(2), held)
        .workers(1)
        .inside(3)
        .build()
        .unwrap();
    let first = pipeline.submit(Box::new(0)).unwrap();
    barrier.wait_for(1);
    let _second = pipeline.try_submit(Box::new(1)).unwrap();
    let refused = loop {
        // One or two find room, depending on how many are allowed inside.
        match pipeline.try_submit(Box::new(2)) {
            Ok(ticket) => drop(ticket),
            Err(refused) => break refused,
        }
    };
    assert_eq!((*refused.event, refused.reason), (2, Refusal::Full));
    assert_eq!(pipeline.snapshot().refused.full, 1);
    barrier.open();
    // Whoever is told of a result finds room for the next event.
    assert_eq!(first.wait().unwrap(), 0);
    let summary = pipeline.drain();
    assert_complete(summary);
    let refused = pipeline.try_submit(Box::new(3)).unwrap_err();
    assert_eq!((*refused.event, refused.reason), (3, Refusal::Closed));
    let refused = pipeline.submit(Box::new(4)).unwrap_err();
    assert_eq!(refused.reason, Refusal::Closed);
}

#[test]
fn who_was_told_finds_room() {
    let pipeline = Pipeline::builder()
        .stage("same", Settings::new().queue(1), from_fn(same::<u32>))
        .workers(2)
        .inside(1)
        .build()
        .unwrap();
    for event in 0..500 {
        let ticket = pipeline.try_submit(event).expect("there is room");
        assert_eq!(ticket.wait().unwrap(), event);
    }
}

/// Counts how many run at a time.
#[derive(Clone, Default)]
struct Gauge(Arc<(AtomicUsize, AtomicUsize)>);

impl Gauge {
    fn run(&self) {
        let now = self.0.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.1.fetch_max(now, Ordering::SeqCst);
        std::thread::yield_now();
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn no_more_handlers_run_than_are_allowed() {
    let gauges = [Gauge::default(), Gauge::default(), Gauge::default()];
    let count = |gauge: &Gauge| {
        let gauge = gauge.clone();
        from_fn(move |event: u32| {
            gauge.run();
            Sure::Ok(event)
        })
    };
    let pipeline = Pipeline::builder()
        .stage("two", Settings::new().concurrency(2), count(&gauges[0]))
        .stage(
            "strict",
            Settings::new().in_order().concurrency(7),
            count(&gauges[1]),
        )
        .stage(
            "own",
            Settings::new().own_threads().concurrency(3),
            count(&gauges[2]),
        )
        .workers(6)
        .build()
        .unwrap();
    for event in 0..500 {
        drop(pipeline.submit(event).unwrap());
    }
    assert_eq!(pipeline.drain().completed, 500);
    let most = gauges.map(|gauge| gauge.0.1.load(Ordering::SeqCst));
    assert!(most[0] <= 2 && most[1] == 1 && most[2] <= 3, "{most:?}");
}

/// A stage that blocks on its own threads keeps nobody else from working.
#[test]
fn own_threads_leave_the_pool_alone() {
    let barrier = Barrier::default();
    let seen = Arc::new(AtomicUsize::new(0));
    let count = {
        let seen = Arc::clone(&seen);
        from_fn(move |event: u32| {
            seen.fetch_add(1, Ordering::SeqCst);
            Sure::Ok(event)
        })
    };
    let pipeline = Pipeline::builder()
        .stage("count", Settings::new(), count)
        .stage(
            "held",
            Settings::new().own_threads().concurrency(2),
            hold(&barrier),
        )
        .workers(1)
        .build()
        .unwrap();
    for event in 0..10 {
        drop(pipeline.submit(event).unwrap());
    }
    barrier.wait_for(2);
    while seen.load(Ordering::SeqCst) < 10 {
        std::thread::yield_now();
    }
    barrier.open();
    assert_eq!(pipeline.drain().completed, 10);
}

/// Sees its batches whole.
struct Sizes(Arc<Mutex<Vec<usize>>>);

impl Stage for Sizes {
    type In = u32;
    type Out = u32;
    type Error = std::convert::Infallible;

    fn handle(&mut self, event: u32) -> Sure<u32> {
        Ok(event)
    }

    fn handle_batch(&mut self, batch: &mut Batch<u32, u32, Self::Error>) {
        self.0.lock().unwrap().push(batch.len());
        let mut events = Vec::new();
        while let Some(event) = batch.take() {
            events.push(event);
        }
        assert!(batch.is_empty());
        for event in events {
            batch.answer(Ok(event));
        }
    }
}

#[test]
fn batches_are_as_large_as_they_may_be() {
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let make = {
        let sizes = Arc::clone(&sizes);
        move || Sizes(Arc::clone(&sizes))
    };
    let pipeline = Pipeline::builder()
        .stage("sizes", Settings::new().batch(4), make)
        .stepped()
        .build()
        .unwrap();
    let tickets: Vec<_> = (0..10)
        .map(|event| pipeline.submit(event).unwrap())
        .collect();
    while pipeline.step() {}
    assert_eq!(*sizes.lock().unwrap(), [4, 4, 2]);
    let results = tickets.into_iter().map(|ticket| ticket.wait().unwrap());
    assert_eq!(results.collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    let stage = &pipeline.snapshot().stages[0];
    assert_eq!(
        (stage.work.batches.count(), stage.work.batches.sum()),
        (3, 10)
    );
}

#[test]
fn a_stepped_pipeline_makes_room_for_itself() {
    let pipeline = Pipeline::builder()
        .stage("same", Settings::new().queue(2), from_fn(same::<u32>))
        .stage("again", Settings::new().queue(1), from_fn(same::<u32>))
        .clock(ManualClock::new())
        .stepped()
        .build()
        .unwrap();
    for event in 0..100 {
        drop(pipeline.submit(event).unwrap());
    }
    assert_eq!(pipeline.drain().completed, 100);
}

#[test]
fn what_cannot_be_built_says_why() {
    let stage = || from_fn(same::<u32>);
    let built = Pipeline::<u32, u32>::builder().build();
    assert!(matches!(built, Err(BuildError::NoStage)));
    let twice = Pipeline::builder().stage("a", Settings::new(), stage());
    let built = twice.stage("a", Settings::new(), stage()).build();
    assert!(matches!(built, Err(BuildError::NameTwice(name)) if name == "a"));
    for settings in [
        Settings::new().queue(0),
        Settings::new().batch(0),
        Settings::new().concurrency(0),
    ] {
        let built = Pipeline::builder().stage("a", settings, stage()).build();
        assert!(matches!(built, Err(BuildError::Zero { of, .. }) if of == "a"));
    }
    let builder = || Pipeline::builder().stage("a", Settings::new(), stage());
    assert!(matches!(
        builder().inside(0).build(),
        Err(BuildError::Zero { .. })
    ));
    assert!(matches!(
        builder().workers(0).build(),
        Err(BuildError::NoWorker)
    ));
    let own = Settings::new().own_threads();
    let alone = Pipeline::builder()
        .stage("a", own, stage())
        .workers(0)
        .build();
    assert_eq!(alone.unwrap().submit(1).unwrap().wait().unwrap(), 1);
}

#[test]
fn several_pipelines_live_side_by_side() {
    let pipelines: Vec<_> = (0..4)
        .map(|_| {
            let builder = Pipeline::builder().stage("same", Settings::new(), from_fn(same::<u32>));
            builder.workers(1).build().unwrap()
        })
        .collect();
    for event in 0..50 {
        for pipeline in &pipelines {
            drop(pipeline.submit(event).unwrap());
        }
    }
    for pipeline in pipelines {
        assert_eq!(pipeline.drain().completed, 50);
        assert_eq!(pipeline.drain().completed, 50, "draining twice is no harm");
    }
}
