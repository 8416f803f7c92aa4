//! Executes and checks a file's blocks, and measures how long execution takes.

use std::{
    io,
    time::{Duration, Instant},
};

use pleach::{CancelToken, Executor, SerialExecutor};
use pleach_evm::{BlockError, BlockResult, ChainSpec, EvmBlock, EvmState, PreparedBlock, check};

use super::{
    Plan,
    outcome::{BlockOutcome, Executed, Fate, Times},
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
        let (result, times) = self.measure(&prepared, state)?;
        if whole {
            prepared.apply(&result, state);
            state.insert_block_hash(block.header.number, block.hash);
        }
        // The protocol's own steps are no transactions to who counts those.
        let own_steps = prepared.steps().len() - block.transactions.len();
        Ok(Executed {
            gas_used: result.gas_used,
            checks: check(&prepared, &result, whole.then_some(&*state)),
            times,
            attempts: result.statistics.attempts.saturating_sub(own_steps),
        })
    }

    /// Executes a block as often as the plan says; the times are medians.
    fn measure(
        &self,
        prepared: &PreparedBlock<'_>,
        state: &EvmState,
    ) -> Result<(BlockResult, Times), BlockError> {
        // The one strategy of this version. What is chosen is measured on its own all the same where both are
        // compared: the difference between the two tells how far measurements can be trusted.
        let (serial, chosen) = (SerialExecutor::new(), SerialExecutor::new());
        if !self.plan.compares() {
            let (result, time) = self.execute(&serial, prepared, state)?;
            let times = Times {
                serial: time,
                run: time,
            };
            return Ok((result, times));
        }

        let repeat = usize::from(self.plan.repeat);
        let mut serial_times = Vec::with_capacity(repeat);
        let mut run_times = Vec::with_capacity(repeat);
        loop {
            serial_times.push(self.execute(&serial, prepared, state)?.1);
            let (result, time) = self.execute(&chosen, prepared, state)?;
            run_times.push(time);
            if run_times.len() == repeat {
                let times = Times {
                    serial: median(serial_times),
                    run: median(run_times),
                };
                return Ok((result, times));
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
    ) -> Result<(BlockResult, Duration), BlockError> {
        let begin = Instant::now();
        let result = prepared.execute(executor, state, self.cancel)?;
        Ok((result, begin.elapsed()))
    }
}
