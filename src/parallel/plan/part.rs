//! A part of the keys of a plan: which access comes after which.
//!
//! Each part has a thread that goes through all accesses in the order of the block, and links those to its own keys. So the parts
//! are made side by side, and what comes of them does not depend on how many there are. The idea is from BOHM: J. Faleiro, D.
//! Abadi, "Rethinking Serializable Multiversion Concurrency Control", VLDB 2015, section 3.2.

use hashbrown::{HashTable, hash_table::Entry};

use super::chunk::{CHUNK, Chunk, DeltaOf, Foretold, Link, Source, Touch, part_of};
use crate::{protocol::versions::together, vm::Vm};

/// Which part, of how many.
#[derive(Clone, Copy)]
pub(super) struct Share {
    pub(super) part: u8,
    pub(super) parts: u8,
}

impl Share {
    /// The number of a key among all, by that in the part.
    fn number(self, own: usize) -> u32 {
        own as u32 * u32::from(self.parts) + u32::from(self.part)
    }
}

/// See the module.
pub(super) struct Part {
    share: Share,
    /// The keys, in the order in which they come first: they are gone through in that order again.
    slots: Vec<Slot>,
    /// Which keys have free accesses, by their number in the part; as far as there are any.
    free: Vec<bool>,
}

/// A key.
struct Slot {
    hash: u64,
    /// An access to it: the chunk, and the place in that.
    first: (u32, u32),
    /// The last write to it.
    last: Option<Source>,
    /// Whether somebody waits to see what that one leaves, if it is free.
    is_seen: bool,
}

/// What is needed only while a part is made.
struct Draft<'a, V: Vm> {
    chunks: &'a [Chunk<V>],
    /// Where each key's slot is.
    table: HashTable<u32>,
    /// What the transactions so far will probably add to each key; as far as anything is known.
    sums: Vec<Option<DeltaOf<V>>>,
}

impl Part {
    /// Links all accesses to the keys of a part.
    ///
    /// # Safety
    ///
    /// It is called once for each part of a plan, and what it links is looked at afterwards.
    pub(super) unsafe fn link<V: Vm>(chunks: &[Chunk<V>], share: Share) -> Self {
        let column = usize::from(share.part);
        let all: usize = chunks
            .iter()
            .map(|chunk| chunk.columns[column].touches.len())
            .sum();
        // Most keys are touched more than once; where they are not, it grows.
        let keys = all / 2;
        let mut part = Self {
            share,
            slots: Vec::with_capacity(keys),
            free: Vec::new(),
        };
        let mut draft = Draft {
            chunks,
            table: HashTable::with_capacity(keys),
            sums: Vec::new(),
        };
        for (number, chunk) in chunks.iter().enumerate() {
            let mut foretold = chunk.foretold.iter().peekable();
            for (index, touch) in chunk.columns[column].touches.iter().enumerate() {
                while let Some(next) = foretold.next_if(|next| next.transaction < touch.transaction)
                {
                    part.foretell(&mut draft, next);
                }
                // SAFETY: By the same contract.
                unsafe { part.next(&mut draft, number, index, touch) };
            }
            for next in foretold {
                part.foretell(&mut draft, next);
            }
        }
        part
    }

    /// Notes what a transaction will probably add to a key, if that belongs to this part and is known by now.
    fn foretell<V: Vm>(&self, draft: &mut Draft<'_, V>, next: &Foretold<V>) {
        if part_of(next.hash, self.share.parts) != self.share.part {
            return;
        }
        let is_it = |slot: &u32| self.slots[*slot as usize].is(next.hash, &next.key, draft.chunks);
        if let Some(slot) = draft.table.find(next.hash, is_it) {
            let slot = *slot as usize;
            draft.sums.resize(draft.sums.len().max(slot + 1), None);
            draft.sums[slot] = Some(together(draft.sums[slot], next.delta));
        }
    }

    /// Links the next access to a key of this part.
    ///
    /// # Safety
    ///
    /// It is called once for each access.
    #[inline]
    unsafe fn next<V: Vm>(
        &mut self,
        draft: &mut Draft<'_, V>,
        number: usize,
        index: usize,
        touch: &Touch,
    ) {
        let Draft {
            chunks,
            table,
            sums,
        } = draft;
        let here = &chunks[number];
        let (hash, at) = (touch.hash, touch.at as usize);
        let planned = &here.accesses[at];
        let slots = &mut self.slots;
        let is_it = |slot: &u32| slots[*slot as usize].is(hash, &planned.key, chunks);
        let own = match table.entry(hash, is_it, |slot| slots[*slot as usize].hash) {
            Entry::Occupied(occupied) => *occupied.get() as usize,
            Entry::Vacant(vacant) => {
                vacant.insert(slots.len() as u32);
                slots.push(Slot {
                    hash,
                    first: (number as u32, touch.at),
                    last: None,
                    is_seen: false,
                });
                slots.len() - 1
            }
        };
        let slot = &mut slots[own];
        let column = usize::from(self.share.part);
        let mut source = None;
        if planned.is_free() {
            if own >= self.free.len() {
                self.free.resize(own + 1, false);
            }
            self.free[own] = true;
            if let (Some(Some(sum)), Some(forecast)) = (sums.get(own), here.forecasts.get(at)) {
                // SAFETY: By the contract this access comes by once, and forecasts are looked at afterwards.
                unsafe { forecast.fill(*sum) };
            }
        } else if let Some(last) = slot.last {
            source = Some(last);
            if last.is_free && !std::mem::replace(&mut slot.is_seen, true) {
                let before = &chunks[last.transaction as usize / CHUNK];
                // SAFETY: Only who has this key's part does that, and once: the slot says so.
                unsafe { before.columns[column].seen[last.index as usize].fill(()) };
            }
        }
        if planned.writes() {
            slot.is_seen = false;
            slot.last = Some(Source {
                transaction: (number * CHUNK) as u32 + touch.transaction,
                at: touch.at,
                index: index as u32,
                is_free: planned.is_free(),
            });
        }
        let number = self.share.number(own);
        // SAFETY: By the contract this access comes by once, and links are looked at afterwards.
        unsafe { here.columns[column].links[index].fill(Link { number, source }) };
    }

    /// Which part it is.
    pub(super) fn number(&self) -> u8 {
        self.share.part
    }

    /// How many keys it has.
    pub(super) fn keys(&self) -> usize {
        self.slots.len()
    }

    /// Whether any of its keys has free accesses.
    pub(super) fn has_free(&self) -> bool {
        !self.free.is_empty()
    }

    /// Whether a key has free accesses, by its number in the part.
    pub(super) fn is_free(&self, number: u32) -> bool {
        matches!(self.free.get(number as usize), Some(true))
    }

    /// Every key of the part.
    pub(super) fn all<'a, V: Vm>(
        &'a self,
        chunks: &'a [Chunk<V>],
    ) -> impl Iterator<Item = &'a V::Key> {
        self.slots.iter().map(|slot| slot.key(chunks))
    }

    /// Every key that somebody may have written, its number, and the last write.
    pub(super) fn written<'a, V: Vm>(
        &'a self,
        chunks: &'a [Chunk<V>],
    ) -> impl Iterator<Item = (&'a V::Key, u32, Source)> {
        let slots = self.slots.iter().enumerate();
        slots.filter_map(move |(own, slot)| {
            Some((slot.key(chunks), self.share.number(own), slot.last?))
        })
    }
}

impl Slot {
    fn key<'a, V: Vm>(&self, chunks: &'a [Chunk<V>]) -> &'a V::Key {
        let (chunk, at) = self.first;
        &chunks[chunk as usize].accesses[at as usize].key
    }

    #[inline]
    fn is<V: Vm>(&self, hash: u64, key: &V::Key, chunks: &[Chunk<V>]) -> bool {
        self.hash == hash && self.key(chunks) == key
    }
}
