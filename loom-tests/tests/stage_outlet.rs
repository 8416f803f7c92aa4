//! `seda-stages/src/protocol/outlet.rs`: every result is given out once, and in order if that is asked for.
#![cfg(pleach_loom)]

use loom::{
    sync::{Arc, Mutex},
    thread,
};
use seda_stages::protocol::{outlet::Outlet, queue::Numbered};

#[derive(Debug)]
struct Result(u64);

impl Numbered for Result {
    fn number(&self) -> u64 {
        self.0
    }
}

type Given = (Outlet<Result>, Mutex<Vec<u64>>);

/// Puts a result, then gives out what there is: one lock for each, so that another thread could come between.
fn put((outlet, given): &Given, number: u64) {
    outlet.put(&mut vec![Result(number)], &mut Vec::new());
    let mut results = Vec::new();
    let mut giving = outlet.begin(&mut results);
    while let Some(right) = giving {
        for Result(number) in results.drain(..) {
            given.lock().expect("nobody panics").push(number);
        }
        giving = outlet.more(right, &mut results);
    }
}

fn check(in_order: bool, numbers: [u64; 3]) {
    loom::model(move || {
        let shared: Arc<Given> = Arc::new((Outlet::new(in_order), Mutex::new(Vec::new())));
        let others: Vec<_> = numbers[1..]
            .iter()
            .map(|&number| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || put(&shared, number))
            })
            .collect();
        put(&shared, numbers[0]);
        for other in others {
            other.join().expect("no thread panics");
        }
        let mut given = std::mem::take(&mut *shared.1.lock().expect("nobody panics"));
        if !in_order {
            given.sort_unstable();
        }
        assert_eq!(given, [0, 1, 2]);
    });
}

#[test]
fn results_are_given_out_in_order() {
    check(true, [1, 0, 2]);
}

#[test]
fn results_are_given_out_once() {
    check(false, [1, 0, 2]);
}
