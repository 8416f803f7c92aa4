//! Controllers, in pipelines whose clock the test moves.

use std::{
    collections::VecDeque,
    future::Future,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use seda_stages::{
    Admission, AdmissionSample, Clock, Controller, Knob, ManualClock, Pipeline, QueueThreads,
    Refusal, ResponseTarget, Settings, SmallestBatch, StageSample, from_fn,
};

use crate::tools::{Barrier, Sure, assert_complete, hold, same, slow};

/// Remembers what it is shown, and says what it is told to say.
#[derive(Clone, Default)]
struct Says(Arc<Mutex<(usize, Vec<StageSample>)>>);

impl Controller for Says {
    fn adjust(&mut self, sample: &StageSample) -> usize {
        let (answer, samples) = &mut *self.0.lock().unwrap();
        samples.push(sample.clone());
        assert!(*answer < 100, "too much");
        *answer
    }
}

#[test]
fn controllers_see_what_a_stage_did_and_set_its_numbers() {
    let clock = ManualClock::new();
    let (batch, concurrency) = (Says::default(), Says::default());
    batch.0.lock().unwrap().0 = 5;
    concurrency.0.lock().unwrap().0 = 3;
    let settings = Settings::new()
        .batch(Knob::controlled(2, batch.clone()))
        .concurrency(Knob::controlled(1, concurrency.clone()))
        .control_every(Duration::from_millis(35));
    let pipeline = Pipeline::builder()
        .stage("slow", settings, slow(&clock, Duration::from_millis(10)))
        .clock(clock)
        .stepped()
        .build()
        .unwrap();
    for event in 0..10 {
        drop(pipeline.submit(event).unwrap());
    }
    assert!(pipeline.step());
    assert!(batch.0.lock().unwrap().1.is_empty(), "it is not time");
    assert!(pipeline.step());
    let sample = batch.0.lock().unwrap().1[0].clone();
    assert_eq!(sample.elapsed, Duration::from_millis(40));
    assert_eq!(sample.busy, Duration::from_millis(40));
    assert_eq!((sample.events, sample.batches), (4, 2));
    assert_eq!((sample.queue_length, sample.batch), (6, 2));
    assert_eq!(concurrency.0.lock().unwrap().1.len(), 1);
    let stage = &pipeline.snapshot().stages[0];
    assert_eq!((stage.batch, stage.concurrency), (5, 3));
    // A controller that panics is not asked again.
    batch.0.lock().unwrap().0 = 100;
    while pipeline.step() {}
    assert_eq!(pipeline.snapshot().stages[0].batch, 5);
    assert_complete(pipeline.drain());
}

#[test]
fn batches_shrink_in_a_running_stage() {
    let clock = ManualClock::new();
    let settings = Settings::new().queue(1000).batch(SmallestBatch::up_to(32));
    let pipeline = Pipeline::builder()
        .stage("slow", settings, slow(&clock, Duration::from_millis(1)))
        .clock(clock)
        .stepped()
        .build()
        .unwrap();
    for event in 0..20_000 {
        drop(pipeline.submit(event).unwrap());
    }
    assert_eq!(pipeline.snapshot().stages[0].batch, 1);
    assert_complete(pipeline.drain());
}

/// Threads are added although no handler of the stage ever ends, while somebody else submits or sleeps.
#[test]
fn a_stalled_stage_gets_more_threads() {
    let barrier = Barrier::default();
    let every = Duration::from_millis(1);
    let settings = Settings::new()
        .own_threads()
        .concurrency(QueueThreads::new(1, 4).threshold(2))
        .control_every(every);
    let pipeline = Pipeline::builder()
        .stage("same", Settings::new(), from_fn(same::<u32>))
        .stage("hold", settings, hold(&barrier))
        .workers(1)
        .build()
        .unwrap();
    for event in 0..20 {
        drop(pipeline.submit(event).unwrap());
    }
    barrier.wait_for(4);
    assert_eq!(pipeline.snapshot().stages[1].concurrency, 4);
    barrier.open();
    assert_eq!(pipeline.drain().completed, 20);
}

/// Arrivals at three times what one server can do, which never idles: the response times in milliseconds, in ascending order.
fn overloaded(admission: ResponseTarget, service: fn(u32) -> Duration) -> Vec<u128> {
    const ROUNDS: u32 = 20_000;
    let clock = ManualClock::new();
    let (time, mut handled) = (clock.clone(), 0..);
    let serve = from_fn(move |event: u32| {
        time.advance(handled.next().map_or(Duration::ZERO, service));
        Sure::Ok(event)
    });
    let pipeline = Pipeline::builder()
        .stage("slow", Settings::new().queue(1000), serve)
        .admission(admission)
        .clock(clock.clone())
        .stepped()
        .build()
        .unwrap();
    let mut responses = Vec::new();
    let (mut inside, mut refused) = (VecDeque::new(), 0);
    for _ in 0..ROUNDS {
        for event in 0..3 {
            match pipeline.try_submit(event) {
                Ok(ticket) => inside.push_back((clock.now(), ticket)),
                Err(error) => {
                    assert!(matches!(error.reason, Refusal::Full | Refusal::Overloaded));
                    refused += 1;
                }
            }
        }
        assert!(pipeline.step(), "there is always something to do");
        let (submitted, ticket) = inside.pop_front().unwrap();
        ticket.try_take().unwrap().unwrap();
        let response = clock.now().saturating_sub(submitted);
        responses.push(response.as_millis());
    }
    responses.sort_unstable();
    let snapshot = pipeline.snapshot();
    assert_eq!(snapshot.completed, u64::from(ROUNDS));
    assert_eq!(snapshot.refused.full + snapshot.refused.overloaded, refused);
    assert!(snapshot.refused.overloaded > 30_000);
    responses
}

fn percentile(responses: &[u128], share: usize) -> u128 {
    responses[responses.len() * share / 100]
}

#[test]
fn admission_keeps_the_response_time_and_the_throughput() {
    let target = ResponseTarget::new(Duration::from_millis(50)).unwrap();
    let responses = overloaded(target, |_| Duration::from_millis(1));
    let [p90, p99] = [90, 99].map(|share| percentile(&responses, share));
    assert!((25..=55).contains(&p90) && p99 <= 60, "{p90} {p99} ms");
}

/// Now and then, handlers take twice as long for some time: events that are inside by then are within the target too.
#[test]
fn admission_leaves_room_for_times_that_are_slow() {
    let target = ResponseTarget::p99(Duration::from_millis(50)).unwrap();
    let responses = overloaded(target, |handled| {
        Duration::from_millis(if handled % 1_000 < 900 { 1 } else { 2 })
    });
    let [p50, p99] = [50, 99].map(|share| percentile(&responses, share));
    assert!(
        (10..=25).contains(&p50) && (25..=50).contains(&p99),
        "{p50} {p99} ms"
    );
}

#[test]
fn your_own_admission_counts() {
    struct Two;
    impl Admission for Two {
        fn adjust(&mut self, sample: &AdmissionSample) -> usize {
            assert!(sample.finished >= 100);
            2
        }
    }
    let pipeline = Pipeline::builder()
        .stage("same", Settings::new(), from_fn(same::<u32>))
        .admission(Two)
        .inside(100)
        .stepped()
        .build()
        .unwrap();
    for event in 0..200 {
        drop(pipeline.submit(event).unwrap());
    }
    while pipeline.step() {}
    assert_eq!(pipeline.snapshot().allowed, 2);
    let tickets = [(); 2].map(|()| pipeline.try_submit(0).unwrap());
    let refused = pipeline.try_submit(0).unwrap_err();
    assert_eq!(refused.reason, Refusal::Overloaded);
    drop(tickets);
}

/// Handlers that take longer than the time between two samples are at work in all of it.
#[test]
fn handlers_that_take_long_are_not_taken_away() {
    let (barrier, clock) = (Barrier::default(), ManualClock::new());
    let second = Duration::from_secs(1);
    let settings = Settings::new()
        .own_threads()
        .concurrency(Knob::controlled(4, QueueThreads::new(1, 4).idle(second)))
        .control_every(second);
    let pipeline = Pipeline::builder()
        .stage("hold", settings, hold(&barrier))
        .clock(clock.clone())
        .build()
        .unwrap();
    for event in 0..4 {
        drop(pipeline.submit(event).unwrap());
    }
    barrier.wait_for(4);
    let concurrency = [4, 5, 6, 7].map(|event| {
        clock.advance(2 * second);
        // Whoever submits asks the controller.
        drop(pipeline.submit(event).unwrap());
        pipeline.snapshot().stages[0].concurrency
    });
    barrier.open();
    assert_eq!(concurrency, [4; 4]);
    assert_eq!(pipeline.drain().completed, 8);
}

/// Many wait for room, so each waits long before it is let in. That is not a response time: fewer inside would not help.
#[test]
fn waiting_for_room_does_not_close_the_window() {
    let (clock, service) = (ManualClock::new(), Duration::from_millis(1));
    let target = ResponseTarget::new(Duration::from_millis(50)).unwrap();
    let pipeline = Pipeline::builder()
        .stage("slow", Settings::new().queue(1000), slow(&clock, service))
        .admission(target)
        .clock(clock)
        .stepped()
        .build()
        .unwrap();
    let mut context = Context::from_waker(Waker::noop());
    let mut callers: VecDeque<_> = (0..120)
        .map(|event| Box::pin(pipeline.submit_async(event)))
        .collect();
    for event in 0..1_500 {
        // The one that has waited longest comes first.
        while let Some(caller) = callers.front_mut() {
            let Poll::Ready(ticket) = caller.as_mut().poll(&mut context) else {
                break;
            };
            drop(ticket.unwrap());
            callers.pop_front();
            callers.push_back(Box::pin(pipeline.submit_async(event)));
        }
        // All the others have asked before.
        for caller in &mut callers {
            assert!(caller.as_mut().poll(&mut context).is_pending());
        }
        assert!(pipeline.step());
    }
    let snapshot = pipeline.snapshot();
    assert!(
        (25..=60).contains(&snapshot.allowed),
        "{}",
        snapshot.allowed
    );
    let longest = Duration::from_nanos(snapshot.response.quantile(1.0));
    assert!(longest <= 60 * service, "{longest:?}");
}
