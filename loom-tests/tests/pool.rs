//! `src/protocol/pool.rs`: a job is over when `run` returns, whoever helped, and threads end with the pool.
#![cfg(pleach_loom)]

use loom::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
use pleach::protocol::{handoff::Handoff, pool::Pool};

#[test]
fn nobody_runs_a_job_that_is_over() {
    loom::model(|| {
        let pool = Pool::new(1, |_| {}).expect("there are threads");
        let calls = AtomicUsize::new(0);
        let value: Handoff<u32> = Handoff::new();
        pool.run(1, &|| {
            calls.fetch_add(1, Ordering::Relaxed);
            // SAFETY: Nobody fills it as long as the job runs; loom watches.
            assert_eq!(unsafe { value.get() }, None);
        });
        // SAFETY: The job is over; loom fails if somebody still looks.
        unsafe { value.fill(1) };
        let calls = calls.load(Ordering::Relaxed);
        assert!((1..=2).contains(&calls), "{calls}");
    });
}

#[test]
fn threads_are_kept_from_job_to_job() {
    loom::model(|| {
        let pool = Pool::new(1, |_| {}).expect("there are threads");
        for _ in 0..2 {
            let calls = AtomicUsize::new(0);
            pool.run(1, &|| {
                calls.fetch_add(1, Ordering::Relaxed);
            });
            assert!(calls.load(Ordering::Relaxed) >= 1);
        }
    });
}

#[test]
fn who_is_roused_finds_the_job_or_sleeps_on() {
    loom::model(|| {
        let pool = Pool::new(1, |_| {}).expect("there are threads");
        pool.rouse(1);
        let calls = AtomicUsize::new(0);
        pool.run(1, &|| {
            calls.fetch_add(1, Ordering::Relaxed);
        });
        assert!(calls.load(Ordering::Relaxed) >= 1);
        // And no job comes.
        pool.rouse(1);
    });
}

#[test]
fn two_jobs_at_a_time_do_not_wait_for_each_other() {
    loom::model(|| {
        let pool = Arc::new(Pool::new(1, |_| {}).expect("there are threads"));
        let run = |pool: &Pool| {
            let calls = AtomicUsize::new(0);
            pool.run(1, &|| {
                calls.fetch_add(1, Ordering::Relaxed);
            });
            assert!(calls.load(Ordering::Relaxed) >= 1);
        };
        let other = thread::spawn({
            let pool = Arc::clone(&pool);
            move || run(&pool)
        });
        run(&pool);
        other.join().expect("no thread panics");
    });
}
