//! Pipelines of `seda-stages` larger than loom can explore, under random schedules: `loom-tests/random --stages`.
//!
//! Two threads submit, a third one cancels or closes, and afterwards every ticket has its answer, the last stage has seen events
//! in order, and all are accounted for. A failure prints the seed that brings it back; a lost wake-up is a deadlock to shuttle.

#[cfg(pleach_shuttle)]
mod explore {
    use std::{env, process::ExitCode};

    use loom_tests::random;
    use seda_stages::{Pipeline, Settings, from_fn};
    use shuttle::{
        sync::{Arc, Mutex},
        thread,
    };

    const USAGE: &str = "usage: stages [SCHEDULES [FIRST]]";
    const EVENTS: u64 = 8;

    /// One pipeline under one schedule.
    fn run(seed: u64) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let last = {
            let seen = Arc::clone(&seen);
            move |event: u64| {
                seen.lock().expect("nobody panics").push(event);
                Ok::<_, &str>(event)
            }
        };
        let picky = |event: u64| {
            if event % 5 == 3 {
                Err("three")
            } else {
                Ok(event)
            }
        };
        let narrow = || Settings::new().queue(1 + (seed % 3) as usize);
        let fetch = narrow().own_threads().concurrency(2);
        let pipeline = Pipeline::builder()
            .stage("picky", narrow().batch(2), from_fn(picky))
            .stage("fetch", fetch.order_restored(), from_fn(Ok::<u64, &str>))
            .stage(
                "last",
                narrow().in_order().irrevocable().batch(2),
                from_fn(last),
            )
            .stage("end", narrow(), from_fn(Ok::<u64, &str>))
            .workers(2)
            .build()
            .expect("there are threads");
        let pipeline = Arc::new(pipeline);
        let submitters: Vec<_> = (0..2)
            .map(|_| {
                let pipeline = Arc::clone(&pipeline);
                thread::spawn(move || {
                    let tickets = (0..EVENTS).map_while(|event| pipeline.submit(event).ok());
                    tickets.collect::<Vec<_>>()
                })
            })
            .collect();
        let meddler = {
            let pipeline = Arc::clone(&pipeline);
            thread::spawn(move || match seed % 4 {
                0 => pipeline.cancel_all(),
                1 => pipeline.close(),
                _ => {}
            })
        };
        let tickets: Vec<_> = submitters
            .into_iter()
            .flat_map(|submitter| submitter.join().expect("it does not panic"))
            .collect();
        meddler.join().expect("it does not panic");
        if seed.is_multiple_of(3)
            && let Some(ticket) = tickets.first()
        {
            ticket.cancel();
        }
        let summary = if seed.is_multiple_of(5) {
            pipeline.abort()
        } else {
            pipeline.drain()
        };
        let left = summary.completed + summary.failed + summary.cancelled + summary.expired;
        assert_eq!(summary.accepted, left, "{summary:?}");
        assert_eq!(summary.accepted, tickets.len() as u64);
        let mut answered: Vec<_> = tickets
            .into_iter()
            .map(|ticket| (ticket.number(), ticket.wait()))
            .collect();
        answered.sort_unstable_by_key(|(number, _)| *number);
        // What the irrevocable stage has done is what has a result, in the order of submission.
        let results: Vec<_> = answered
            .into_iter()
            .filter_map(|(_, result)| result.ok())
            .collect();
        assert_eq!(*seen.lock().expect("nobody panics"), results);
    }

    pub(super) fn main() -> ExitCode {
        let numbers: Result<Vec<u64>, _> = env::args().skip(1).map(|text| text.parse()).collect();
        let (schedules, first) = match numbers.as_deref() {
            Ok([]) => (2_000, 0),
            Ok(&[schedules]) => (schedules, 0),
            Ok(&[schedules, first]) => (schedules, first),
            _ => {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            }
        };
        for seed in first..first.saturating_add(schedules) {
            if !random::holds(seed, move || run(seed)) {
                eprintln!("to see it again: loom-tests/random --stages 1 {seed}");
                return ExitCode::FAILURE;
            }
        }
        println!("{schedules} pipelines under schedules: every event is accounted for");
        ExitCode::SUCCESS
    }
}

#[cfg(pleach_shuttle)]
fn main() -> std::process::ExitCode {
    explore::main()
}

#[cfg(not(pleach_shuttle))]
fn main() {
    eprintln!("run loom-tests/random --stages, which brings shuttle in");
    std::process::exit(2);
}
