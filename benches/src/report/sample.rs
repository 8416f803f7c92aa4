//! One block seen from near: its tree, what its transactions cost, and which worker did what when.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use pleach::{
    AccessSet, Block, Delta, ExecuteError, Executor, ParallelExecutor, SerialExecutor, State,
    StateView, Stop, Trust, Value, Vm,
};
use pleach_dtt::{Dtt, OpenTree};

/// A block of a workload, executed serially to see what is in it.
#[derive(Clone, Debug)]
pub struct Sample {
    /// As in [`Row`](crate::row::Row).
    pub workload: String,
    /// As in [`Row`](crate::row::Row).
    pub params: BTreeMap<String, serde_json::Value>,
    /// What its transactions need of each other.
    pub tree: Dtt,
    /// How long each took, in nanoseconds.
    pub costs: Vec<u64>,
}

/// An attempt to execute a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// Which one.
    pub transaction: usize,
    /// On which worker.
    pub worker: usize,
    /// When it began, from the beginning of the block.
    pub begun: Duration,
    /// When it was over.
    pub ended: Duration,
}

/// What the workers did while a block was executed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Timeline {
    /// How the block was executed.
    pub engine: String,
    /// How many workers there were.
    pub workers: usize,
    /// When the outcome was there.
    pub total: Duration,
    /// By their beginning.
    pub attempts: Vec<Attempt>,
}

impl Sample {
    /// Executes a block serially, twice: to see what it touches, and how long that takes.
    ///
    /// # Errors
    ///
    /// If it cannot be executed, or has more than a tree can hold.
    pub fn new<V: Vm, S: State<V::Key, V::Value>>(
        workload: &str,
        params: &BTreeMap<String, serde_json::Value>,
        vm: &V,
        state: &S,
        block: &[V::Transaction],
    ) -> Result<Self, SampleError> {
        let serial = SerialExecutor::new();
        let (_, accesses) = serial.record(Block::new(vm, state, block))?;
        let mut open = OpenTree::with_capacity(block.len(), block.len());
        for set in &accesses {
            open.push(set, Trust::Exact)?;
        }
        let (_, costs) = serial.time(Block::new(vm, state, block))?;
        Ok(Self {
            workload: workload.to_owned(),
            params: params.clone(),
            tree: open.into_tree(),
            costs: costs.iter().map(|cost| cost.as_nanos() as u64).collect(),
        })
    }
}

/// Why there is no sample.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SampleError {
    /// The block cannot be executed.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    /// It has more than a tree can hold.
    #[error(transparent)]
    TooLarge(#[from] pleach_dtt::TooLarge),
}

impl Timeline {
    /// Executes a block and writes down each attempt. That takes some time for each, which is in what is shown. `workers` is how
    /// many the executor has: one that had nothing to do is shown as well.
    ///
    /// # Errors
    ///
    /// If the block cannot be executed.
    pub fn new<V: Vm, S: State<V::Key, V::Value>>(
        engine: &str,
        executor: &ParallelExecutor,
        workers: NonZeroUsize,
        vm: &V,
        state: &S,
        block: &[V::Transaction],
    ) -> Result<Self, ExecuteError> {
        let watched = Watched {
            vm,
            block,
            seen: Mutex::new(Vec::with_capacity(2 * block.len())),
        };
        let numbers: Vec<_> = (0..block.len()).collect();
        let begun = Instant::now();
        executor.execute(Block::new(&watched, state, &numbers))?;
        let total = begun.elapsed();
        let mut seen = watched.seen.into_inner();
        seen.sort_by_key(|seen| seen.begun);
        let mut threads = Vec::new();
        let attempts = seen.iter().map(|seen| Attempt {
            transaction: seen.transaction,
            worker: place(&mut threads, seen.thread),
            begun: seen.begun.saturating_duration_since(begun),
            ended: seen.ended.saturating_duration_since(begun),
        });
        let attempts = attempts.collect();
        Ok(Self {
            engine: engine.to_owned(),
            workers: threads.len().max(workers.get()),
            total,
            attempts,
        })
    }
}

/// Where a thread is among those that were met, at the end if it is new.
fn place(threads: &mut Vec<ThreadId>, thread: ThreadId) -> usize {
    let known = threads.iter().position(|known| *known == thread);
    known.unwrap_or_else(|| {
        threads.push(thread);
        threads.len() - 1
    })
}

/// A VM of which each attempt is written down. Its transactions are their numbers.
struct Watched<'a, V: Vm> {
    vm: &'a V,
    block: &'a [V::Transaction],
    seen: Mutex<Vec<Seen>>,
}

struct Seen {
    transaction: usize,
    thread: ThreadId,
    begun: Instant,
    ended: Instant,
}

impl<V: Vm> Vm for Watched<'_, V> {
    type Transaction = usize;
    type Key = V::Key;
    type Value = V::Value;
    type Output = V::Output;
    type Error = V::Error;
    type Scratch = V::Scratch;

    fn accesses(&self, transaction: &usize, set: &mut AccessSet<V::Key>) -> Trust {
        self.vm.accesses(&self.block[*transaction], set)
    }

    fn forecast(
        &self,
        transaction: &usize,
        add: &mut dyn FnMut(V::Key, Delta<<V::Value as Value>::Amount>),
    ) {
        self.vm.forecast(&self.block[*transaction], add);
    }

    fn weight(&self, transaction: &usize) -> u32 {
        self.vm.weight(&self.block[*transaction])
    }

    fn execute<S: StateView<V::Key, V::Value>>(
        &self,
        transaction: &usize,
        state: &mut S,
        scratch: &mut V::Scratch,
    ) -> Result<V::Output, Stop<V::Error>> {
        let begun = Instant::now();
        let result = self.vm.execute(&self.block[*transaction], state, scratch);
        let ended = Instant::now();
        self.seen.lock().push(Seen {
            transaction: *transaction,
            thread: thread::current().id(),
            begun,
            ended,
        });
        result
    }
}

#[cfg(test)]
mod tests {
    use pleach::{
        MemoryState, Runtime, Strategy,
        testkit::{Program, ProgramVm, Step},
    };

    use super::*;

    #[test]
    fn each_attempt_is_seen() {
        let block: Vec<_> = (0..50)
            .map(|number| Program::new([Step::Get(number / 2), Step::Put(number / 2, 1)]))
            .collect();
        let state = MemoryState::new();
        let sample = Sample::new("pairs", &BTreeMap::new(), &ProgramVm, &state, &block);
        let sample = sample.expect("it is executed");
        assert_eq!((sample.tree.len(), sample.costs.len()), (50, 50));
        assert_eq!(sample.tree.branches().len(), 25);

        let two = NonZeroUsize::MIN.saturating_add(1);
        let runtime = Runtime::builder().workers(two).build();
        let runtime = runtime.expect("there are threads");
        let executor = ParallelExecutor::new(&runtime).strategy(Strategy::Optimistic);
        let timeline = Timeline::new("optimistic", &executor, two, &ProgramVm, &state, &block);
        let timeline = timeline.expect("it is executed");
        let mut seen = [false; 50];
        for attempt in &timeline.attempts {
            seen[attempt.transaction] = true;
            assert!(attempt.begun <= attempt.ended && attempt.ended <= timeline.total);
            assert!(attempt.worker < timeline.workers);
        }
        assert_eq!((seen, timeline.workers), ([true; 50], 2));
    }
}
