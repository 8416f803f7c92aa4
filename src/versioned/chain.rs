//! Which heights there are, and who still reads them.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use super::{HeightError, Written};

/// A block above the store.
pub(super) struct Block<K, V> {
    pub(super) stamp: u64,
    /// What it changed.
    pub(super) written: Written<K, V>,
}

impl<K, V> Clone for Block<K, V> {
    fn clone(&self) -> Self {
        Self {
            stamp: self.stamp,
            written: Arc::clone(&self.written),
        }
    }
}

pub(super) struct Chain<K, V> {
    /// The height and the stamp of what the store holds.
    stored: (u64, u64),
    /// What comes after it.
    blocks: VecDeque<Block<K, V>>,
    /// The first height that may be asked for.
    first: u64,
    /// How many of them the store has all the same, as somebody scanned when they were to be forgotten here.
    moved: usize,
    /// Up to this height the store has a record of the chain, or is about to have one.
    recorded: u64,
    /// Up to this height it has one.
    safe: u64,
    /// The last stamp that was given out, for a block or for the end of some.
    clock: u64,
    /// How many snapshots there are of each stamp.
    held: BTreeMap<u64, usize>,
    /// Reverted blocks with the stamps of their ends, of which somebody may hold a snapshot.
    reverted: Vec<(Block<K, V>, u64)>,
}

impl<K, V> Chain<K, V> {
    pub(super) fn new(height: u64) -> Self {
        Self {
            stored: (height, 0),
            blocks: VecDeque::new(),
            first: height,
            moved: 0,
            recorded: height,
            safe: height,
            clock: 0,
            held: BTreeMap::new(),
            reverted: Vec::new(),
        }
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    pub(super) fn latest(&self) -> u64 {
        self.stored.0 + self.blocks.len() as u64
    }

    /// The stamp of a height.
    pub(super) fn stamp(&self, height: u64) -> Result<u64, HeightError> {
        let (first, latest) = (self.first, self.latest());
        if height < first {
            return Err(HeightError::Pruned { height, first });
        }
        if height > latest {
            return Err(HeightError::Unknown { height, latest });
        }
        let (stored, stamp) = self.stored;
        Ok(match (height - stored).checked_sub(1) {
            None => stamp,
            Some(place) => self.blocks[place as usize].stamp,
        })
    }

    /// The stamp of a height, of which there is one more snapshot now.
    pub(super) fn hold(&mut self, height: u64) -> Result<u64, HeightError> {
        let stamp = self.stamp(height)?;
        self.hold_stamp(stamp);
        Ok(stamp)
    }

    /// The same for the latest height.
    pub(super) fn hold_latest(&mut self) -> (u64, u64) {
        let stamp = self
            .blocks
            .back()
            .map_or(self.stored.1, |block| block.stamp);
        self.hold_stamp(stamp);
        (self.latest(), stamp)
    }

    /// There is one more snapshot of a stamp that is held.
    pub(super) fn hold_stamp(&mut self, stamp: u64) {
        *self.held.entry(stamp).or_default() += 1;
    }

    /// There is one snapshot less.
    pub(super) fn release(&mut self, stamp: u64) {
        if let Some(count) = self.held.get_mut(&stamp) {
            *count -= 1;
            if *count == 0 {
                self.held.remove(&stamp);
            }
        }
    }

    /// The blocks above a height, for [`switch`](Self::switch), and the stamp of their end.
    pub(super) fn above(&self, height: u64) -> (Vec<Block<K, V>>, u64) {
        let kept = (height - self.stored.0) as usize;
        (self.blocks.range(kept..).cloned().collect(), self.clock + 1)
    }

    /// Replaces the blocks above a height, in one step for who asks for heights.
    pub(super) fn switch(
        &mut self,
        height: u64,
        end: u64,
        reverted: Vec<Block<K, V>>,
        added: Vec<Block<K, V>>,
    ) {
        self.blocks.truncate((height - self.stored.0) as usize);
        self.recorded = self.recorded.min(height);
        self.safe = self.safe.min(height);
        self.clock = added.last().map_or(end, |block| block.stamp);
        self.blocks.extend(added);
        let reverted = reverted.into_iter().map(|block| (block, end));
        self.reverted.extend(reverted);
    }

    /// Takes out the reverted blocks of which nobody holds a snapshot.
    pub(super) fn unread(&mut self) -> Vec<(Block<K, V>, u64)> {
        let held = &self.held;
        let is_unread =
            |(block, end): &mut (Block<K, V>, u64)| held.range(block.stamp..*end).next().is_none();
        self.reverted.extract_if(.., is_unread).collect()
    }

    /// Lets nobody ask for what is below a height any more.
    pub(super) fn forget(&mut self, height: u64) -> Result<(), HeightError> {
        let latest = self.latest();
        if height > latest {
            return Err(HeightError::Unknown { height, latest });
        }
        self.first = self.first.max(height);
        Ok(())
    }

    /// Up to which height the chain is recorded already, and the blocks that are not, which count as recorded from now on.
    pub(super) fn unrecorded(&mut self) -> (u64, Vec<Block<K, V>>) {
        let from = self.recorded.max(self.stored.0);
        let (blocks, _) = self.above(from);
        self.recorded = self.latest();
        (from, blocks)
    }

    /// What is above a height was not recorded after all.
    pub(super) fn unrecord(&mut self, height: u64) {
        self.recorded = self.recorded.min(height);
    }

    /// All that was given out by [`unrecorded`](Self::unrecorded) is recorded now.
    pub(super) fn record(&mut self) {
        // Less, if the chain has gone back meanwhile.
        self.safe = self.recorded;
    }

    /// How many heights the store should have taken and has not: into its record, or for good.
    pub(super) fn owed(&self) -> u64 {
        (self.latest() - self.safe.max(self.stored.0)) + self.iter_due().count() as u64
    }

    /// The last height that can go into the store, and the blocks up to it, if there are any: nobody asks for what is below it, and
    /// nobody holds a snapshot of that.
    pub(super) fn due(&self) -> (u64, Vec<Block<K, V>>) {
        let due: Vec<_> = self.iter_due().cloned().collect();
        let moved = self.moved + due.len();
        (self.stored.0 + moved as u64, due)
    }

    fn iter_due(&self) -> impl Iterator<Item = &Block<K, V>> {
        let oldest = self.held.keys().next().copied().unwrap_or(u64::MAX);
        let blocks = self.blocks.iter().zip(self.stored.0 + 1..).skip(self.moved);
        let due = blocks
            .take_while(move |(block, height)| *height <= self.first && block.stamp <= oldest);
        due.map(|(block, _)| block)
    }

    /// The store has so many more blocks.
    pub(super) fn moved(&mut self, count: usize) {
        self.moved += count;
    }

    /// The blocks that the store has and that are here all the same.
    pub(super) fn unsettled(&self) -> Vec<Block<K, V>> {
        self.blocks.range(..self.moved).cloned().collect()
    }

    /// These are no longer here.
    pub(super) fn settled(&mut self) {
        for block in self.blocks.drain(..std::mem::take(&mut self.moved)) {
            self.stored = (self.stored.0 + 1, block.stamp);
        }
    }
}
