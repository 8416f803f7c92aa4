//! Blocks in flight come to what they come to one by one: good ones, broken ones, ones without a parent, and reverts.

use std::{
    ops::{Bound, ControlFlow},
    sync::{Arc, Mutex},
};

use pleach::{
    Analysis, Block, CancelToken, ExecuteError, Executor, MemoryState, MemoryStore,
    ParallelExecutor, Runtime, SerialExecutor, State, VersionedState,
    pipeline::{
        Executed, Failed, Node, Pipeline,
        seda_stages::{EventError, EventErrorKind},
    },
    testkit::{Program, ProgramVm, strategies},
};
use proptest::{prelude::*, test_runner::TestRunner};

/// Where a block goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    Good,
    Undecodable,
    Invalid,
    Unexecutable,
    PanicsInCheck,
    PanicsInExecute,
    /// Until it is cancelled.
    Endless,
}

#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) parent: u64,
    pub(crate) id: u64,
    pub(crate) fate: Fate,
    pub(crate) programs: Vec<Program>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Wrong {
    #[error("this is {0:?}")]
    Fate(Fate),
    #[error("it cannot be executed")]
    Execute(#[from] ExecuteError),
}

#[derive(Clone, Default)]
pub(crate) struct Programs {
    pub(crate) committed: Arc<Mutex<Vec<u64>>>,
    /// What a listener makes of what it is told: the outputs of all blocks of the chain.
    pub(crate) chain: Arc<Mutex<Vec<String>>>,
    /// When it is told of this height.
    pub(crate) panics_at: Option<u64>,
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
    type Block = (Sent, Option<Analysis<ProgramVm>>);
    type Id = u64;
    type Output = String;
    type Error = Wrong;

    fn decode(&self, sent: Sent) -> Result<Self::Block, Wrong> {
        Self::fails_at(&sent, Fate::Undecodable)?;
        Ok((sent, None))
    }

    fn check(&self, (block, _): &mut Self::Block) -> Result<(), Wrong> {
        assert!(block.fate != Fate::PanicsInCheck, "as it should");
        Self::fails_at(block, Fate::Invalid)
    }

    fn parent(&self, (block, _): &Self::Block) -> u64 {
        block.parent
    }

    fn id(&self, (block, _): &Self::Block) -> u64 {
        block.id
    }

    fn analyse(&self, (block, analysis): &mut Self::Block, executor: &ParallelExecutor) {
        *analysis = Some(executor.analyse(&ProgramVm, &block.programs, &[]));
    }

    fn keys(&self, (_, analysis): &Self::Block) -> Vec<u8> {
        // Every other one of those that it may touch.
        let named = analysis.as_ref().map(Analysis::keys);
        let named = named.expect("it was analysed");
        named.into_iter().chain((0..=255).step_by(2)).collect()
    }

    fn execute<S: State<u8, u64>>(
        &self,
        (block, analysis): &mut Self::Block,
        state: &S,
        executor: &ParallelExecutor,
        cancel: &CancelToken,
    ) -> Result<Executed<Self>, Wrong> {
        Self::fails_at(block, Fate::Unexecutable)?;
        assert!(block.fate != Fate::PanicsInExecute, "as it should");
        while block.fate == Fate::Endless && !cancel.is_cancelled() {
            std::thread::yield_now();
        }
        let analysis = analysis.take().expect("it was analysed");
        let programs = Block::new(&ProgramVm, state, &block.programs).analysed(analysis);
        let outcome = executor.execute(programs.cancel(cancel))?;
        Ok((format!("{:?}", outcome.transactions), outcome.changes))
    }

    fn committed(&self, height: u64, output: &String) {
        let mut chain = self.chain.lock().expect("nobody panics");
        chain.push(output.clone());
        let length = chain.len();
        drop(chain);
        assert_eq!(length as u64, height, "one after the other");
        let mut committed = self.committed.lock().expect("nobody panics");
        committed.push(height);
        drop(committed);
        assert!(self.panics_at != Some(height), "as it should");
    }

    fn reverted(&self, height: u64) {
        let mut chain = self.chain.lock().expect("nobody panics");
        let length = chain.len();
        chain.truncate(height as usize);
        drop(chain);
        assert!(height < length as u64, "there is something to take back");
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
    /// Of all blocks of the chain.
    outputs: Vec<String>,
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
        self.outputs.push(output.clone());
        Ok((self.height, Some(output)))
    }

    fn revert(&mut self, to: u64) -> Tried {
        let place = self.chain.iter().rposition(|(id, _)| *id == to);
        let place = place.ok_or("unknown")?;
        self.height -= (self.chain.len() - 1 - place) as u64;
        self.chain.truncate(place + 1);
        self.outputs.truncate(self.height as usize);
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
    let chain = Arc::clone(&node.chain);
    let pipeline = Pipeline::builder(node, state.clone(), 0, executor.clone())
        .kept(KEPT as u64)
        .readers(readers)
        .queue(4)
        .build()
        .expect("there are threads");
    let mut model = Model {
        chain: vec![(0, MemoryState::new())],
        outputs: Vec::new(),
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
    for (ticket, expected) in tickets.into_iter().zip(expected) {
        let found = ticket.wait();
        let found = match &found {
            Ok(found) => Ok((found.height(), found.clone().into_output())),
            Err(error) => Err(reason(error)),
        };
        prop_assert_eq!(found, expected);
    }
    prop_assert_eq!(&*chain.lock().expect("nobody panics"), &model.outputs);
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

pub(crate) fn executor(workers: usize) -> ParallelExecutor {
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
