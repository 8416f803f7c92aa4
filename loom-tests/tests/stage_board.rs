//! `seda-stages/src/protocol/board.rs`: room, priorities, limits, sleeping, closing.
#![cfg(pleach_loom)]

use std::task::{Wake, Waker};

use loom::{
    sync::{
        Arc, Notify,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
use seda_stages::protocol::board::{Board, Claim, Crew, Flow, Lane, Next, Patience, Refusal};

fn lane(capacity: usize, limit: usize) -> Lane {
    Lane {
        capacity,
        limit,
        batch: 1,
        has_own_crew: false,
    }
}

/// What a batch comes to: on to the next stage, or out.
fn flow(claim: &Claim, stages: usize) -> Flow {
    let mut flow = Flow::default();
    if claim.stage + 1 < stages {
        flow.queued.push((claim.stage + 1, claim.events));
    } else {
        flow.left = claim.events;
        flow.outcomes.completed = claim.events as u64;
    }
    flow
}

/// A worker of a board alone: counts the events that each stage hands on, and calls `during` while it has some.
fn serve(board: &Board, crew: Crew, stages: usize, mut during: impl FnMut(&Claim)) -> usize {
    let mut events = 0;
    let mut next = board.next(crew, None);
    loop {
        next = match next {
            Next::Run(claim) => {
                events += claim.events;
                during(&claim);
                let mut flow = flow(&claim, stages);
                board.next(crew, Some((claim, &mut flow)))
            }
            Next::Sweep { .. } | Next::Look => board.next(crew, None),
            Next::Over => return events,
        };
    }
}

fn explore(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

/// Two workers, two stages with room for one event each: everything gets through, nobody sleeps for ever.
#[test]
fn everything_gets_through() {
    explore(2, || {
        let board = Arc::new(Board::new(vec![lane(1, 2), lane(1, 2)], 3, None));
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let board = Arc::clone(&board);
                thread::spawn(move || serve(&board, Crew::Shared, 2, |_| {}))
            })
            .collect();
        for number in 0..2 {
            let entered = board.enter(Patience::Endless, |_| {});
            assert_eq!(entered, Ok(number));
        }
        board.close();
        board.wait_until_over();
        assert_eq!(board.enter(Patience::None, |_| {}), Err(Refusal::Closed));
        let handled = workers.into_iter().map(|worker| worker.join());
        let handled = handled.map(|events| events.expect("no thread panics"));
        assert_eq!(handled.sum::<usize>(), 4);
        board.look(|lanes| {
            assert_eq!((lanes.entered(), lanes.inside()), (2, 0));
            assert_eq!(lanes.outcomes().completed, 2);
        });
    });
}

/// What is in a queue or on its way to it never exceeds its capacity, however many want to fill it.
#[test]
fn queues_stay_bounded() {
    explore(3, || {
        let board = Arc::new(Board::new(vec![lane(3, 2), lane(1, 1)], 9, None));
        for _ in 0..3 {
            board.enter(Patience::None, |_| {}).expect("there is room");
        }
        board.close();
        let serve = |board: &Board| {
            serve(board, Crew::Shared, 2, |_| {
                // Whoever runs in the first stage has one event for the second.
                let ahead = board.look(|lanes| lanes.queued(1) + lanes.running(0));
                assert!(ahead <= 1, "there was no room");
            })
        };
        let other = thread::spawn({
            let board = Arc::clone(&board);
            move || serve(&board)
        });
        let mine = serve(&board);
        assert_eq!(mine + other.join().expect("no thread panics"), 6);
    });
}

/// A stage that one may serve at a time has one at a time, and what is late goes first.
#[test]
fn limits_and_priorities_hold() {
    explore(3, || {
        let board = Arc::new(Board::new(vec![lane(2, 1), lane(2, 1)], 9, None));
        let running = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        for _ in 0..2 {
            board.enter(Patience::None, |_| {}).expect("there is room");
        }
        board.close();
        let serve = |board: &Board, running: &[AtomicUsize; 2]| {
            serve(board, Crew::Shared, 2, |claim| {
                let now = &running[claim.stage];
                assert_eq!(now.fetch_add(1, Ordering::Relaxed), 0, "one at a time");
                if claim.stage == 0 {
                    // Nothing waited further on that could have been taken, unless somebody is at it.
                    board.look(|lanes| {
                        assert!(lanes.queued(1) == 0 || lanes.running(1) == 1 || claim.left == 0);
                    });
                }
                now.fetch_sub(1, Ordering::Relaxed);
            })
        };
        let other = thread::spawn({
            let (board, running) = (Arc::clone(&board), Arc::clone(&running));
            move || serve(&board, &running)
        });
        let mine = serve(&board, &running);
        assert_eq!(mine + other.join().expect("no thread panics"), 4);
    });
}

/// With one worker, the order of work is known: what was begun is finished first.
#[test]
fn late_stages_come_first() {
    loom::model(|| {
        let board = Board::new(vec![lane(2, 1), lane(2, 1)], 9, None);
        for _ in 0..2 {
            board.enter(Patience::None, |_| {}).expect("there is room");
        }
        board.close();
        let mut stages = Vec::new();
        serve(&board, Crew::Shared, 2, |claim| stages.push(claim.stage));
        assert_eq!(stages, [0, 1, 0, 1]);
    });
}

/// A controller that allows more wakes those who may now work: the second event ends the wait of the first.
#[test]
fn a_higher_limit_is_used() {
    explore(3, || {
        let board = Arc::new(Board::new(vec![lane(2, 1)], 9, None));
        let met = Arc::new((AtomicUsize::new(0), Notify::new()));
        for _ in 0..2 {
            board.enter(Patience::None, |_| {}).expect("there is room");
        }
        board.close();
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let (board, met) = (Arc::clone(&board), Arc::clone(&met));
                thread::spawn(move || {
                    serve(&board, Crew::Shared, 1, |_| {
                        // The first waits for the second: with one at a time, for ever.
                        if met.0.fetch_add(1, Ordering::Relaxed) == 0 {
                            met.1.wait();
                        } else {
                            met.1.notify();
                        }
                    })
                })
            })
            .collect();
        board.set_limits(0, 2, 1);
        for worker in workers {
            worker.join().expect("no thread panics");
        }
    });
}

/// A controller that allows less: who claims after that has a handler's place only if nobody else has one.
#[test]
fn a_lower_limit_holds() {
    explore(3, || {
        let board = Arc::new(Board::new(vec![lane(2, 2)], 9, None));
        let has_ended = Arc::new(AtomicUsize::new(0));
        for _ in 0..2 {
            board.enter(Patience::None, |_| {}).expect("there is room");
        }
        let claim = board.try_claim(Crew::Shared).expect("there is one");
        let other = thread::spawn({
            let (board, has_ended) = (Arc::clone(&board), Arc::clone(&has_ended));
            move || {
                board.set_limits(0, 1, 1);
                if let Some(claim) = board.try_claim(Crew::Shared) {
                    assert_eq!(has_ended.load(Ordering::Relaxed), 1, "one at a time");
                    let mut flow = flow(&claim, 1);
                    assert_eq!(board.finish(claim, &mut flow), None);
                }
            }
        });
        has_ended.store(1, Ordering::Relaxed);
        let mut flow = flow(&claim, 1);
        assert_eq!(board.finish(claim, &mut flow), None);
        other.join().expect("no thread panics");
    });
}

/// A controller that lets more in calls those who wait for room, and one that lets fewer in keeps them out.
#[test]
fn a_window_is_heeded_and_a_wider_one_is_used() {
    explore(3, || {
        let board = Arc::new(Board::new(vec![lane(9, 1)], 9, None));
        board.set_window(1);
        board.enter(Patience::None, |_| {}).expect("there is room");
        let waiting = thread::spawn({
            let board = Arc::clone(&board);
            move || board.enter(Patience::Endless, |_| {})
        });
        // Nobody works, so nothing else lets it in; after it there is none.
        board.set_window(2);
        assert_eq!(waiting.join().expect("no thread panics"), Ok(1));
        assert_eq!(board.enter(Patience::None, |_| {}), Err(Refusal::Overload));
    });
}

/// Workers of one stage and those of the pool wake each other.
#[test]
fn own_crews_work_with_the_pool() {
    explore(2, || {
        let own = Lane {
            has_own_crew: true,
            ..lane(1, 1)
        };
        let board = Arc::new(Board::new(vec![lane(1, 1), own], 9, None));
        let workers = [Crew::Shared, Crew::Own(1)].map(|crew| {
            let board = Arc::clone(&board);
            thread::spawn(move || serve(&board, crew, 2, |_| {}))
        });
        for _ in 0..2 {
            board.enter(Patience::Endless, |_| {}).expect("it is open");
        }
        board.close();
        for worker in workers {
            assert_eq!(worker.join().expect("no thread panics"), 2);
        }
    });
}

/// Two submit at once, and there is room for one at a time.
#[test]
fn whoever_waits_for_room_gets_it() {
    explore(2, || {
        let board = Arc::new(Board::new(vec![lane(1, 1)], 1, None));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let board = Arc::clone(&board);
                thread::spawn(move || board.enter(Patience::Endless, |_| {}).expect("it is open"))
            })
            .collect();
        let worker = thread::spawn({
            let board = Arc::clone(&board);
            move || serve(&board, Crew::Shared, 1, |_| {})
        });
        let mut numbers: Vec<_> = threads
            .into_iter()
            .map(|thread| thread.join().expect("no thread panics"))
            .collect();
        board.close();
        numbers.sort_unstable();
        assert_eq!(numbers, [0, 1]);
        assert_eq!(worker.join().expect("no thread panics"), 2);
    });
}

struct Bell(Notify);

impl Wake for Bell {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.notify();
    }
}

/// Whoever asks to be called is called, when there is room or when it is closed.
#[test]
fn whoever_asks_for_room_is_called() {
    explore(3, || {
        let board = Arc::new(Board::new(vec![lane(1, 1)], 1, None));
        board.enter(Patience::None, |_| {}).expect("there is room");
        let worker = thread::spawn({
            let board = Arc::clone(&board);
            move || serve(&board, Crew::Shared, 1, |_| {})
        });
        let bell = std::sync::Arc::new(Bell(Notify::new()));
        let waker = Waker::from(std::sync::Arc::clone(&bell));
        let mut caller = None;
        while board.enter_or_call(&mut caller, &waker, |_| {}).is_err() {
            bell.0.wait();
        }
        board.close();
        assert_eq!(worker.join().expect("no thread panics"), 2);
    });
}

/// It is over when all events have left and whoever had them has told of them, and not before.
#[test]
fn over_means_that_all_is_told() {
    explore(3, || {
        let board = Arc::new(Board::new(vec![lane(1, 1)], 1, None));
        let told = Arc::new(AtomicUsize::new(0));
        board.enter(Patience::None, |_| {}).expect("there is room");
        let worker = thread::spawn({
            let (board, told) = (Arc::clone(&board), Arc::clone(&told));
            move || {
                let Next::Run(mut claim) = board.next(Crew::Shared, None) else {
                    panic!("there is one");
                };
                let mut flow = flow(&claim, 1);
                board.settle(&mut claim, &mut flow);
                told.store(1, Ordering::Relaxed);
                let next = board.next(Crew::Shared, Some((claim, &mut flow)));
                assert!(matches!(next, Next::Over));
            }
        });
        board.close();
        board.wait_until_over();
        assert_eq!(told.load(Ordering::Relaxed), 1);
        worker.join().expect("no thread panics");
    });
}

/// Whoever had events when all were cancelled looks for more of them: they may have come to a queue after it was swept.
#[test]
fn cancellation_is_swept_twice() {
    explore(3, || {
        let board = Arc::new(Board::new(vec![lane(1, 1), lane(1, 1)], 2, None));
        board.enter(Patience::None, |_| {}).expect("there is room");
        let Next::Run(claim) = board.next(Crew::Shared, None) else {
            panic!("there is one");
        };
        let cancelling = thread::spawn({
            let board = Arc::clone(&board);
            move || {
                let before = board.cancel_all();
                assert_eq!(before, 1);
                // Sees what is queued now.
                board.look(|lanes| lanes.queued(1) == 1)
            }
        });
        let mut flow = flow(&claim, 2);
        let sweeps = board.finish(claim, &mut flow) == Some(1);
        let is_swept = cancelling.join().expect("no thread panics");
        assert!(sweeps || is_swept);
    });
}
