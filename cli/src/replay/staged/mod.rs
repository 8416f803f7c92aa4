//! Executes blocks in a pipeline: files are read and senders recovered while other blocks execute, and results checked behind.
//!
//! | file | what |
//! | --- | --- |
//! | `segment.rs` | blocks that go through one pipeline |
//! | `node.rs` | what the stages do with a block |
//! | `live.rs` | the stages on a terminal, while they work |
//! | `measured.rs` | how long blocks were in the stages |

mod live;
mod measured;
mod node;
mod segment;

use std::{collections::VecDeque, io, sync::Arc, time::Instant};

use anyhow::Context;
use pleach::{
    CancelToken, ParallelExecutor, Pipeline,
    pipeline::seda_stages::{self, EventErrorKind, Settings, Ticket, from_fn},
};
use pleach_evm::{Chain, Content, EvmNode, EvmState, EvmStore};

use self::{
    live::Board,
    node::{Incoming, ReplayNode},
    segment::{About, Segment},
};
use super::outcome::{BlockOutcome, Fate};
use crate::input::{Inputs, Loaded, Source, Unreadable};

pub(super) use self::measured::{Measured, StageMeasured};

/// How many files are read ahead.
const AHEAD: usize = 4;

/// Reads files.
type Reading = seda_stages::Pipeline<Source, Result<Loaded, Unreadable>>;
/// Executes blocks.
type Blocks = Pipeline<ReplayNode, EvmStore>;

/// Where the results of blocks go, and inputs that give none.
pub(super) type Sink<'a> = dyn FnMut(Result<BlockOutcome, Unreadable>) -> io::Result<()> + 'a;

/// Runs all inputs, and gives each block to `sink`, in order. Errors are the sink's, or that there are not enough threads.
pub(super) fn run(
    inputs: Inputs,
    executor: &ParallelExecutor,
    cancel: &CancelToken,
    hidden: bool,
    sink: &mut Sink<'_>,
) -> anyhow::Result<Measured> {
    let read = from_fn(|source: Source| Ok::<_, io::Error>(source.load()));
    let reading = seda_stages::Pipeline::builder()
        .stage("read", Settings::new().queue(AHEAD), read)
        .name("pleach-read")
        .build();
    let reading = Arc::new(reading.context("there are not enough threads")?);
    let board = Board::new(hidden, inputs.len());
    let begun = Instant::now();
    board.watch(cancel, || {
        board.add(Arc::clone(&reading) as _);
        let mut run = Run {
            executor,
            cancel,
            board: &board,
            alone: None,
            measured: Measured::default(),
            sink,
        };
        run.inputs(&reading, inputs)?;
        let mut measured = run.measured;
        measured.finish(begun.elapsed(), reading.snapshot());
        Ok(measured)
    })
}

struct Run<'a, 'b> {
    executor: &'a ParallelExecutor,
    cancel: &'a CancelToken,
    board: &'a Board,
    /// The pipeline for blocks that bring their own states, once there was one.
    alone: Option<Segment<'a>>,
    measured: Measured,
    sink: &'a mut Sink<'b>,
}

impl Run<'_, '_> {
    fn inputs(&mut self, reading: &Reading, inputs: Inputs) -> anyhow::Result<()> {
        let mut inputs = inputs.into_iter();
        let mut ahead = VecDeque::new();
        while !self.cancel.is_cancelled() {
            while ahead.len() < AHEAD
                && let Some(input) = inputs.next()
            {
                // It is closed only if all is cancelled.
                ahead.push_back(input.map(|source| reading.submit(source).ok()));
            }
            let loaded = match ahead.pop_front() {
                None => break,
                Some(Ok(ticket)) => match ticket.map(Ticket::wait) {
                    None => break,
                    Some(Ok(loaded)) => loaded,
                    Some(Err(error)) if matches!(error.kind(), EventErrorKind::Cancelled) => break,
                    Some(Err(error)) => return Err(error.into()),
                },
                Some(Err(unreadable)) => Err(unreadable),
            };
            match loaded {
                Ok(loaded) => self.loaded(loaded)?,
                Err(unreadable) => {
                    self.settle_alone()?;
                    self.board.step();
                    (self.sink)(Err(unreadable))?;
                }
            }
        }
        self.settle_alone()
    }

    fn loaded(&mut self, Loaded { source, content }: Loaded) -> anyhow::Result<()> {
        match content {
            Content::Block(file) => {
                let about = About::new(source, &file.spec, &file.block);
                let segment = match &mut self.alone {
                    Some(segment) => segment,
                    absent => {
                        // They leave nothing for each other.
                        let node = EvmNode::new(file.spec.clone(), 0);
                        let state = EvmState::default();
                        let store = EvmStore::new(state.clone(), 0, &file.spec);
                        absent.insert(Segment::new(
                            self.executor,
                            self.board,
                            node,
                            store,
                            state,
                            false,
                        )?)
                    }
                };
                segment.submit(about, Incoming::Alone(file), self.sink)
            }
            Content::Chain(chain) => {
                self.settle_alone()?;
                self.chain(&source, *chain)
            }
        }
    }

    fn settle_alone(&mut self) -> anyhow::Result<()> {
        if let Some(segment) = self.alone.take() {
            self.measured.add(segment.finish(self.sink)?.measured);
        }
        Ok(())
    }

    fn chain(&mut self, source: &Source, chain: Chain) -> anyhow::Result<()> {
        let Chain {
            spec,
            genesis: mut state,
            blocks,
        } = chain;
        self.board.expand(blocks.len());
        let mut is_broken = false;
        let mut blocks = blocks.into_iter().peekable();
        // A store ends where empty accounts cease to exist.
        while let Some(first) = blocks.peek().map(|block| block.header.number) {
            let before = first.saturating_sub(1);
            let node = EvmNode::new(spec.clone(), before);
            let store = EvmStore::new(state.clone(), before, &spec);
            let mut segment =
                Segment::new(self.executor, self.board, node.clone(), store, state, true)?;
            while let Some(block) = blocks.next_if(|block| node.takes(block.header.number)) {
                let about = About::new(source.clone(), &spec, &block);
                if is_broken {
                    self.board.step();
                    (self.sink)(Ok(about.with(Fate::NotRun)))?;
                } else {
                    segment.submit(about, Incoming::OfChain(Box::new(block)), self.sink)?;
                }
                if self.cancel.is_cancelled() {
                    break;
                }
            }
            let end = segment.finish(self.sink)?;
            self.measured.add(end.measured);
            state = end.state;
            is_broken |= end.is_broken;
            if self.cancel.is_cancelled() {
                break;
            }
        }
        Ok(())
    }
}
