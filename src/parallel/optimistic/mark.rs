//! What is known of a key without having its latch: it stands beside the key, which everybody reads and nobody changes.
//!
//! A key that all transactions ask about and none writes, and one to which all of them add, would be passed from core to core
//! with its latch at each touch. So who only asks whether there is a value looks here first. And who adds to a number within no
//! bounds does not look at all, but believes that it fits. Both are asked again at the commit, as all questions are.
//!
//! If many add to a key so and nobody looks at it, as to the account that all fees go to, their adds are not versions either: each
//! transaction holds its own until it is committed, and whoever commits it adds that. The first to look at such a key waits until
//! all before it are committed, and from then on it is a key like any other. Who has looked and not waited hears of each add, as of
//! all changes.

use super::Entry;
use crate::{mutant::mutant, sync::Ordering, value::Value};

/// There is a value under the latch, or none that is known to be there: the parent state's, or what a transaction has left in turn.
const LOADED: u32 = 1;
/// There is one.
const PRESENT: u32 = 2;
/// Some transaction has a version of the key, or is expected to get one, or had one, or has left something in turn.
const VERSIONED: u32 = 4;
/// Many add to it.
const COLLECTING: u32 = 8;
/// Somebody looked at it since.
const LOOKED: u32 = 16;

/// Sets bits, if they are not set yet: then nobody's cache line is taken away.
fn set<K: Sync, V: Value>(entry: &Entry<K, V>, bits: u32) {
    let mark = entry.mark();
    // ORDERING: Relaxed. If they are set already, it does not matter by whom. Models have enough to explore without that.
    if cfg!(pleach_loom) || mark.load(Ordering::Relaxed) & bits != bits {
        // ORDERING: Release pairs with the Acquire of those who ask: who sees a bit sees what was done before it was set.
        mark.fetch_or(bits, Ordering::Release);
    }
}

/// Says that the parent state's value was loaded, and whether there is one.
pub(super) fn loaded<K: Sync, V: Value>(entry: &Entry<K, V>, is_there: bool) {
    set(entry, LOADED | if is_there { PRESENT } else { 0 });
}

/// Says that there is about to be a version. Whoever commits a transaction afterwards knows of it.
pub(super) fn versioned<K: Sync, V: Value>(entry: &Entry<K, V>) {
    if !mutant!("unmarked_version") {
        set(entry, VERSIONED);
    }
}

/// Says that the transaction that is being committed is about to leave something there: a value that can be asked about, and not
/// the parent state's.
pub(super) fn left<K: Sync, V: Value>(entry: &Entry<K, V>) {
    set(entry, LOADED | VERSIONED);
}

/// Says that adds to it are held until they are committed, if they are bold. Scans know the key.
pub(super) fn collecting<K: Sync, V: Value>(entry: &Entry<K, V>) {
    set(entry, COLLECTING);
}

/// Says that somebody looks at it: adds to it are versions from now on.
pub(super) fn looked<K: Sync, V: Value>(entry: &Entry<K, V>) {
    set(entry, LOOKED);
}

/// Whether adds to it are held until they are committed. A hint: what anybody does by it is right either way, as whoever publishes an
/// add names, under the key's latch, who has looked without waiting for it.
pub(super) fn is_collecting<K: Sync, V: Value>(entry: &Entry<K, V>) -> bool {
    // ORDERING: Acquire: who holds an add tells no scans, because those have been told that said so first.
    let mark = entry.mark().load(Ordering::Acquire);
    mark & (COLLECTING | LOOKED) == COLLECTING
}

/// Whether there is a value, if it is still the parent state's, or none.
pub(super) fn parents<K: Sync, V: Value>(entry: &Entry<K, V>) -> Option<bool> {
    // ORDERING: Acquire, see `set`.
    let mark = entry.mark().load(Ordering::Acquire);
    (mark & (LOADED | VERSIONED) == LOADED).then_some(mark & PRESENT != 0)
}

/// Whether the parent state's value was loaded.
pub(super) fn is_loaded<K: Sync, V: Value>(entry: &Entry<K, V>) -> bool {
    // ORDERING: Acquire, see `set`.
    entry.mark().load(Ordering::Acquire) & LOADED != 0
}
