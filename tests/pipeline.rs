//! Blocks in flight come to what they come to one by one: good ones, broken ones, ones without a parent, and reverts.

use std::{
    ops::{Bound, ControlFlow},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use pleach::{
    Block, CancelToken, ExecuteError, Executor, MemoryState, MemoryStore, ParallelExecutor,
    RangeSupport, Runtime, SerialExecutor, State, Store, VersionedState, Writes,
    pipeline::{
        Executed, Failed, Node, Pipeline, named_keys,
        seda_stages::{EventError, EventErrorKind},
    },
    testkit::{Program, ProgramVm, Step, strategies},
};
use proptest::{prelude::*, test_runner::TestRunner};

/// Where a block goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Good,
    Undecodable,
    Invalid,
    Unexecutable,
    PanicsInCheck,
    PanicsInExecute,
}

#[derive(Clone, Debug)]
struct Sent {
    parent: u64,
    id: u64,
    fate: Fate,
    programs: Vec<Program>,
}

#[derive(Debug, thiserror::Error)]
enum Wrong {
    #[error("this is {0:?}")]
    Fate(Fate),
    #[error("it cannot be executed")]
    Execute(#[from] ExecuteError),
}

#[derive(Clone, Default)]
struct Programs {
    committed: Arc<Mutex<Vec<u64>>>,
}

impl Programs {
    fn fails_at(block: &Sent, fate: Fate) -> Result<(), Wrong> {
        if block.fate == fate {
            return Err(Wrong::Fate(fate));
        }
        Ok(())
    }
}

impl Node for Programs {
    type Key = u8;
    type Value = u64;
    type Input = Sent;
    type Block = Sent;
    type Id = u64;
    type Output = String;
    type Error = Wrong;

    fn decode(&self, sent: Sent) -> Result<Sent, Wrong> {
        Self::fails_at(&sent, Fate::Undecodable)?;
        Ok(sent)
    }

    fn check(&self, block: &mut Sent) -> Result<(), Wrong> {
        assert!(block.fate != Fate::PanicsInCheck, "as it should");
        Self::fails_at(block, Fate::Invalid)
    }

    fn parent(&self, block: &Sent) -> u64 {
        block.parent
    }

    fn id(&self, block: &Sent) -> u64 {
        block.id
    }

    fn keys(&self, block: &Sent) -> Vec<u8> {
        // Every other one of those that it may touch.
        let named = named_keys(&ProgramVm, &block.programs);
        named.into_iter().chain((0..=255).step_by(2)).collect()
    }

    fn execute<S: State<u8, u64>>(
        &self,
        block: &Sent,
        state: &S,
        executor: &ParallelExecutor,
        cancel: &CancelToken,
    ) -> Result<Executed<Self>, Wrong> {
        Self::fails_at(block, Fate::Unexecutable)?;
        assert!(block.fate != Fate::PanicsInExecute, "as it should");
        let outcome =
            executor.execute(Block::new(&ProgramVm, state, &block.programs).cancel(cancel))?;
        Ok((format!("{:?}", outcome.transactions), outcome.changes))
    }

    fn committed(&self, height: u64, _: &String) {
        self.committed.lock().expect("nobody panics").push(height);
    }
}

#[derive(Clone, Debug)]
enum Act {
    Block {
        /// The one before, or one of those before that.
        parent: usize,
        fate: Fate,
        programs: Vec<Program>,
    },
    Revert(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let fate = prop_oneof![
        12 => Just(Fate::Good),
        1 => Just(Fate::Undecodable),
        1 => Just(Fate::Invalid),
        1 => Just(Fate::Unexecutable),
        1 => Just(Fate::PanicsInCheck),
        1 => Just(Fate::PanicsInExecute),
    ];
    let parent = prop_oneof![8 => Just(0), 1 => 0..4_usize];
    let programs = any::<u64>().prop_map(|seed| strategies::from_seed(seed).transactions);
    let act = prop_oneof![
        8 => (parent, fate, programs).prop_map(|(parent, fate, programs)| Act::Block {
            parent,
            fate,
            programs,
        }),
        1 => (0..6_usize).prop_map(Act::Revert),
    ];
    prop::collection::vec(act, 1..25)
}

const KEPT: usize = 3;

type Tried = Result<(u64, Option<String>), &'static str>;

/// What blocks come to one by one.
struct Model {
    /// The names of the blocks that can be gone back to, with what they have left.
    chain: Vec<(u64, MemoryState<u8, u64>)>,
    height: u64,
}

impl Model {
    fn block(&mut self, sent: &Sent) -> Tried {
        match sent.fate {
            Fate::Undecodable | Fate::Invalid => return Err("node"),
            Fate::PanicsInCheck => return Err("panic"),
            _ => {}
        }
        let (latest, state) = self.chain.last().expect("there is a genesis");
        if *latest != sent.parent {
            return Err("not next");
        }
        match sent.fate {
            Fate::Unexecutable => return Err("node"),
            Fate::PanicsInExecute => return Err("panic"),
            _ => {}
        }
        let outcome = SerialExecutor::new().execute(Block::new(&ProgramVm, state, &sent.programs));
        let outcome = outcome.map_err(|_| "node")?;
        let output = format!("{:?}", outcome.transactions);
        let mut state = state.clone();
        state.apply(outcome.changes);
        self.chain.push((sent.id, state));
        if self.chain.len() > KEPT + 1 {
            self.chain.remove(0);
        }
        self.height += 1;
        Ok((self.height, Some(output)))
    }

    fn revert(&mut self, to: u64) -> Tried {
        let place = self.chain.iter().rposition(|(id, _)| *id == to);
        let place = place.ok_or("unknown")?;
        self.height -= (self.chain.len() - 1 - place) as u64;
        self.chain.truncate(place + 1);
        Ok((self.height, None))
    }
}

fn reason(error: &EventError) -> &'static str {
    match (Failed::<u64, Wrong>::of(error), error.kind()) {
        (Some(Failed::Node(_)), _) => "node",
        (Some(Failed::NotNext { .. }), _) => "not next",
        (Some(Failed::Unknown { .. }), _) => "unknown",
        (None, EventErrorKind::Panicked(_)) => "panic",
        (failed, kind) => panic!("{failed:?}, {kind:?}"),
    }
}

fn run(acts: Vec<Act>, executor: &ParallelExecutor, readers: usize) -> Result<(), TestCaseError> {
    let Ok(state) = VersionedState::open(MemoryStore::new(MemoryState::<u8, u64>::new()));
    let node = Programs::default();
    let committed = Arc::clone(&node.committed);
    let pipeline = Pipeline::builder(node, state.clone(), 0, executor.clone())
        .kept(KEPT as u64)
        .readers(readers)
        .queue(4)
        .build()
        .expect("there are threads");
    let mut model = Model {
        chain: vec![(0, MemoryState::new())],
        height: 0,
    };
    let mut names = vec![0_u64];
    let mut expected = Vec::new();
    let mut tickets = Vec::new();
    for (act, id) in acts.into_iter().zip(1..) {
        let back = |back: usize| names[names.len() - 1 - back.min(names.len() - 1)];
        match act {
            Act::Block {
                parent,
                fate,
                programs,
            } => {
                let parent = if parent == 3 {
                    model.chain.last().expect("there is a genesis").0
                } else {
                    back(parent)
                };
                let sent = Sent {
                    parent,
                    id,
                    fate,
                    programs,
                };
                expected.push(model.block(&sent));
                tickets.push(pipeline.submit(sent).expect("it is open"));
                names.push(id);
            }
            Act::Revert(far) => {
                let to = back(far);
                expected.push(model.revert(to));
                tickets.push(pipeline.revert(to).expect("it is open"));
                if expected.last().is_some_and(Result::is_ok) {
                    names.push(to);
                }
            }
        }
    }
    let mut heights = Vec::new();
    for (ticket, expected) in tickets.into_iter().zip(expected) {
        let found = ticket.wait();
        let found = match &found {
            Ok(found) => Ok((found.height(), found.clone().into_output())),
            Err(error) => Err(reason(error)),
        };
        if let Ok((height, Some(_))) = &found {
            heights.push(*height);
        }
        prop_assert_eq!(found, expected);
    }
    prop_assert_eq!(&*committed.lock().expect("nobody panics"), &heights);
    let summary = pipeline.drain();
    prop_assert_eq!(summary.completed + summary.failed, summary.accepted);
    prop_assert_eq!(state.height(), model.height);
    for ((_, map), height) in model.chain.iter().rev().zip((0..=model.height).rev()) {
        let Ok(snapshot) = state.at(height) else {
            // It was pruned before the chain went back.
            continue;
        };
        let mut found = Vec::new();
        let all = (Bound::Unbounded, Bound::Unbounded);
        let Ok(_) = snapshot.range(all.0, all.1, &mut |key, value| {
            found.push((*key, *value));
            ControlFlow::Continue(())
        });
        let map: Vec<_> = map.iter().map(|(key, value)| (*key, *value)).collect();
        prop_assert_eq!(found, map, "height {}", height);
    }
    Ok(())
}

fn executor(workers: usize) -> ParallelExecutor {
    let workers = workers.try_into().expect("there is one");
    let runtime = Runtime::builder().workers(workers).build();
    ParallelExecutor::new(&runtime.expect("there are threads"))
}

#[test]
fn blocks_in_flight_come_to_what_they_come_to_one_by_one() {
    let executor = executor(2);
    for readers in [0, 3] {
        let mut runner = TestRunner::new(ProptestConfig::with_cases(60));
        runner
            .run(&acts(), |acts| run(acts, &executor, readers))
            .unwrap_or_else(|error| panic!("{error}"));
    }
}

/// A store that waits where a test says so, and fails.
#[derive(Default)]
struct Gate {
    is_shut: Mutex<bool>,
    opened: Condvar,
    fails: AtomicBool,
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
        if self.0.fails.load(Ordering::Relaxed) {
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
        unreachable!("everything is kept")
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
    let gate = Arc::new(Gate::default());
    let state = VersionedState::open(GatedStore(Arc::clone(&gate))).expect("it is empty");
    let pipeline = Pipeline::builder(Programs::default(), state, 0, executor(1));
    (gate, pipeline.build().expect("there are threads"))
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
    let tickets: Vec<_> = (1..=10)
        .map(|id| pipeline.submit(put(id)).expect("it is open"))
        .collect();
    // Execution does not wait for the store.
    while pipeline.state().height() < 10 {
        std::thread::yield_now();
    }
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
    let (gate, pipeline) = gated();
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
}

#[test]
fn what_was_executed_is_written_when_it_is_aborted() {
    let (gate, pipeline) = gated();
    gate.shut(true);
    let tickets: Vec<_> = (1..=6)
        .map(|id| pipeline.submit(put(id)).expect("it is open"))
        .collect();
    while pipeline.state().height() < 6 {
        std::thread::yield_now();
    }
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
    for ticket in tickets {
        let is_called_off = |error: &EventError| matches!(error.kind(), EventErrorKind::Cancelled);
        assert!(ticket.wait().as_ref().err().is_none_or(is_called_off));
    }
    pipeline.submit(put(7)).expect_err("it is closed");
}

#[test]
fn a_state_that_cannot_be_read_fails_the_block() {
    let (gate, pipeline) = gated();
    gate.fails.store(true, Ordering::Relaxed);
    let mut block = put(1);
    block.programs = vec![Program::new([Step::Get(1)])];
    let ticket = pipeline.submit(block).expect("it is open");
    let error = ticket.wait().expect_err("the state fails");
    assert_eq!(error.stage(), Some("execute"));
    assert_eq!(pipeline.state().height(), 0);
}
