//! What each stage does with a block.

use std::{
    collections::VecDeque,
    error::Error,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
};

use parking_lot::Mutex;
use rayon::ThreadPool;
use seda_stages::{Batch, Stage};

use super::{
    Event, EventOf, Failed, Final,
    node::{Executed, Node},
    storing::{Done, Storing},
};
use crate::{
    cancel::CancelToken,
    parallel::ParallelExecutor,
    versioned::{Prefetched, Store, VersionedState},
};

pub(super) type FailedOf<N> = Failed<<N as Node>::Id, <N as Node>::Error>;
type StateOf<N, S> = VersionedState<<N as Node>::Key, <N as Node>::Value, S>;

/// The stages up to execution: a block, or a place to go back to.
pub(super) type Decoded<N> = Event<<N as Node>::Block, <N as Node>::Id>;

pub(super) fn decode<N: Node>(node: &N, event: EventOf<N>) -> Result<Decoded<N>, FailedOf<N>> {
    match event {
        Event::Block(input) => node.decode(input).map(Event::Block).map_err(Failed::Node),
        Event::Revert(id) => Ok(Event::Revert(id)),
    }
}

pub(super) fn check<N: Node>(node: &N, mut event: Decoded<N>) -> Result<Decoded<N>, FailedOf<N>> {
    if let Event::Block(block) = &mut event {
        node.check(block).map_err(Failed::Node)?;
    }
    Ok(event)
}

pub(super) fn analyse<N: Node>(
    node: &N,
    executor: &ParallelExecutor,
    mut event: Decoded<N>,
) -> Decoded<N> {
    if let Event::Block(block) = &mut event {
        node.analyse(block, executor);
    }
    event
}

/// A block, and what the store says of its keys.
pub(super) struct Fetched<N: Node, S> {
    event: Decoded<N>,
    warmth: Option<Prefetched<N::Key, N::Value, S>>,
}

impl<N: Node, S> Fetched<N, S> {
    /// Nobody reads ahead.
    pub(super) fn cold(event: Decoded<N>) -> Self {
        let warmth = None;
        Self { event, warmth }
    }
}

pub(super) fn prefetch<N: Node, S: Store<N::Key, N::Value> + Sync>(
    node: &N,
    state: &StateOf<N, S>,
    readers: &ThreadPool,
    event: Decoded<N>,
) -> Fetched<N, S> {
    let warmth = match &event {
        // A key may be a guess. If one that is needed cannot be read, execution says so.
        Event::Block(block) => state.prefetch_on(readers, node.keys(block)).ok(),
        Event::Revert(_) => None,
    };
    Fetched { event, warmth }
}

/// The names of the blocks that the chain can go back to, the last one that of the latest.
pub(super) struct Names<Id>(VecDeque<Id>);

impl<Id: Clone + PartialEq> Names<Id> {
    /// `before` begins with the parent of the latest.
    pub(super) fn new(latest: Id, before: impl IntoIterator<Item = Id>) -> Self {
        let mut names = VecDeque::from([latest]);
        for name in before {
            names.push_front(name);
        }
        Self(names)
    }

    fn latest(&self) -> &Id {
        self.0.back().expect("the chain ends somewhere")
    }
}

/// One block after the other. It outlives panics: what it knows is changed when nothing can fail any more.
pub(super) struct Execute<N: Node, S> {
    pub(super) storing: Arc<Storing<N, S>>,
    pub(super) executor: ParallelExecutor,
    pub(super) cancel: CancelToken,
    pub(super) names: Arc<Mutex<Names<N::Id>>>,
    /// If the store owes so many heights, it has to take some before others are executed.
    pub(super) most_owed: u64,
}

impl<N: Node, S: Store<N::Key, N::Value> + Sync + 'static> Execute<N, S> {
    /// However long the store fails, memory is bounded.
    fn is_not_too_far(&self) -> Result<(), FailedOf<N>> {
        let heights = self.storing.state.owed();
        if heights < self.most_owed {
            return Ok(());
        }
        self.storing.store().map_err(|error| Failed::StoreBehind {
            heights,
            cause: Box::new(error),
        })
    }

    fn execute(
        &self,
        block: &mut N::Block,
        warmth: Option<&Prefetched<N::Key, N::Value, S>>,
    ) -> Result<Executed<N>, FailedOf<N>> {
        let snapshot = self.storing.state.latest();
        let (node, executor, cancel) = (&self.storing.node, &self.executor, &self.cancel);
        let executed = match warmth {
            Some(warmth) => node.execute(block, &snapshot.with(warmth), executor, cancel),
            None => node.execute(block, &snapshot, executor, cancel),
        };
        executed.map_err(|error| {
            if cancel.is_cancelled() {
                Failed::Aborted
            } else {
                Failed::Node(error)
            }
        })
    }
}

impl<N: Node, S: Store<N::Key, N::Value> + Sync + 'static> Stage for Execute<N, S> {
    type In = Fetched<N, S>;
    type Out = Done<N::Output>;
    type Error = FailedOf<N>;

    fn handle(
        &mut self,
        Fetched { event, warmth }: Fetched<N, S>,
    ) -> Result<Self::Out, Self::Error> {
        let mut names = self.names.lock();
        let Storing { node, state, .. } = &*self.storing;
        let mut block = match event {
            Event::Block(block) => block,
            Event::Revert(id) => {
                let back = names.0.iter().rev().position(|name| *name == id);
                let back = back.ok_or(Failed::Unknown { id })?;
                let height = state.height() - back as u64;
                let done = self.storing.revert(height).map_err(Failed::Height)?;
                let left = names.0.len() - back;
                names.0.truncate(left);
                return Ok(done);
            }
        };
        let parent = node.parent(&block);
        if parent != *names.latest() {
            let latest = names.latest().clone();
            return Err(Failed::NotNext { parent, latest });
        }
        self.is_not_too_far()?;
        let id = node.id(&block);
        let (output, changes) = self.execute(&mut block, warmth.as_ref())?;
        let height = state.commit(changes);
        names.0.push_back(id);
        if names.0.len() as u64 > self.storing.kept.saturating_add(1) {
            names.0.pop_front();
        }
        Ok(self.storing.executed(height, output))
    }
}

/// All blocks together that have come meanwhile.
pub(super) struct Persist<N: Node, S>(pub(super) Arc<Storing<N, S>>);

impl<N: Node, S: Store<N::Key, N::Value> + Sync + 'static> Stage for Persist<N, S> {
    type In = Done<N::Output>;
    type Out = Final<N::Output>;
    type Error = FailedOf<N>;

    fn handle(&mut self, done: Self::In) -> Result<Self::Out, Self::Error> {
        match self.0.store() {
            Ok(()) => Ok(self.0.tell(done)),
            Err(error) => {
                self.0.miss(done);
                Err(Failed::NotStored(Arc::new(error)))
            }
        }
    }

    fn handle_batch(&mut self, batch: &mut Batch<Self::In, Self::Out, Self::Error>) {
        let stored = catch_unwind(AssertUnwindSafe(|| self.0.store()));
        let stored = stored.unwrap_or_else(|panic| {
            // They are part of the chain already, so the node is told of them when the store has them.
            while let Some(done) = batch.take() {
                self.0.miss(done);
            }
            resume_unwind(panic)
        });
        let stored = stored.map_err(|error| Arc::new(error) as Arc<dyn Error + Send + Sync>);
        // If the node panics when it is told of one, the others are still there.
        while let Some(done) = batch.take() {
            batch.answer(match &stored {
                Ok(()) => Ok(self.0.tell(done)),
                Err(error) => {
                    self.0.miss(done);
                    Err(Failed::NotStored(Arc::clone(error)))
                }
            });
        }
    }
}
