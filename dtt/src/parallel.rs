//! Analysis of large blocks on all of rayon's threads.
//!
//! Finding out what a transaction touches, and hashing its keys, needs nothing of the transactions before: chunks of the
//! block do it side by side. Numbering keys and finding dependencies goes through the block in order, on one thread, while
//! the others prepare the next chunks. So the tree is the one that [`OpenTree::push`] makes, byte for byte.

use std::{hash::Hash, mem, ops::Range};

use rayon::prelude::*;

use crate::{
    access::{Access, AccessSet, Trust},
    error::TooLarge,
    intern::Tag,
    open::OpenTree,
    range::KeyRange,
};

/// Transactions of a chunk: enough that handing it over costs nothing, few enough that its keys stay in a cache.
const CHUNK: usize = 512;

/// So many transactions are appended sooner than threads are woken.
const FEW: usize = if cfg!(debug_assertions) { 2 } else { 32 } * CHUNK;

/// Accesses whose places in the table of keys are loaded at once: about as many as a core can wait for.
const PRELOADED: usize = 32;

/// The accesses of consecutive transactions, one after another.
struct Chunk<K> {
    entries: Vec<(K, Access)>,
    tags: Vec<Tag>,
    ranges: Vec<KeyRange<K>>,
    /// Where the entries and the ranges of each transaction end.
    ends: Vec<(usize, usize, Trust)>,
}

impl<K: Hash + Eq + Clone + Send + Sync> OpenTree<K> {
    /// Appends `count` transactions. `accesses` fills in the access set of one, given its place among them, and says how
    /// far to trust it; it is called on several threads, in no order.
    ///
    /// The tree is exactly the one that [`push`](Self::push) would make. Less than 16,384 are appended on the
    /// caller's thread, which is faster. It must not be called from a rayon thread that others wait for.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    ///
    /// # Examples
    ///
    /// ```
    /// use pleach_dtt::{OpenTree, Trust};
    ///
    /// let mut open = OpenTree::new();
    /// open.par_extend(10_000, |index, set| {
    ///     set.update(index % 100);
    ///     Trust::Exact
    /// })?;
    /// assert_eq!(open.tree().branches().len(), 100);
    /// # Ok::<(), pleach_dtt::TooLarge>(())
    /// ```
    pub fn par_extend(
        &mut self,
        count: usize,
        accesses: impl Fn(usize, &mut AccessSet<K>) -> Trust + Sync,
    ) -> Result<(), TooLarge> {
        let threads = rayon::current_num_threads();
        if threads == 1 || count < FEW {
            let mut set = AccessSet::new();
            for index in 0..count {
                set.clear();
                let trust = accesses(index, &mut set);
                self.push(&set, trust)?;
            }
            return Ok(());
        }
        let tagger = self.tagger();
        let prepare = |chunks: Range<usize>| -> Vec<Chunk<K>> {
            chunks
                .into_par_iter()
                .map(|chunk| {
                    let start = chunk * CHUNK;
                    Chunk::prepare(start..count.min(start + CHUNK), &accesses, |key| {
                        tagger.tag(key)
                    })
                })
                .collect()
        };
        let all = count.div_ceil(CHUNK);
        // One wave is prepared while the one before is appended.
        let wave = |start: usize| start..all.min(start + 2 * threads);
        let mut ready = prepare(wave(0));
        let mut next = wave(0).end;
        while !ready.is_empty() {
            let chunks = mem::take(&mut ready);
            let (appended, prepared) = rayon::join(
                || chunks.iter().try_for_each(|chunk| self.append_chunk(chunk)),
                || prepare(wave(next)),
            );
            appended?;
            next = wave(next).end;
            ready = prepared;
        }
        Ok(())
    }

    fn append_chunk(&mut self, chunk: &Chunk<K>) -> Result<(), TooLarge> {
        let (mut entry, mut range, mut loaded) = (0, 0, 0);
        for &(entries, ranges, trust) in &chunk.ends {
            if entries > loaded {
                let next = chunk.tags.len().min(entries + PRELOADED);
                self.preload(&chunk.tags[loaded..next]);
                loaded = next;
            }
            self.push_tagged(
                &chunk.entries[entry..entries],
                &chunk.tags[entry..entries],
                &chunk.ranges[range..ranges],
                trust,
            )?;
            (entry, range) = (entries, ranges);
        }
        Ok(())
    }
}

impl<K: Clone> Chunk<K> {
    fn prepare(
        transactions: Range<usize>,
        accesses: impl Fn(usize, &mut AccessSet<K>) -> Trust,
        tag: impl Fn(&K) -> Tag,
    ) -> Self {
        let mut chunk = Self {
            entries: Vec::with_capacity(4 * transactions.len()),
            tags: Vec::with_capacity(4 * transactions.len()),
            ranges: Vec::new(),
            ends: Vec::with_capacity(transactions.len()),
        };
        let mut set = AccessSet::new();
        for transaction in transactions {
            set.clear();
            let trust = accesses(transaction, &mut set);
            if trust != Trust::Unknown {
                chunk
                    .tags
                    .extend(set.entries().iter().map(|(key, _)| tag(key)));
                set.move_to(&mut chunk.entries, &mut chunk.ranges);
            }
            let ends = (chunk.entries.len(), chunk.ranges.len(), trust);
            chunk.ends.push(ends);
        }
        chunk
    }
}
