//! Executes and checks a file's blocks, and measures how long execution takes.

use std::{
    error::Error,
    io,
    time::{Duration, Instant},
};

use pleach::{CancelToken, ExecuteErrorKind, Executor, SerialExecutor};
use pleach_evm::{
    BlockError, BlockFile, BlockResult, Chain, ChainSpec, Content, EvmBlock, EvmState,
    PreparedBlock, check,
};

use super::{
    Plan,
    input::Loaded,
    outcome::{BlockOutcome, Executed, Fate, Times},
    progress::Progress,
};

/// Runs blocks by a plan.
pub(super) struct Runner<'a> {
    pub(super) plan: Plan,
    pub(super) cancel: &'a CancelToken,
    pub(super) progress: &'a Progress,
}

/// Why there is no result of a block.
enum Stopped {
    /// Nobody wants it any more.
    Cancelled,
    /// It cannot be executed, for this reason.
    Failed(String),
}

impl From<BlockError> for Stopped {
    fn from(error: BlockError) -> Self {
        match &error {
            BlockError::Execute { error, .. }
                if matches!(error.kind(), ExecuteErrorKind::Cancelled) =>
            {
                Stopped::Cancelled
            }
            _ => Stopped::Failed(with_causes(&error)),
        }
    }
}

/// The message of an error and of what caused it, as far as that is not part of the message already.
fn with_causes(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.ends_with(&text) {
            message = format!("{message}: {text}");
        }
        cause = error.source();
    }
    message
}

impl Runner<'_> {
    /// Runs the blocks of a file, and gives each to `sink`, until all are done or cancelled. An error is the sink's.
    pub(super) fn run(
        &self,
        loaded: Loaded,
        sink: &mut dyn FnMut(BlockOutcome) -> io::Result<()>,
    ) -> io::Result<()> {
        let (spec, mut state, blocks, whole) = match loaded.content {
            Content::Block(file) => {
                let BlockFile { spec, block, state } = *file;
                (spec, state, vec![block], false)
            }
            Content::Chain(chain) => {
                let Chain {
                    spec,
                    genesis,
                    blocks,
                } = *chain;
                (spec, genesis, blocks, true)
            }
        };
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

/// The median of at least one time.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    let middle = times.len() / 2;
    if times.len().is_multiple_of(2) {
        (times[middle - 1] + times[middle]) / 2
    } else {
        times[middle]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let of = |times: &[u64]| median(times.iter().copied().map(Duration::from_secs).collect());
        assert_eq!(of(&[7]).as_secs(), 7);
        assert_eq!(of(&[9, 1, 2]).as_secs(), 2);
        assert_eq!(of(&[9, 1, 2, 4]).as_secs(), 3);
    }

    #[test]
    fn a_cause_is_told_once() {
        let outer = anyhow::anyhow!("inner").context("outer: inner");
        assert_eq!(with_causes(outer.as_ref()), "outer: inner");
        let outer = anyhow::anyhow!("inner").context("outer");
        assert_eq!(with_causes(outer.as_ref()), "outer: inner");
    }
}
