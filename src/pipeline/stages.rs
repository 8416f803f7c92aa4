//! What each stage does with a block.

use std::{collections::VecDeque, error::Error, sync::Arc};

use parking_lot::Mutex;
use rayon::ThreadPool;
use seda_stages::{Batch, Stage};

use super::{Event, EventOf, Failed, Final, node::Node};
use crate::{
    cancel::CancelToken,
    parallel::ParallelExecutor,
    versioned::{Prefetched, PruneError, Store, VersionedState},
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
) -> Result<Fetched<N, S>, FailedOf<N>> {
    let warmth = match &event {
        Event::Block(block) => {
            let found = state.prefetch_on(readers, node.keys(block));
            Some(found.map_err(|error| Failed::Read(Box::new(error)))?)
        }
        Event::Revert(_) => None,
    };
    Ok(Fetched { event, warmth })
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
    pub(super) node: Arc<N>,
    pub(super) state: StateOf<N, S>,
    pub(super) executor: ParallelExecutor,
    pub(super) cancel: CancelToken,
    pub(super) names: Arc<Mutex<Names<N::Id>>>,
    /// How many heights can be reverted.
    pub(super) kept: u64,
}

impl<N: Node, S: Store<N::Key, N::Value> + Sync + 'static> Stage for Execute<N, S> {
    type In = Fetched<N, S>;
    type Out = Final<N::Output>;
    type Error = FailedOf<N>;

    fn handle(
        &mut self,
        Fetched { event, warmth }: Fetched<N, S>,
    ) -> Result<Self::Out, Self::Error> {
        let mut names = self.names.lock();
        let block = match event {
            Event::Block(block) => block,
            Event::Revert(id) => {
                let back = names.0.iter().rev().position(|name| *name == id);
                let back = back.ok_or(Failed::Unknown { id })?;
                let height = self.state.height() - back as u64;
                self.state.revert(height).map_err(Failed::Height)?;
                let left = names.0.len() - back;
                names.0.truncate(left);
                return Ok(Final::Reverted { height });
            }
        };
        let parent = self.node.parent(&block);
        if parent != *names.latest() {
            let latest = names.latest().clone();
            return Err(Failed::NotNext { parent, latest });
        }
        let snapshot = self.state.latest();
        let (node, executor, cancel) = (&self.node, &self.executor, &self.cancel);
        let executed = match &warmth {
            Some(warmth) => node.execute(&block, &snapshot.with(warmth), executor, cancel),
            None => node.execute(&block, &snapshot, executor, cancel),
        };
        let (output, changes) = executed.map_err(Failed::Node)?;
        let id = self.node.id(&block);
        let height = self.state.commit(changes);
        names.0.push_back(id);
        if names.0.len() as u64 > self.kept + 1 {
            names.0.pop_front();
        }
        Ok(Final::Block { height, output })
    }
}

/// All blocks together that have come meanwhile.
pub(super) struct Persist<N: Node, S> {
    pub(super) node: Arc<N>,
    pub(super) state: StateOf<N, S>,
    /// How many heights stay in memory.
    pub(super) kept: u64,
}

impl<N: Node, S: Store<N::Key, N::Value>> Persist<N, S> {
    fn persist(&self) -> Result<(), S::Error> {
        let height = self.state.persist()?.saturating_sub(self.kept);
        if height <= self.state.first_height() {
            return Ok(());
        }
        match self.state.prune(height) {
            // Reverted meanwhile, so it is for the next time.
            Ok(()) | Err(PruneError::Height(_)) => Ok(()),
            Err(PruneError::Store(error)) => Err(error),
        }
    }

    fn tell(&self, event: Final<N::Output>) -> Final<N::Output> {
        if let Final::Block { height, output } = &event {
            self.node.committed(*height, output);
        }
        event
    }
}

impl<N: Node, S: Store<N::Key, N::Value> + Sync + 'static> Stage for Persist<N, S> {
    type In = Final<N::Output>;
    type Out = Final<N::Output>;
    type Error = FailedOf<N>;

    fn handle(&mut self, event: Self::In) -> Result<Self::Out, Self::Error> {
        match self.persist() {
            Ok(()) => Ok(self.tell(event)),
            Err(error) => Err(Failed::NotStored(Arc::new(error))),
        }
    }

    fn handle_batch(&mut self, batch: &mut Batch<Self::In, Self::Out, Self::Error>) {
        // They are part of the chain already. If the node panics when it is told of one, the others are still there.
        let stored = self.persist();
        let stored = stored.map_err(|error| Arc::new(error) as Arc<dyn Error + Send + Sync>);
        while let Some(event) = batch.take() {
            batch.answer(match &stored {
                Ok(()) => Ok(self.tell(event)),
                Err(error) => Err(Failed::NotStored(Arc::clone(error))),
            });
        }
    }
}
