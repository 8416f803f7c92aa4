//! What a pipeline does while its store writes, fails, or comes to its end.

use std::{
    num::NonZeroUsize,
    ops::{Bound, ControlFlow},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use pleach::{
    RangeSupport, State, Store, VersionedState, Writes,
    pipeline::{BlockTicket, Builder, Failed, Pipeline},
    testkit::{Program, Step},
};

use crate::pipeline::{Fate, Programs, Sent, Wrong, executor};

/// A store that waits where a test says so, and fails.
#[derive(Default)]
struct Gate {
    is_shut: Mutex<bool>,
    opened: Condvar,
    fails: AtomicBool,
    fails_reads: AtomicBool,
    records: Mutex<Vec<usize>>,
}

#[derive(Clone)]
struct GatedStore(Arc<Gate>);

#[derive(Debug, thiserror::Error)]
#[error("the disk is full")]
struct Full;

impl Gate {
    fn shut(&self, is_shut: bool) {
        *self.is_shut.lock().expect("nobody panics") = is_shut;
        self.opened.notify_all();
    }
}

impl State<u8, u64> for GatedStore {
    type Error = Full;

    fn get(&self, _: &u8) -> Result<Option<u64>, Full> {
        if self.0.fails_reads.load(Ordering::Relaxed) {
            return Err(Full);
        }
        Ok(None)
    }

    fn range(
        &self,
        _: Bound<&u8>,
        _: Bound<&u8>,
        _: &mut dyn FnMut(&u8, &u64) -> ControlFlow<()>,
    ) -> Result<RangeSupport, Full> {
        Ok(RangeSupport::Visited)
    }
}

impl Store<u8, u64> for GatedStore {
    fn height(&self) -> u64 {
        0
    }

    fn advance(&self, _: u64, _: Writes<u8, u64>) -> Result<(), Full> {
        if self.0.fails.load(Ordering::Relaxed) {
            return Err(Full);
        }
        Ok(())
    }

    fn record(&self, _: u64, blocks: &[&[(u8, Option<u64>)]]) -> Result<(), Full> {
        let shut = self.0.is_shut.lock().expect("nobody panics");
        let open = self.0.opened.wait_while(shut, |is_shut| *is_shut);
        drop(open.expect("nobody panics"));
        if self.0.fails.load(Ordering::Relaxed) {
            return Err(Full);
        }
        let mut records = self.0.records.lock().expect("nobody panics");
        records.push(blocks.len());
        Ok(())
    }
}

fn gated() -> (Arc<Gate>, Pipeline<Programs, GatedStore>) {
    gated_by(Programs::default())
}

fn gated_by(node: Programs) -> (Arc<Gate>, Pipeline<Programs, GatedStore>) {
    built(node, |builder| builder)
}

fn built(
    node: Programs,
    set: impl FnOnce(Builder<Programs, GatedStore>) -> Builder<Programs, GatedStore>,
) -> (Arc<Gate>, Pipeline<Programs, GatedStore>) {
    let gate = Arc::new(Gate::default());
    let state = VersionedState::open(GatedStore(Arc::clone(&gate))).expect("it is empty");
    let pipeline = set(Pipeline::builder(node, state, 0, executor(1)));
    (gate, pipeline.build().expect("there are threads"))
}

/// Blocks that are executed, and wait for the store.
fn executed(pipeline: &Pipeline<Programs, GatedStore>, blocks: u64) -> Vec<BlockTicket<Programs>> {
    let tickets = (1..=blocks).map(|id| pipeline.submit(put(id)).expect("it is open"));
    let tickets = tickets.collect();
    while pipeline.state().height() < blocks {
        std::thread::yield_now();
    }
    tickets
}

fn put(id: u64) -> Sent {
    Sent {
        parent: id - 1,
        id,
        fate: Fate::Good,
        programs: vec![Program::new([Step::Put(1, id)])],
    }
}

#[test]
fn blocks_that_come_while_the_store_writes_are_written_together() {
    let (gate, pipeline) = gated();
    gate.shut(true);
    // Execution does not wait for the store.
    let tickets = executed(&pipeline, 10);
    assert!(tickets.iter().all(|ticket| !ticket.is_done()));
    gate.shut(false);
    for (ticket, height) in tickets.into_iter().zip(1..) {
        assert_eq!(ticket.wait().expect("it is written").height(), height);
    }
    let records = gate.records.lock().expect("nobody panics");
    assert_eq!(records.iter().sum::<usize>(), 10);
    assert!(records.len() <= 3, "{records:?}");
}

#[test]
fn a_store_that_fails_is_asked_again() {
    let node = Programs::default();
    let committed = Arc::clone(&node.committed);
    let (gate, pipeline) = gated_by(node);
    gate.fails.store(true, Ordering::Relaxed);
    // It reads nothing, so the store is not missed before it writes.
    let first = pipeline.submit(put(1)).expect("it is open");
    let error = first.wait().expect_err("the store fails");
    assert_eq!(error.stage(), Some("persist"));
    let failed = Failed::<u64, Wrong>::of(&error);
    assert!(matches!(failed, Some(Failed::NotStored(_))), "{error:?}");
    let cause = std::error::Error::source(&error).expect("there is one");
    let cause = std::error::Error::source(cause).expect("there is one");
    assert_eq!(cause.to_string(), "the disk is full");

    gate.fails.store(false, Ordering::Relaxed);
    let second = pipeline.submit(put(2)).expect("it is open");
    assert_eq!(second.wait().expect("it is written").height(), 2);
    assert_eq!(*gate.records.lock().expect("nobody panics"), [2]);
    assert_eq!(*committed.lock().expect("nobody panics"), [1, 2]);

    // What is written at the very end is told, too.
    gate.fails.store(true, Ordering::Relaxed);
    let third = pipeline.submit(put(3)).expect("it is open");
    third.wait().expect_err("the store fails");
    gate.fails.store(false, Ordering::Relaxed);
    pipeline.abort().expect("the store takes it");
    assert_eq!(*committed.lock().expect("nobody panics"), [1, 2, 3]);
}

/// However long the store fails, no more is executed than memory should hold, and when it no longer fails all goes on.
#[test]
fn a_store_that_stays_broken_stops_execution() {
    let node = Programs::default();
    let committed = Arc::clone(&node.committed);
    let one = NonZeroUsize::MIN;
    let (gate, pipeline) = built(node, |builder| builder.kept(2).queue(1).together(one));
    gate.fails.store(true, Ordering::Relaxed);
    let mut behind = 0;
    for id in 1..20 {
        let ticket = pipeline.submit(put(id.min(7))).expect("it is open");
        let error = ticket.wait().expect_err("the store fails");
        match Failed::<u64, Wrong>::of(&error) {
            Some(Failed::NotStored(_)) => assert!(id <= 6, "{id}"),
            Some(Failed::StoreBehind { heights: 6, cause }) => {
                assert_eq!(cause.to_string(), "the disk is full");
                assert_eq!(error.stage(), Some("execute"));
                behind += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((behind, pipeline.state().height()), (13, 6));
    gate.fails.store(false, Ordering::Relaxed);
    let ticket = pipeline.submit(put(7)).expect("it is open");
    assert_eq!(ticket.wait().expect("it is written").height(), 7);
    assert_eq!(
        *committed.lock().expect("nobody panics"),
        [1, 2, 3, 4, 5, 6, 7]
    );
    assert_eq!(pipeline.state().owed(), 0);
}

/// Who listens never hears of blocks that were reverted before they were written.
#[test]
fn what_is_reverted_in_time_is_not_told() {
    let node = Programs::default();
    let (committed, chain) = (Arc::clone(&node.committed), Arc::clone(&node.chain));
    let (gate, pipeline) = gated_by(node);
    gate.shut(true);
    let tickets = executed(&pipeline, 4);
    let back = pipeline.revert(1).expect("it is open");
    while pipeline.state().height() > 1 {
        std::thread::yield_now();
    }
    gate.shut(false);
    for ticket in tickets {
        ticket.wait().expect("it is executed");
    }
    assert_eq!(back.wait().expect("it is there").height(), 1);
    assert_eq!(*committed.lock().expect("nobody panics"), [1]);

    // Nor of those that the store could not take.
    gate.fails.store(true, Ordering::Relaxed);
    let second = pipeline.submit(put(2)).expect("it is open");
    second.wait().expect_err("the store fails");
    let back = pipeline.revert(0).expect("it is open");
    back.wait().expect_err("the store fails");
    gate.fails.store(false, Ordering::Relaxed);
    let first = pipeline.submit(put(1)).expect("it is open");
    assert_eq!(first.wait().expect("it is written").height(), 1);
    // But of one that they had heard of, the revert, and the one that came instead.
    assert_eq!(*committed.lock().expect("nobody panics"), [1, 1]);
    assert_eq!(chain.lock().expect("nobody panics").len(), 1);
}

#[test]
fn a_block_that_is_aborted_says_so() {
    let (_, pipeline) = gated();
    let mut block = put(1);
    block.fate = Fate::Endless;
    let ticket = pipeline.submit(block).expect("it is open");
    while pipeline.stages().snapshot().stages[4].running == 0 {
        std::thread::yield_now();
    }
    pipeline.abort().expect("there is nothing to write");
    let error = ticket.wait().expect_err("it is aborted");
    let failed = Failed::<u64, Wrong>::of(&error);
    assert!(matches!(failed, Some(Failed::Aborted)), "{error:?}");
}

/// Reading ahead is for speed: a key that nobody needs in the end harms nobody, and heights may be kept for ever.
#[test]
fn keys_that_cannot_be_read_ahead_fail_no_block() {
    let (gate, pipeline) = built(Programs::default(), |builder| {
        builder.readers(2).kept(u64::MAX)
    });
    gate.fails_reads.store(true, Ordering::Relaxed);
    for id in 1..3 {
        let ticket = pipeline.submit(put(id)).expect("it is open");
        assert_eq!(ticket.wait().expect("it reads nothing").height(), id);
    }
}

#[test]
fn what_was_executed_is_written_when_it_is_aborted() {
    let (gate, pipeline) = gated();
    gate.shut(true);
    let tickets = executed(&pipeline, 6);
    let summary = std::thread::scope(|scope| {
        let aborting = scope.spawn(|| pipeline.abort());
        // It waits for the store.
        gate.shut(false);
        aborting.join().expect("it does not panic")
    });
    let summary = summary.expect("the store takes all");
    assert_eq!(summary.accepted, 6);
    assert_eq!(
        gate.records
            .lock()
            .expect("nobody panics")
            .iter()
            .sum::<usize>(),
        6
    );
    for (ticket, height) in tickets.into_iter().zip(1..) {
        assert_eq!(ticket.wait().expect("it is executed").height(), height);
    }
    pipeline.submit(put(7)).expect_err("it is closed");
}

/// A block that is part of the chain is not taken out of it by its ticket, and whoever listens to commits hears of it.
#[test]
fn what_is_executed_is_not_cancelled() {
    let node = Programs::default();
    let committed = Arc::clone(&node.committed);
    let (gate, pipeline) = gated_by(node);
    gate.shut(true);
    let tickets = executed(&pipeline, 6);
    for ticket in &tickets {
        ticket.cancel();
    }
    gate.shut(false);
    for (ticket, height) in tickets.into_iter().zip(1..) {
        assert_eq!(ticket.wait().expect("it is executed").height(), height);
    }
    let committed = committed.lock().expect("nobody panics");
    assert_eq!(*committed, [1, 2, 3, 4, 5, 6]);
}

/// One panic while the node is told of blocks that were written together.
#[test]
fn a_listener_that_panics_misses_no_other_block() {
    let node = Programs {
        panics_at: Some(3),
        ..Programs::default()
    };
    let committed = Arc::clone(&node.committed);
    let (gate, pipeline) = gated_by(node);
    gate.shut(true);
    let tickets = executed(&pipeline, 6);
    gate.shut(false);
    for (ticket, height) in tickets.into_iter().zip(1..) {
        let result = ticket.wait();
        assert_eq!(result.is_err(), height == 3, "{height}: {result:?}");
    }
    let committed = committed.lock().expect("nobody panics");
    assert_eq!(*committed, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_state_that_cannot_be_read_fails_the_block() {
    let (gate, pipeline) = gated();
    gate.fails_reads.store(true, Ordering::Relaxed);
    let mut block = put(1);
    block.programs = vec![Program::new([Step::Get(1)])];
    let ticket = pipeline.submit(block).expect("it is open");
    let error = ticket.wait().expect_err("the state fails");
    assert_eq!(error.stage(), Some("execute"));
    assert_eq!(pipeline.state().height(), 0);
}
