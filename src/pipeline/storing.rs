//! What reaches the store, and who hears of it.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;

use super::{Final, node::Node};
use crate::versioned::{HeightError, PruneError, Store, VersionedState};

/// The chain on its way into the store. What it knows outlives the handlers of stages, and their panics.
pub(super) struct Storing<N: Node, S> {
    pub(super) node: Arc<N>,
    pub(super) state: VersionedState<N::Key, N::Value, S>,
    /// How many heights stay in memory that could be in the store.
    pub(super) kept: u64,
    going_back: Mutex<GoingBack>,
    told: Mutex<Told<N::Output>>,
}

/// What has been executed, with its place in the order of execution.
pub(super) struct Done<Output> {
    place: u64,
    event: Final<Output>,
}

/// Where the chain has gone back, for who is told of blocks later.
#[derive(Default)]
struct GoingBack {
    /// The place of the next event.
    next: u64,
    /// Places and heights of those whose turn to be told has not come.
    ahead: VecDeque<(u64, u64)>,
}

impl GoingBack {
    fn place(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Whether the block of this place and height is no longer part of the chain.
    fn has_undone(&self, place: u64, height: u64) -> bool {
        let mut later = self.ahead.iter().filter(|(back, _)| *back > place);
        later.any(|(_, to)| *to < height)
    }
}

/// What the node has been told.
struct Told<Output> {
    /// The height of the chain, as far as it knows.
    height: u64,
    /// To this height the chain has gone back since, or it is the same.
    common: u64,
    /// What came after that, and was not told because the store had failed: places, heights and outputs.
    missed: VecDeque<(u64, u64, Output)>,
}

impl<N: Node, S: Store<N::Key, N::Value>> Storing<N, S> {
    pub(super) fn new(node: Arc<N>, state: VersionedState<N::Key, N::Value, S>, kept: u64) -> Self {
        let height = state.height();
        Self {
            node,
            state,
            kept,
            going_back: Mutex::default(),
            told: Mutex::new(Told {
                height,
                common: height,
                missed: VecDeque::new(),
            }),
        }
    }

    /// A block is part of the chain now.
    pub(super) fn executed(&self, height: u64, output: N::Output) -> Done<N::Output> {
        let place = self.going_back.lock().place();
        let event = Final::Block { height, output };
        Done { place, event }
    }

    /// Lets the chain go back.
    pub(super) fn revert(&self, height: u64) -> Result<Done<N::Output>, HeightError> {
        // Who has written the chain as it is afterwards waits here, and then knows why.
        let mut going_back = self.going_back.lock();
        self.state.revert(height)?;
        let place = going_back.place();
        going_back.ahead.push_back((place, height));
        let event = Final::Reverted { height };
        Ok(Done { place, event })
    }

    /// Brings to the store what has been executed.
    pub(super) fn store(&self) -> Result<(), S::Error> {
        let height = self.state.persist()?.saturating_sub(self.kept);
        if height <= self.state.first_height() && self.state.owed() == 0 {
            return Ok(());
        }
        match self.state.prune(height) {
            // Reverted meanwhile, so it is for the next time.
            Ok(()) | Err(PruneError::Height(_)) => Ok(()),
            Err(PruneError::Store(error)) => Err(error),
        }
    }

    /// Tells the node of what is in the store's record now, after all that it has not been told of before.
    pub(super) fn tell(&self, done: Done<N::Output>) -> Final<N::Output> {
        let told = &mut *self.told.lock();
        self.tell_missed(told);
        match &done.event {
            Final::Block { height, output } => self.tell_block(told, done.place, *height, output),
            Final::Reverted { height } => {
                self.has_come(done.place);
                told.common = *height;
                self.tell_back(told);
            }
        }
        done.event
    }

    /// Tells the node of what it has not been told of, if the store has it now.
    pub(super) fn tell_all(&self) {
        self.tell_missed(&mut self.told.lock());
    }

    /// Remembers what the store has not taken.
    pub(super) fn miss(&self, done: Done<N::Output>) {
        let told = &mut *self.told.lock();
        match done.event {
            Final::Block { height, output } => told.missed.push_back((done.place, height, output)),
            Final::Reverted { height: to } => {
                self.has_come(done.place);
                while told
                    .missed
                    .pop_back_if(|(_, height, _)| *height > to)
                    .is_some()
                {}
                told.common = told.common.min(to);
            }
        }
    }

    /// What was undone by the chain going back then has come before.
    fn has_come(&self, place: u64) {
        let ahead = &mut self.going_back.lock().ahead;
        while ahead.pop_front_if(|(back, _)| *back <= place).is_some() {}
    }

    fn tell_missed(&self, told: &mut Told<N::Output>) {
        self.tell_back(told);
        while let Some((place, height, output)) = told.missed.pop_front() {
            self.tell_block(told, place, height, &output);
        }
    }

    fn tell_back(&self, told: &mut Told<N::Output>) {
        told.common = told.common.min(told.height);
        if told.common < told.height {
            told.height = told.common;
            self.node.reverted(told.height);
        }
    }

    /// Unless the chain has gone back meanwhile, so that the block may never have been in the record.
    fn tell_block(&self, told: &mut Told<N::Output>, place: u64, height: u64, output: &N::Output) {
        if !self.going_back.lock().has_undone(place, height) {
            (told.height, told.common) = (height, height);
            self.node.committed(height, output);
        }
    }
}
