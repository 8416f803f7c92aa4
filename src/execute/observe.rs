//! Serial runs that are watched: what each transaction touches, and how long it takes.
//!
//! A block's tree is made of what its transactions touch. Where nobody knows that beforehand, a recording tells, and its
//! sets are the ones to ship with the block, or to ask the simulator about.

use std::time::{Duration, Instant};

use pleach_dtt::AccessSet;

use super::{
    record::Recorder,
    serial::{Observer, SerialExecutor},
};
use crate::{
    block::Block,
    error::ExecuteError,
    outcome::Outcome,
    state::State,
    view::StateView,
    vm::{Stop, Vm},
};

/// What a block came to, and what each of its transactions touched.
pub type Recording<V> = (Outcome<V>, Vec<AccessSet<<V as Vm>::Key>>);

impl SerialExecutor {
    /// Executes `block` and records what each of its transactions touches: also those that fail, and nothing of those that
    /// are not executed.
    ///
    /// A key that a transaction has written before it reads it is not read: it sees its own value. Predicates are
    /// recorded as checks, adds as adds, and scans as far as they went.
    ///
    /// # Errors
    ///
    /// As [`execute`](crate::Executor::execute).
    ///
    /// # Examples
    ///
    /// ```
    /// use pleach::{
    ///     MemoryState, SerialExecutor,
    ///     testkit::{Program, ProgramVm, Step},
    ///     Block,
    /// };
    ///
    /// let programs = [Program::new([Step::Get(1), Step::Put(2, 7), Step::Get(2)])];
    /// let state = MemoryState::default();
    /// let block = Block::new(&ProgramVm, &state, &programs);
    /// let (outcome, accesses) = SerialExecutor::new().record(block)?;
    /// assert_eq!(outcome.changes.get(&2), Some(Some(&7)));
    /// assert!(accesses[0].reads().eq(&[1]));
    /// assert!(accesses[0].writes().eq(&[2]));
    /// # Ok::<(), pleach::ExecuteError>(())
    /// ```
    pub fn record<V: Vm, S: State<V::Key, V::Value>>(
        &self,
        block: Block<'_, V, S>,
    ) -> Result<Recording<V>, ExecuteError> {
        let mut recorder = Recorder::new(block.transactions.len());
        let outcome = self.run(block, &mut Some(&mut recorder))?;
        Ok((outcome, recorder.into_accesses()))
    }

    /// Executes `block` and measures how long each of its transactions takes; zero for those that are not executed.
    ///
    /// # Errors
    ///
    /// As [`execute`](crate::Executor::execute).
    pub fn time<V: Vm, S: State<V::Key, V::Value>>(
        &self,
        block: Block<'_, V, S>,
    ) -> Result<(Outcome<V>, Vec<Duration>), ExecuteError> {
        let mut clock = Clock {
            times: vec![Duration::ZERO; block.transactions.len()],
        };
        let outcome = self.run(block, &mut clock)?;
        Ok((outcome, clock.times))
    }
}

struct Clock {
    times: Vec<Duration>,
}

impl<V: Vm> Observer<V> for Clock {
    fn execute<S: StateView<V::Key, V::Value>>(
        &mut self,
        index: usize,
        vm: &V,
        transaction: &V::Transaction,
        view: &mut S,
        scratch: &mut V::Scratch,
    ) -> Result<V::Output, Stop<V::Error>> {
        let start = Instant::now();
        let result = vm.execute(transaction, view, scratch);
        self.times[index] = start.elapsed();
        result
    }
}
