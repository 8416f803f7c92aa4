//! `src/protocol/ready.rs`: everything runs once, nobody sleeps while there is work, and all come to an end.
#![cfg(pleach_loom)]

use loom::{
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
use pleach::protocol::ready::{Job, Ready};

/// Works until there is no more, and counts what it runs: tasks, and transactions from 10 on. Task 0 makes two
/// transactions ready, and the first of these another.
fn work(ready: &Ready, ran: &[AtomicUsize]) {
    let Some(mut working) = ready.enter() else {
        return;
    };
    while let Some((still, job)) = ready.next(working) {
        working = still;
        match job {
            Job::Task(task) => {
                ran[task].fetch_add(1, Ordering::Relaxed);
                if task == 0 {
                    ready.offer(&working, &[2, 3]);
                }
            }
            Job::Transaction(transaction) => {
                ran[transaction as usize].fetch_add(1, Ordering::Relaxed);
                if transaction == 2 {
                    ready.offer(&working, &[4]);
                }
            }
        }
    }
}

fn explore(tasks: usize, runs: &'static [usize]) {
    loom::model(move || {
        let shared = Arc::new((
            Ready::new(tasks),
            runs.iter().map(|_| AtomicUsize::new(0)).collect::<Vec<_>>(),
        ));
        let other = thread::spawn({
            let shared = Arc::clone(&shared);
            move || work(&shared.0, &shared.1)
        });
        work(&shared.0, &shared.1);
        other.join().expect("no thread panics");
        let ran: Vec<usize> = shared
            .1
            .iter()
            .map(|ran| ran.load(Ordering::Relaxed))
            .collect();
        assert_eq!(ran, runs);
    });
}

#[test]
fn what_is_offered_runs_once() {
    explore(1, &[1, 0, 1, 1, 1]);
}

#[test]
fn so_do_tasks() {
    explore(2, &[1, 1, 1, 1, 1]);
}

#[test]
fn who_sleeps_is_woken_for_what_is_offered() {
    loom::model(|| {
        let shared = Arc::new((Ready::new(1), Mutex::new(false), Condvar::new()));
        let work = |(ready, done, changed): &(Ready, Mutex<bool>, Condvar)| {
            let Some(mut working) = ready.enter() else {
                return;
            };
            while let Some((still, job)) = ready.next(working) {
                working = still;
                if job == Job::Task(0) {
                    ready.offer(&working, &[1]);
                    // Who offers is busy until somebody else has done it.
                    let mut is_done = done.lock().expect("nobody panics");
                    while !*is_done {
                        is_done = changed.wait(is_done).expect("nobody panics");
                    }
                } else {
                    *done.lock().expect("nobody panics") = true;
                    changed.notify_one();
                }
            }
        };
        let other = thread::spawn({
            let shared = Arc::clone(&shared);
            move || work(&shared)
        });
        work(&shared);
        other.join().expect("no thread panics");
        assert!(*shared.1.lock().expect("nobody panics"));
    });
}

#[test]
fn nothing_to_do_is_no_reason_to_wait() {
    explore(0, &[0, 0, 0, 0, 0]);
}

#[test]
fn who_stops_ends_it_for_all() {
    loom::model(|| {
        let ready = Arc::new(Ready::new(1));
        let other = thread::spawn({
            let ready = Arc::clone(&ready);
            move || {
                let mut ran = 0;
                let mut working = ready.enter();
                while let Some((still, _)) = working.and_then(|working| ready.next(working)) {
                    ran += 1;
                    working = Some(still);
                }
                ran
            }
        });
        ready.stop();
        assert!(other.join().expect("no thread panics") <= 1);
    });
}
