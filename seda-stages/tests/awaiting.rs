//! Tickets and submission as futures, on no runtime in particular.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use seda_stages::{ManualClock, Pipeline, Refusal, Settings, from_fn};

use crate::tools::same;

/// Wakes a thread, and counts.
struct Unpark(Thread, AtomicUsize);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current(), AtomicUsize::new(0))));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => return result,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn tickets_and_submissions_can_be_awaited() {
    let pipeline = Pipeline::builder()
        .stage("same", Settings::new().queue(2), from_fn(same::<u32>))
        .workers(2)
        .build()
        .unwrap();
    block_on(async {
        let mut tickets = Vec::new();
        for event in 0..200 {
            tickets.push(pipeline.submit_async(event).await.unwrap());
        }
        for (event, ticket) in (0..).zip(tickets) {
            assert_eq!(ticket.await.unwrap(), event);
        }
    });
    pipeline.close();
    let refused = block_on(pipeline.submit_async(1)).unwrap_err();
    assert_eq!((refused.event, refused.reason), (1, Refusal::Closed));
}

#[test]
fn the_last_waker_is_called_once() {
    let pipeline = Pipeline::builder()
        .stage("same", Settings::new(), from_fn(same::<u32>))
        .stepped()
        .build()
        .unwrap();
    let mut ticket = pipeline.submit(7).unwrap();
    let wakers = [(); 2].map(|()| Arc::new(Unpark(thread::current(), AtomicUsize::new(0))));
    for unpark in &wakers {
        let waker = Waker::from(Arc::clone(unpark));
        let polled = Pin::new(&mut ticket).poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    }
    assert!(pipeline.step());
    let called = wakers.map(|unpark| unpark.1.load(Ordering::SeqCst));
    assert_eq!(called, [0, 1]);
    assert_eq!(block_on(ticket).unwrap(), 7);
}

#[test]
fn who_wants_to_submit_is_called_when_there_is_room() {
    let clock = ManualClock::new();
    let pipeline = Pipeline::builder()
        .stage("same", Settings::new().queue(1), from_fn(same::<u32>))
        .clock(clock.clone())
        .stepped()
        .build()
        .unwrap();
    let _first = pipeline.submit(0).unwrap();
    let unpark = Arc::new(Unpark(thread::current(), AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&unpark));
    let mut context = Context::from_waker(&waker);
    let mut second = pin!(pipeline.submit_async(1));
    assert!(second.as_mut().poll(&mut context).is_pending());
    assert!(pipeline.step());
    assert_eq!(unpark.1.load(Ordering::SeqCst), 1);
    assert!(matches!(second.poll(&mut context), Poll::Ready(Ok(_))));

    let mut late = pin!(
        pipeline
            .event(2)
            .deadline(Duration::from_secs(1))
            .submit_async()
    );
    assert!(late.as_mut().poll(&mut context).is_pending());
    clock.advance(Duration::from_secs(1));
    match late.poll(&mut context) {
        Poll::Ready(Err(refused)) => assert_eq!(refused.reason, Refusal::Expired),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_waker_that_panics_harms_nobody() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker");
        }
    }
    let pipeline = Pipeline::builder()
        .stage("same", Settings::new().queue(2), from_fn(same::<u32>))
        .inside(2)
        .stepped()
        .build()
        .unwrap();
    let mut ticket = pipeline.submit(1).unwrap();
    let waker = Waker::from(Arc::new(Panics));
    let polled = Pin::new(&mut ticket).poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    let other = pipeline.submit(2).unwrap();
    // So does that of one who waits for room.
    let mut wants_room = pin!(pipeline.submit_async(3));
    let polled = wants_room.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    assert_eq!(pipeline.drain().completed, 2);
    assert_eq!(ticket.wait().unwrap(), 1);
    assert_eq!(other.wait().unwrap(), 2);
}

#[test]
fn tickets_give_themselves_back() {
    let pipeline = Pipeline::builder()
        .stage("same", Settings::new(), from_fn(same::<u32>))
        .stepped()
        .build()
        .unwrap();
    let ticket = pipeline.submit(1).unwrap();
    let ticket = ticket.try_take().unwrap_err();
    let ticket = ticket.wait_for(Duration::from_millis(1)).unwrap_err();
    assert_eq!(ticket.number(), 0);
    assert!(pipeline.step());
    assert_eq!(ticket.try_take().unwrap().unwrap(), 1);
}

#[test]
fn who_gives_up_is_not_called_and_who_waits_learns_of_the_end() {
    let pipeline = Pipeline::builder()
        .stage("same", Settings::new().queue(1), from_fn(same::<u32>))
        .stepped()
        .build()
        .unwrap();
    let _first = pipeline.submit(0).unwrap();
    let unparks = [(); 2].map(|()| Arc::new(Unpark(thread::current(), AtomicUsize::new(0))));
    let wakers = unparks.clone().map(Waker::from);
    let mut context = wakers.each_ref().map(Context::from_waker);
    {
        let mut gives_up = pin!(pipeline.submit_async(1));
        assert!(gives_up.as_mut().poll(&mut context[0]).is_pending());
    }
    let mut waits = pin!(pipeline.submit_async(2));
    assert!(waits.as_mut().poll(&mut context[1]).is_pending());
    pipeline.close();
    let calls = unparks.map(|unpark| unpark.1.load(Ordering::SeqCst));
    assert_eq!(calls, [0, 1]);
    match waits.poll(&mut context[1]) {
        Poll::Ready(Err(refused)) => {
            assert_eq!((refused.event, refused.reason), (2, Refusal::Closed));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_crosses_threads_may() {
    fn shared<T: Send + Sync>(_: &T) {}
    fn sent<T: Send>(value: T) -> T {
        value
    }
    // Events and results that may be sent, but not shared.
    let pass = from_fn(|event: std::cell::Cell<u32>| Ok::<_, std::fmt::Error>(event));
    let builder = Pipeline::builder().stage("pass", Settings::new(), pass);
    let pipeline = builder.workers(1).build().unwrap();
    shared(&pipeline);
    let ticket = block_on(sent(pipeline.submit_async(1.into()))).unwrap();
    shared(&ticket);
    shared(&ticket.canceller());
    assert_eq!(block_on(sent(ticket)).unwrap().get(), 1);
    let refused = Refusal::Closed;
    shared(&refused);
}
