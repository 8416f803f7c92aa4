//! Overload, counted and not timed: results keep coming, what is inside stays bounded, nothing is lost, nothing comes twice.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use seda_stages::{
    Clock, EventErrorKind, ManualClock, Pipeline, Refusal, ResponseTarget, Settings, from_fn,
};

use crate::tools::{Barrier, Sure, assert_complete, same, slow};

/// Counts how many of its kind exist, and the most that ever did.
#[derive(Clone, Default)]
struct Census(Arc<(AtomicUsize, AtomicUsize)>);

struct Counted(u32, Census);

impl Census {
    fn event(&self, number: u32) -> Counted {
        let now = self.0.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.1.fetch_max(now, Ordering::SeqCst);
        Counted(number, self.clone())
    }

    fn alive(&self) -> usize {
        self.0.0.load(Ordering::SeqCst)
    }

    fn most(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// How many events the pipelines here hold at most, and how many are thrown at them.
const INSIDE: usize = 20;
const BURST: u32 = 100 * INSIDE as u32;

/// Throws bursts of a hundred times its capacity at a pipeline from several threads, and counts.
fn burst(pipeline: &Pipeline<Counted, u32>, census: &Census) {
    let (accepted, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let seen: Vec<AtomicUsize> = (0..BURST).map(|_| AtomicUsize::new(0)).collect();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (accepted, refused, seen) = (&accepted, &refused, &seen);
            scope.spawn(move || {
                let mut tickets = Vec::new();
                for number in (thread..BURST).step_by(4) {
                    match pipeline.try_submit(census.event(number)) {
                        Ok(ticket) => tickets.push((number, ticket)),
                        Err(back) => {
                            assert_eq!((back.event.0, back.reason), (number, Refusal::Full));
                            refused.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                }
                accepted.fetch_add(tickets.len(), Ordering::SeqCst);
                for (number, ticket) in tickets {
                    match ticket.wait() {
                        Ok(result) => {
                            assert_eq!(result, number);
                            seen[number as usize].fetch_add(1, Ordering::SeqCst);
                        }
                        Err(error) => assert!(number % 3 == 0, "{number}: {error}"),
                    }
                }
            });
        }
    });
    let accepted = accepted.into_inner() as u64;
    assert_eq!(accepted + refused.into_inner() as u64, u64::from(BURST));
    assert!(
        seen.iter().all(|count| count.load(Ordering::SeqCst) <= 1),
        "none comes twice"
    );
    let completed = seen
        .iter()
        .filter(|count| count.load(Ordering::SeqCst) == 1)
        .count() as u64;
    let summary = pipeline.drain();
    assert_complete(summary);
    assert_eq!((summary.accepted, summary.completed), (accepted, completed));
    assert_eq!(summary.failed, accepted - completed);
    assert!(
        accepted >= INSIDE as u64 / 2,
        "what there is room for gets in"
    );
    assert_eq!(census.alive(), 0, "none is left");
    // One in the hands of each thread that submits.
    assert!(census.most() <= INSIDE + 4, "{}", census.most());
}

fn settings() -> Settings {
    Settings::new().queue(INSIDE / 2).batch(4)
}

#[test]
fn bursts_are_refused_beyond_the_capacity() {
    let census = Census::default();
    let pipeline = Pipeline::builder()
        .stage("first", settings(), from_fn(same::<Counted>))
        .stage(
            "last",
            settings(),
            from_fn(|event: Counted| Sure::Ok(event.0)),
        )
        .workers(2)
        .inside(INSIDE)
        .build()
        .unwrap();
    burst(&pipeline, &census);
}

#[test]
fn slow_stages_hold_up_but_do_not_pile_up() {
    let census = Census::default();
    let slow = from_fn(|event: Counted| {
        for _ in 0..20 {
            std::thread::yield_now();
        }
        Sure::Ok(event)
    });
    let pipeline = Pipeline::builder()
        .stage(
            "first",
            settings().order_restored(),
            from_fn(same::<Counted>),
        )
        .stage("slow", settings().queue(2), slow)
        .stage(
            "last",
            settings().in_order(),
            from_fn(|event: Counted| Sure::Ok(event.0)),
        )
        .workers(3)
        .inside(INSIDE)
        .build()
        .unwrap();
    burst(&pipeline, &census);
}

#[test]
fn failing_stages_fail_their_events_alone() {
    let census = Census::default();
    let failing = from_fn(|event: Counted| match event.0 % 6 {
        0 => Err("a failure"),
        3 => panic!("a panic"),
        _ => Ok(event),
    });
    let pipeline = Pipeline::builder()
        .stage("first", settings(), from_fn(same::<Counted>))
        .stage("failing", settings(), failing)
        .stage(
            "last",
            settings().in_order(),
            from_fn(|event: Counted| Sure::Ok(event.0)),
        )
        .workers(3)
        .inside(INSIDE)
        .build()
        .unwrap();
    burst(&pipeline, &census);
}

/// The last stage stalls: everything before it fills up and then stands still, and goes on afterwards.
#[test]
fn a_stall_is_bounded_and_passes() {
    let (census, barrier) = (Census::default(), Barrier::default());
    let stalls = {
        let barrier = barrier.clone();
        from_fn(move |event: Counted| {
            barrier.pass();
            Sure::Ok(event.0)
        })
    };
    let pipeline = Pipeline::builder()
        .stage("first", settings(), from_fn(same::<Counted>))
        .stage("stalls", settings().own_threads(), stalls)
        .workers(2)
        .inside(INSIDE)
        .build()
        .unwrap();
    let mut tickets = Vec::new();
    while pipeline.snapshot().inside < INSIDE {
        if let Ok(ticket) = pipeline.try_submit(census.event(1)) {
            tickets.push(ticket);
        }
    }
    for _ in 0..BURST {
        let refused = pipeline.try_submit(census.event(1)).map(drop).unwrap_err();
        assert_eq!(refused.reason, Refusal::Full);
    }
    assert_eq!(tickets.len(), INSIDE);
    assert!(census.most() <= INSIDE + 1);
    barrier.open();
    for ticket in tickets {
        assert_eq!(ticket.wait().unwrap(), 1);
    }
    assert_complete(pipeline.drain());
    assert_eq!(census.alive(), 0);
}

/// The more is offered, the more is refused, and not the less handled: a step handles as many events at a hundred times the
/// load as at twice.
#[test]
fn goodput_saturates_and_does_not_collapse() {
    let goodput = |offered: u32| {
        let pipeline = Pipeline::builder()
            .stage("first", settings(), from_fn(same::<u32>))
            .stage("last", settings(), from_fn(same::<u32>))
            .stepped()
            .build()
            .unwrap();
        let deadline = Duration::from_hours(1);
        for _ in 0..500 {
            for event in 0..offered {
                drop(pipeline.event(event).deadline(deadline).try_submit());
            }
            assert!(pipeline.step());
        }
        pipeline.snapshot().completed
    };
    let (twice, hundredfold) = (goodput(4), goodput(200));
    // 500 steps, four events each, two stages; the last ones are inside.
    assert!(twice >= 900, "{twice}");
    assert!(hundredfold >= twice - 10, "{twice} {hundredfold}");
}

/// Aborted in the middle of a storm of submissions, cancellations and panics.
#[test]
fn a_storm_is_accounted_for() {
    for round in 0..20 {
        let census = Census::default();
        let failing = from_fn(|event: Counted| match event.0 % 50 {
            0 => Err("a failure"),
            1 => panic!("a panic"),
            _ => Ok(event),
        });
        let pipeline = Pipeline::builder()
            .stage("first", settings(), failing)
            .stage(
                "second",
                settings().order_restored(),
                from_fn(same::<Counted>),
            )
            .stage(
                "last",
                settings().in_order(),
                from_fn(|event: Counted| Sure::Ok(event.0)),
            )
            .workers(2)
            .build()
            .unwrap();
        let decided: [AtomicUsize; 3] = Default::default();
        let accepted = AtomicUsize::new(0);
        let summary = std::thread::scope(|scope| {
            for thread in 0..3_u32 {
                let (pipeline, census, decided, accepted) =
                    (&pipeline, &census, &decided, &accepted);
                scope.spawn(move || {
                    for number in 0.. {
                        let Ok(ticket) = pipeline.submit(census.event(number)) else {
                            return;
                        };
                        accepted.fetch_add(1, Ordering::SeqCst);
                        if number % 7 == thread {
                            ticket.cancel();
                        }
                        if number % 64 == 63 && thread == 0 {
                            pipeline.cancel_all();
                        }
                        let place = match ticket.wait() {
                            Ok(_) => 0,
                            Err(error) => match error.kind() {
                                EventErrorKind::Cancelled => 1,
                                _ => 2,
                            },
                        };
                        decided[place].fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            while accepted.load(Ordering::SeqCst) < 300 {
                std::thread::yield_now();
            }
            if round % 2 == 0 {
                pipeline.abort()
            } else {
                pipeline.drain()
            }
        });
        assert_complete(summary);
        let decided = decided.map(|count| count.into_inner() as u64);
        assert_eq!(
            decided,
            [summary.completed, summary.cancelled, summary.failed]
        );
        assert_eq!(summary.accepted, accepted.into_inner() as u64);
        drop(pipeline);
        assert_eq!(census.alive(), 0);
    }
}

/// How many events end in time out of three a millisecond, where each takes one millisecond of the only server, and is worthless after
/// a hundred. What waits too long is found out for nothing; but at the second stage, after the work, it is too late.
fn in_time(admission: Option<ResponseTarget>) -> u64 {
    let (clock, millisecond) = (ManualClock::new(), Duration::from_millis(1));
    let mut builder = Pipeline::builder()
        .stage(
            "work",
            Settings::new().queue(1_000),
            slow(&clock, millisecond),
        )
        .stage("tell", Settings::new(), from_fn(same::<u32>))
        .clock(clock.clone())
        .stepped();
    if let Some(admission) = admission {
        builder = builder.admission(admission);
    }
    let pipeline = builder.build().unwrap();
    let deadline = 100 * millisecond;
    let mut arrived = Duration::ZERO;
    while clock.now() < 10_000 * millisecond {
        while arrived <= clock.now() {
            for event in 0..3 {
                drop(pipeline.event(event).deadline(deadline).try_submit());
            }
            arrived += millisecond;
        }
        if !pipeline.step() {
            clock.advance(arrived.saturating_sub(clock.now()));
        }
    }
    pipeline.snapshot().completed
}

/// Work in vain is what makes goodput collapse, and refusing in time is what saves it.
#[test]
fn admission_keeps_goodput_from_collapsing() {
    let without = in_time(None);
    assert!(
        without < 500,
        "{without}: the load is too low to show anything"
    );
    let target = ResponseTarget::new(Duration::from_millis(50)).unwrap();
    let with = in_time(Some(target));
    assert!(with > 9_500, "{with}");
}
