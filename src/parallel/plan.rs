//! What access sets come to: which value each access sees, and so which transaction waits for which.
//!
//! Every write that a transaction may do has a place of its own for the value that it leaves. So a read is an index, not a
//! search, and nobody overwrites what another still needs. A transaction that does not write what it said it might, or
//! fails, passes on what it found; therefore a write waits for the one before it as a read does.
//!
//! An access that only adds to a number, or asks something of a value, is *free*: it waits for nobody, and what it was told is
//! asked again when the transaction is committed. Who looks at such a key afterwards waits for the commit of the last
//! transaction before it that may add to it.
//!
//! A plan is made on all threads: first stretches of the block are gathered (`chunk.rs`), then parts of the keys are gone through
//! (`part.rs`). Whether it is worth it is asked of a few transactions before (`sample.rs`).

mod chunk;
mod part;
mod sample;

use std::{
    ops::Range,
    sync::atomic::{AtomicBool, Ordering},
};

use pleach_dtt::{AccessSet, Trust};

use super::{crew, runtime::Runtime};
use crate::{
    execute::Known,
    protocol::{
        keys::Hasher,
        reports::{Until, Waiter, Woken},
        slot::Slot,
    },
    sync::OnceLock,
    vm::Vm,
};
pub(super) use chunk::{CHUNK, Chunk, FEW, Planned, Source};
use part::{Part, Share};
pub(super) use sample::{announces_nothing, looks_like_chain};

/// Stands for no transaction.
const NONE: u32 = u32::MAX;

/// More transactions or accesses are not planned: their numbers have to fit.
const MOST: usize = 1 << 26;

/// The plan for a block of which all access sets are known.
pub(super) struct Plan<V: Vm> {
    chunks: Vec<Chunk<V>>,
    parts: Vec<Part>,
    transactions: usize,
    /// For each transaction the last one before it that has to be committed first; nothing at all if there is none anywhere.
    commits: Vec<u32>,
    /// What the parent state holds for keys with free accesses, by number, once somebody has asked; nothing at all if there are
    /// none.
    pub(super) bases: Box<[OnceLock<Option<V::Value>>]>,
    /// How many transactions the longest chain has.
    depth: u32,
    /// How many transactions wait for more than one other.
    joins: usize,
}

impl<V: Vm> Plan<V> {
    /// The plan for `transactions`. `None` if some access set is not known, or scans a range: it has to be exact unless there are
    /// predictions, which take the place of what the VM predicts.
    pub(super) fn new(
        runtime: &Runtime,
        vm: &V,
        transactions: &[V::Transaction],
        predicted: Option<&[AccessSet<V::Key>]>,
    ) -> Option<Self> {
        Self::with(runtime, true, vm, transactions, predicted)
    }

    /// The same plan, made by the caller alone: the others have something else to do.
    pub(super) fn ahead(
        runtime: &Runtime,
        vm: &V,
        transactions: &[V::Transaction],
        predicted: Option<&[AccessSet<V::Key>]>,
    ) -> Option<Self> {
        Self::with(runtime, false, vm, transactions, predicted)
    }

    fn with(
        runtime: &Runtime,
        is_shared: bool,
        vm: &V,
        transactions: &[V::Transaction],
        predicted: Option<&[AccessSet<V::Key>]>,
    ) -> Option<Self> {
        let count = transactions.len();
        let workers = runtime.workers().get();
        let expects_plan = transactions.first().is_none_or(|first| {
            predicted.is_some_and(|hints| !hints.is_empty())
                || vm.accesses(first, &mut AccessSet::new()) != Trust::Unknown
        });
        if !expects_plan || count > MOST {
            return None;
        }
        // Below that others would be awake when it is all over.
        let helpers = if count > 2 * CHUNK && !cfg!(pleach_loom) {
            workers - 1
        } else {
            0
        };
        // The caller's part, and one for each helper, as far as parts can be told apart.
        let parts = u8::try_from(helpers + 1).unwrap_or(u8::MAX);
        let helpers = if is_shared { helpers } else { 0 };
        if is_shared {
            runtime.pool().rouse(helpers);
        }
        let hasher = Hasher::default();
        let is_hopeless = AtomicBool::new(false);
        let gather = |gathered: &mut Vec<(usize, Chunk<V>)>, number: usize| {
            // ORDERING: Relaxed: a hint to those who would do more. That a chunk is missing tells what matters.
            if is_hopeless.load(Ordering::Relaxed) {
                return;
            }
            let start = number * CHUNK;
            let end = count.min(start + CHUNK);
            let predicted = predicted.map(|hints| &hints[start.min(hints.len())..]);
            match Chunk::new(vm, &transactions[start..end], predicted, parts, &hasher) {
                Some(chunk) => gathered.push((number, chunk)),
                // ORDERING: Relaxed, as above.
                None => is_hopeless.store(true, Ordering::Relaxed),
            }
        };
        let number = count.div_ceil(CHUNK);
        let gathered = crew::share(runtime, helpers, number, |_| Vec::new(), gather);
        let mut gathered: Vec<(usize, Chunk<V>)> = gathered.into_iter().flatten().collect();
        if gathered.len() < number {
            return None;
        }
        gathered.sort_unstable_by_key(|(number, _)| *number);
        let mut chunks: Vec<Chunk<V>> = gathered.into_iter().map(|(_, chunk)| chunk).collect();
        let accesses: usize = chunks.iter().map(|chunk| chunk.accesses.len()).sum();
        if accesses > MOST {
            return None;
        }
        if chunks.iter().any(|chunk| !chunk.foretold.is_empty()) {
            chunks.iter_mut().for_each(Chunk::foresee);
        }
        let link = |linked: &mut Vec<Part>, part: usize| {
            let part = part as u8;
            // SAFETY: Each part is made once here, and what it links is looked at when they all are made.
            linked.push(unsafe { Part::link(&chunks, Share { part, parts }) });
        };
        let parts = crew::share(runtime, helpers, parts.into(), |_| Vec::new(), link);
        let mut parts: Vec<Part> = parts.into_iter().flatten().collect();
        parts.sort_unstable_by_key(Part::number);
        chunks.iter_mut().for_each(Chunk::finish);
        let mut plan = Self {
            chunks,
            parts,
            transactions: count,
            commits: Vec::new(),
            bases: Box::default(),
            depth: 0,
            joins: 0,
        };
        if plan.parts.iter().any(Part::has_free) {
            let numbers = plan.parts.iter().map(Part::keys).max().unwrap_or(0) * plan.parts.len();
            plan.bases = (0..numbers).map(|_| OnceLock::new()).collect();
        }
        plan.follow();
        Some(plan)
    }

    /// Finds out how long chains are, and who waits for commits.
    fn follow(&mut self) {
        // How long the longest chain is that ends with each transaction, and with any up to it.
        let mut levels: Vec<(u32, u32)> = Vec::with_capacity(self.transactions);
        for chunk in &self.chunks {
            for local in 0..chunk.transactions() {
                let mut level = 0;
                let mut first = None;
                let mut is_join = false;
                // Those before that are committed before.
                let mut committed = None;
                for planned in chunk.of(local) {
                    let Some(source) = chunk.link(planned).source else {
                        continue;
                    };
                    let (chain, highest) = levels[source.transaction as usize];
                    if source.is_free {
                        committed = committed.max(Some(source.transaction));
                        level = level.max(highest);
                    } else {
                        level = level.max(chain);
                        is_join |= *first.get_or_insert(source.transaction) != source.transaction;
                    }
                }
                if let Some(committed) = committed {
                    self.commits.resize(levels.len(), NONE);
                    self.commits.push(committed);
                }
                self.depth = self.depth.max(level + 1);
                self.joins += usize::from(is_join);
                levels.push((level + 1, self.depth));
            }
        }
    }

    /// The chunk of a transaction, and its place there.
    #[inline]
    pub(super) fn chunk(&self, transaction: u32) -> (&Chunk<V>, usize) {
        let index = transaction as usize;
        (&self.chunks[index / CHUNK], index % CHUNK)
    }

    /// The first of those before a transaction that has to be waited for.
    #[inline]
    pub(super) fn holdup(&self, transaction: u32) -> Option<(u32, Until)> {
        let (chunk, local) = self.chunk(transaction);
        let sources = chunk
            .of(local)
            .iter()
            .map(|planned| chunk.link(planned).source);
        // Those that are free it sees when they are committed.
        let mut left = sources.flatten().filter(|source| !source.is_free);
        let holdup = left.find(|source| !self.slot(*source).is_filled());
        if let Some(source) = holdup {
            return Some((source.transaction, Until::Left));
        }
        let committed = self.commits.get(transaction as usize);
        committed
            .filter(|committed| **committed != NONE && !self.is_over(**committed, Until::Settled))
            .map(|committed| (*committed, Until::Settled))
    }

    /// Puts a transaction on the list of the first that it has to wait for. Whether there is none any more: then it can run.
    pub(super) fn need_not_wait(&self, transaction: u32) -> bool {
        while let Some((on, until)) = self.holdup(transaction) {
            let (chunk, local) = self.chunk(on);
            let waiter = self.waiter(transaction);
            if chunk.reports.wait(local as u32, until, transaction, waiter) {
                return false;
            }
        }
        true
    }

    fn waiter(&self, transaction: u32) -> &Waiter {
        let (chunk, local) = self.chunk(transaction);
        chunk.reports.waiter(local as u32)
    }

    /// Those who have waited, in the order in which they came.
    #[inline]
    pub(super) fn gather(&self, mut woken: Woken, all: &mut Vec<u32>) {
        let before = all.len();
        while let Some(who) = woken.next(|who| self.waiter(who)) {
            all.push(who);
        }
        all[before..].reverse();
    }

    fn is_over(&self, transaction: u32, until: Until) -> bool {
        let (chunk, local) = self.chunk(transaction);
        chunk.reports.is_over(local as u32, until)
    }

    /// Where an access leaves a value that writes.
    #[inline]
    pub(super) fn slot(&self, source: Source) -> &Slot<Known<V::Value>> {
        let (chunk, _) = self.chunk(source.transaction);
        &chunk.values[source.at as usize]
    }

    /// Brings closer what these transactions see. It is in the caches of whoever has left it: one after another, each would be
    /// waited for.
    pub(super) fn preload(&self, transactions: Range<u32>) {
        let mut loaded = 0;
        for transaction in transactions {
            let (chunk, local) = self.chunk(transaction);
            let sources = chunk
                .of(local)
                .iter()
                .filter_map(|planned| chunk.link(planned).source);
            loaded = sources.fold(loaded, |all, source| all ^ self.slot(source).preload());
        }
        std::hint::black_box(loaded);
    }

    /// The keys that somebody may have written, each with its number and the last write to it, part by part.
    pub(super) fn written(&self, part: usize) -> impl Iterator<Item = (&V::Key, u32, Source)> {
        self.parts[part].written(&self.chunks)
    }

    /// Each key once, part by part.
    pub(super) fn all_keys(&self) -> impl Iterator<Item = &V::Key> {
        self.parts.iter().flat_map(|part| part.all(&self.chunks))
    }

    /// How many parts the keys are in.
    pub(super) fn parts(&self) -> usize {
        self.parts.len()
    }

    /// How many keys there are.
    pub(super) fn keys(&self) -> usize {
        self.parts.iter().map(Part::keys).sum()
    }

    /// Whether all accesses of all transactions are known, and enforced.
    pub(super) fn is_all_exact(&self) -> bool {
        self.chunks.iter().all(Chunk::is_all_exact)
    }

    /// Whether anybody waits for a commit.
    pub(super) fn waits_for_commits(&self) -> bool {
        !self.commits.is_empty()
    }

    /// Whether a key has free accesses, by number.
    pub(super) fn is_free_key(&self, number: u32) -> bool {
        let parts = self.parts.len() as u32;
        self.parts[(number % parts) as usize].is_free(number / parts)
    }

    /// Whether hardly anything can run side by side.
    pub(super) fn is_chain(&self) -> bool {
        sample::is_chain(self.depth as usize, self.transactions)
    }

    /// Whether less than a few can run side by side for long.
    pub(super) fn is_deep(&self) -> bool {
        self.depth as usize * 8 > self.transactions && !cfg!(any(pleach_loom, pleach_shuttle))
    }

    /// Whether it is a few chains that hardly meet, no more than workers.
    pub(super) fn is_chain_each(&self, workers: usize) -> bool {
        self.joins * 8 < self.transactions
            && self.depth as usize * workers * 10 > self.transactions * 9
    }

    pub(super) fn transactions(&self) -> usize {
        self.transactions
    }
}
