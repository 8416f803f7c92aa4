//! Gathers what a block has changed from the versions of its keys.

use std::hash::Hash;

use super::Cell;
use crate::{
    parallel::{crew, runtime::Runtime},
    protocol::keys::{Entry, Keys},
    sync::{Mutex, lock},
    trace::span,
    value::Value,
};

/// What was gathered: the keys that were changed and what of them, those on which attempts were wasted and how many, and how
/// many keys there were at all.
type Collected<K, V> = (Vec<(K, Option<V>)>, Vec<(K, usize)>, usize);

/// So many parts are worth a helper.
const WORTH: usize = 4;

/// Takes all keys apart. So many transactions are committed.
pub(super) fn collect<K, V>(
    runtime: &Runtime,
    keys: Keys<K, Cell<V>>,
    settled: u32,
) -> Collected<K, V>
where
    K: Hash + Ord + Clone + Send + Sync,
    V: Value,
{
    span!("collect");
    let blocks: Vec<_> = keys.into_blocks().collect();
    let parts = blocks.len();
    let blocks = Mutex::new(blocks);
    let act = |collected: &mut Collected<K, V>, _| {
        let Some(mut block) = lock(&blocks).pop() else {
            return;
        };
        let (changed, conflicts, keys) = collected;
        for (key, cell) in block.iter_mut().filter_map(Entry::take) {
            *keys += 1;
            let (wasted, changed_to) = cell.with_mut(|versions| {
                let changed_to = versions.take_changed(settled);
                (versions.conflicts as usize, changed_to)
            });
            if wasted > 0 {
                conflicts.push((key.clone(), wasted));
            }
            if let Some(value) = changed_to {
                changed.push((key, value.into_option()));
            }
        }
    };
    let begin = |_| (Vec::new(), Vec::new(), 0);
    // Others have to be woken for it.
    let all = crew::share(runtime, parts / WORTH, parts, begin, act);
    let join = |mut all: Collected<K, V>, (changed, conflicts, keys): Collected<K, V>| {
        all.0.extend(changed);
        all.1.extend(conflicts);
        all.2 += keys;
        all
    };
    all.into_iter().reduce(join).unwrap_or_default()
}
