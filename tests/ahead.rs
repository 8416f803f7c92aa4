//! While one block executes, the next is analysed and what it touches is read: neither waits for the other.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    ops::{Bound, ControlFlow},
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use pleach::{
    Analysis, Block, CancelToken, ExecuteError, Executor, MemoryState, MemoryStore,
    ParallelExecutor, RangeSupport, State, Store, Strategy, VersionedState, Writes,
    pipeline::{Executed, Node, Pipeline},
    testkit::{Declared, Program, ProgramVm, Step},
};

use crate::executor;

/// What has happened, for those who wait for it.
#[derive(Default)]
struct Progress {
    is_analysed: Mutex<BTreeSet<u8>>,
    is_read: Mutex<BTreeSet<u8>>,
    changed: Condvar,
}

impl Progress {
    fn note(&self, which: &Mutex<BTreeSet<u8>>, what: u8) {
        which.lock().expect("nobody panics").insert(what);
        self.changed.notify_all();
    }

    fn wait_for(&self, which: &Mutex<BTreeSet<u8>>, what: u8) {
        let seen = which.lock().expect("nobody panics");
        let is_missing = |seen: &mut BTreeSet<u8>| !seen.contains(&what);
        let waited = self
            .changed
            .wait_timeout_while(seen, Duration::from_mins(1), is_missing);
        let (seen, timeout) = waited.expect("nobody panics");
        drop(seen);
        assert!(!timeout.timed_out(), "{what} waits for a block before it");
    }
}

/// Says which keys it was asked for.
struct Watched(MemoryStore<u8, u64>, Arc<Progress>);

impl State<u8, u64> for Watched {
    type Error = Infallible;

    fn get(&self, key: &u8) -> Result<Option<u64>, Infallible> {
        self.1.note(&self.1.is_read, *key);
        self.0.get(key)
    }

    fn range(
        &self,
        from: Bound<&u8>,
        to: Bound<&u8>,
        visit: &mut dyn FnMut(&u8, &u64) -> ControlFlow<()>,
    ) -> Result<RangeSupport, Infallible> {
        self.0.range(from, to, visit)
    }
}

impl Store<u8, u64> for Watched {
    fn height(&self) -> u64 {
        self.0.height()
    }

    fn advance(&self, height: u64, changes: Writes<u8, u64>) -> Result<(), Infallible> {
        self.0.advance(height, changes)
    }
}

/// Block number n reads key n, a hundred times. It does not end before the one after it has been analysed and read, up to the last.
struct Linked(Arc<Progress>);

const LAST: u8 = 8;

struct Link {
    id: u8,
    programs: Vec<Program>,
    analysis: Option<Analysis<ProgramVm>>,
}

impl Node for Linked {
    type Key = u8;
    type Value = u64;
    type Input = u8;
    type Block = Link;
    type Id = u8;
    type Output = ();
    type Error = ExecuteError;

    fn decode(&self, id: u8) -> Result<Link, ExecuteError> {
        let program = Program::new([Step::Get(id)]).declaring(Declared::Exactly);
        Ok(Link {
            id,
            programs: vec![program; 100],
            analysis: None,
        })
    }

    fn parent(&self, block: &Link) -> u8 {
        block.id - 1
    }

    fn id(&self, block: &Link) -> u8 {
        block.id
    }

    fn analyse(&self, block: &mut Link, executor: &ParallelExecutor) {
        let analysis = executor.analyse(&ProgramVm, &block.programs, &[]);
        assert!(analysis.has_plan());
        assert_eq!(analysis.keys(), [block.id]);
        block.analysis = Some(analysis);
        self.0.note(&self.0.is_analysed, block.id);
    }

    fn keys(&self, block: &Link) -> Vec<u8> {
        block.analysis.as_ref().expect("it is analysed").keys()
    }

    fn execute<S: State<u8, u64>>(
        &self,
        block: &mut Link,
        state: &S,
        executor: &ParallelExecutor,
        cancel: &CancelToken,
    ) -> Result<Executed<Self>, ExecuteError> {
        if block.id < LAST {
            self.0.wait_for(&self.0.is_analysed, block.id + 1);
            self.0.wait_for(&self.0.is_read, block.id + 1);
        }
        let analysis = block.analysis.take().expect("it is analysed");
        let block = Block::new(&ProgramVm, state, &block.programs).cancel(cancel);
        let outcome = executor.execute(block.analysed(analysis))?;
        Ok(((), outcome.changes))
    }
}

#[test]
fn the_next_block_is_analysed_and_read_while_one_executes() {
    let progress = Arc::new(Progress::default());
    let store = Watched(MemoryStore::new(MemoryState::new()), Arc::clone(&progress));
    let Ok(state) = VersionedState::open(store);
    let pipeline = Pipeline::builder(Linked(progress), state, 0, executor(2, Strategy::Exact))
        .workers(2.try_into().expect("there are some"))
        .readers(1)
        .build()
        .expect("there are threads");
    let tickets: Vec<_> = (1..=LAST)
        .map(|id| pipeline.submit(id).expect("it is open"))
        .collect();
    for (ticket, height) in tickets.into_iter().zip(1..) {
        assert_eq!(ticket.wait().expect("it is executed").height(), height);
    }
}
