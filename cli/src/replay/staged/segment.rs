//! Blocks that go through one pipeline: those of a chain, or those that each bring their own state.

use std::{collections::VecDeque, sync::Arc};

use anyhow::Context;
use pleach::{
    ParallelExecutor, Pipeline, VersionedState,
    pipeline::{
        BlockTicket, Failed, Final,
        seda_stages::{EventError, EventErrorKind, Snapshot},
    },
};
use pleach_evm::{BlockError, ChainSpec, EvmBlock, EvmNode, EvmState, EvmStore, check};

use super::{
    AHEAD, Blocks, Sink,
    live::Board,
    node::{Done, Incoming, ReplayNode, Work},
};
use crate::{
    input::Source,
    replay::outcome::{BlockOutcome, Executed, Fate, Times},
    stopped::is_cancelled,
    text::with_causes,
};

/// No chain goes back here.
const KEPT: u64 = 0;

/// So many blocks may be inside, or have come out and wait for their checks.
const INSIDE: usize = 4 * AHEAD;

/// What is known of a block before it is executed.
pub(super) struct About {
    source: Source,
    number: u64,
    fork: &'static str,
    transactions: usize,
}

impl About {
    pub(super) fn new(source: Source, spec: &ChainSpec, block: &EvmBlock) -> Self {
        let number = block.header.number;
        Self {
            source,
            number,
            fork: spec.fork_name(number, block.header.timestamp),
            transactions: block.transactions.len(),
        }
    }

    pub(super) fn with(self, fate: Fate) -> BlockOutcome {
        BlockOutcome {
            source: self.source,
            number: self.number,
            fork: self.fork,
            transactions: self.transactions,
            fate,
        }
    }
}

/// What is left when all blocks are done.
pub(super) struct End {
    pub(super) measured: Snapshot,
    /// What a chain has come to.
    pub(super) state: EvmState,
    /// Whether a block could not be executed, so that those after it cannot be.
    pub(super) is_broken: bool,
}

pub(super) struct Segment<'a> {
    pipeline: Arc<Blocks>,
    board: &'a Board,
    /// How many blocks were submitted.
    place: u64,
    inside: VecDeque<(About, BlockTicket<ReplayNode>)>,
    /// What the blocks have come to whose checks were made.
    state: EvmState,
    /// Whether that is known as a whole.
    whole: bool,
    is_broken: bool,
    /// Whether nobody wants the blocks any more: what is said of those after the first that was left out is of no use.
    is_stopped: bool,
}

impl<'a> Segment<'a> {
    /// For blocks after what `store` holds, and `state` is the same, if that is known as a whole.
    pub(super) fn new(
        executor: &ParallelExecutor,
        board: &'a Board,
        node: EvmNode,
        store: EvmStore,
        state: EvmState,
        whole: bool,
    ) -> anyhow::Result<Self> {
        let state_by_height = VersionedState::open(store)?;
        let pipeline = Pipeline::builder(ReplayNode(node), state_by_height, 0, executor.clone())
            .kept(KEPT)
            .queue(AHEAD)
            .build();
        let pipeline = Arc::new(pipeline.context("there are not enough threads")?);
        board.add(Arc::clone(&pipeline) as _);
        Ok(Self {
            pipeline,
            board,
            place: 0,
            inside: VecDeque::new(),
            state,
            whole,
            is_broken: false,
            is_stopped: false,
        })
    }

    /// Hands a block in. Those that have come out meanwhile are checked.
    pub(super) fn submit(
        &mut self,
        about: About,
        block: Incoming,
        sink: &mut Sink<'_>,
    ) -> anyhow::Result<()> {
        let work = Work {
            place: self.place,
            block,
        };
        self.place += 1;
        // It is closed only if all is cancelled.
        if let Ok(ticket) = self.pipeline.submit(work) {
            self.inside.push_back((about, ticket));
        }
        while let Some((_, ticket)) = self.inside.front()
            && (ticket.is_done() || self.inside.len() > INSIDE)
        {
            self.settle(sink)?;
        }
        Ok(())
    }

    /// Waits for all blocks.
    pub(super) fn finish(mut self, sink: &mut Sink<'_>) -> anyhow::Result<End> {
        while !self.inside.is_empty() {
            self.settle(sink)?;
        }
        self.board.remove();
        Ok(End {
            measured: self.pipeline.stages().snapshot(),
            state: self.state,
            is_broken: self.is_broken,
        })
    }

    /// Waits for the first block, and checks it.
    fn settle(&mut self, sink: &mut Sink<'_>) -> anyhow::Result<()> {
        let Some((about, ticket)) = self.inside.pop_front() else {
            return Ok(());
        };
        let end = ticket.wait().map(Final::into_output);
        self.is_stopped |= end.as_ref().is_err_and(is_stopped);
        if self.is_stopped {
            return Ok(());
        }
        let fate = match end {
            Ok(Some(Ok(done))) => Fate::Executed(self.check(done)),
            Ok(Some(Err(error))) => Fate::Failed(error),
            Ok(None) => Fate::NotRun,
            Err(error) => {
                self.is_broken = true;
                why(&error)
            }
        };
        self.board.step();
        Ok(sink(Ok(about.with(fate)))?)
    }

    fn check(&mut self, Done { executed, took }: Done) -> Executed {
        let (block, result) = (executed.block, executed.result);
        if self.whole {
            let EvmBlock { header, hash, .. } = block.block();
            block.apply(&result, &mut self.state);
            self.state.insert_block_hash(header.number, *hash);
        }
        let after = self.whole.then_some(&self.state);
        let checks = check(&block, &result, after);
        let times = Times {
            serial: None,
            run: took,
        };
        Executed::new(&block, result, checks, times)
    }
}

/// Whether a block was left out because nobody wants any more.
fn is_stopped(error: &EventError) -> bool {
    match Failed::<u64, BlockError>::of(error) {
        Some(Failed::Aborted) => true,
        Some(Failed::Node(error)) => is_cancelled(error),
        Some(_) => false,
        None => matches!(error.kind(), EventErrorKind::Cancelled),
    }
}

/// What became of a block that was not executed.
fn why(error: &EventError) -> Fate {
    match Failed::<u64, BlockError>::of(error) {
        Some(Failed::NotNext { .. }) => Fate::NotRun,
        Some(Failed::Node(error)) => Fate::Failed(with_causes(error)),
        Some(other) => Fate::Failed(with_causes(other)),
        None => Fate::Failed(with_causes(error)),
    }
}
