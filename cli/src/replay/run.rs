//! Executes and checks a file's blocks, and measures how long execution takes.

use std::{
    io,
    time::{Duration, Instant},
};

use pleach::{CancelToken, Executor, ParallelExecutor, SerialExecutor, dtt::Dtt};
use pleach_evm::{
    BlockError, BlockResult, ChainSpec, Check, CheckResult, EvmBlock, EvmState, PreparedBlock,
    check,
};

use super::{
    Plan,
    hints::Folders,
    outcome::{BlockOutcome, Executed, Fate, Times},
    same::same_as_serial,
};
use crate::{
    input::{Loaded, Parts},
    progress::Progress,
    stopped::Stopped,
    text::median,
};

/// Runs blocks by a plan.
pub(super) struct Runner<'a> {
    pub(super) plan: Plan,
    pub(super) executor: &'a ParallelExecutor,
    pub(super) folders: &'a Folders,
    pub(super) cancel: &'a CancelToken,
    pub(super) progress: &'a Progress,
}

impl Runner<'_> {
    /// Runs the blocks of a file, and gives each to `sink`, until all are done or cancelled. An error is the sink's.
    pub(super) fn run(
        &self,
        loaded: Loaded,
        sink: &mut dyn FnMut(BlockOutcome) -> io::Result<()>,
    ) -> io::Result<()> {
        let Parts {
            spec,
            mut state,
            blocks,
            whole,
        } = loaded.content.into();
        self.progress.expand(blocks.len());
        let mut broken = false;
        for block in &blocks {
            let number = block.header.number;
            self.progress.say(format!("block {number}"));
            let fate = if broken {
                Fate::NotRun
            } else {
                match self.block(&spec, block, &mut state, whole) {
                    Ok(executed) => Fate::Executed(executed),
                    Err(Stopped::Failed(error)) => {
                        broken = true;
                        Fate::Failed(error)
                    }
                    Err(Stopped::Cancelled) => return Ok(()),
                }
            };
            sink(BlockOutcome {
                source: loaded.source.clone(),
                number,
                fork: spec.fork_name(number, block.header.timestamp),
                transactions: block.transactions.len(),
                fate,
            })?;
            self.progress.step();
        }
        Ok(())
    }

    /// Executes and checks one block. If `state` is known as a whole, it is brought to where the block leaves it.
    fn block(
        &self,
        spec: &ChainSpec,
        block: &EvmBlock,
        state: &mut EvmState,
        whole: bool,
    ) -> Result<Executed, Stopped> {
        if self.cancel.is_cancelled() {
            return Err(Stopped::Cancelled);
        }
        let prepared = block.prepare(spec)?;
        let tree = self.folders.read(&prepared)?;
        let (result, times, same) = self.measure(&prepared, state, tree.as_ref())?;
        self.folders.write(&prepared, state, self.cancel)?;
        if whole {
            prepared.apply(&result, state);
            state.insert_block_hash(block.header.number, block.hash);
        }
        let mut checks = check(&prepared, &result, whole.then_some(&*state));
        checks.extend(same);
        Ok(Executed::new(&prepared, result, checks, times))
    }

    /// Executes a block as often as the plan says, and compares the results; the times are medians.
    fn measure(
        &self,
        prepared: &PreparedBlock<'_>,
        state: &EvmState,
        tree: Option<&Dtt>,
    ) -> Result<(BlockResult, Times, Option<Check>), BlockError> {
        let serial = SerialExecutor::new();
        if !self.plan.compares() {
            let (result, time) = self.execute(&serial, prepared, state, None)?;
            let times = Times {
                serial: Some(time),
                run: time,
            };
            return Ok((result, times, None));
        }

        // Not measured: what comes first fills the caches, of the processor and of what lies below.
        let (expected, _) = self.execute(&serial, prepared, state, None)?;
        let repeat = usize::from(self.plan.repeat);
        let mut serial_times = Vec::with_capacity(repeat);
        let mut run_times = Vec::with_capacity(repeat);
        loop {
            serial_times.push(self.execute(&serial, prepared, state, None)?.1);
            let (result, time) = self.execute(self.executor, prepared, state, tree)?;
            run_times.push(time);
            let same = same_as_serial(&expected, &result);
            if run_times.len() == repeat || same.result != CheckResult::Passed {
                let times = Times {
                    serial: Some(median(serial_times)),
                    run: median(run_times),
                };
                return Ok((result, times, Some(same)));
            }
            self.progress.tick();
        }
    }

    /// Executes a block once.
    fn execute(
        &self,
        executor: &impl Executor,
        prepared: &PreparedBlock<'_>,
        state: &EvmState,
        tree: Option<&Dtt>,
    ) -> Result<(BlockResult, Duration), BlockError> {
        let begin = Instant::now();
        let result = match tree {
            Some(tree) => prepared.execute_hinted(executor, state, tree, self.cancel)?,
            None => prepared.execute(executor, state, self.cancel)?,
        };
        Ok((result, begin.elapsed()))
    }
}
