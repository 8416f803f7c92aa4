//! The parent state that a block starts from, and the changes that it ends with.

use std::{
    collections::{BTreeMap, btree_map},
    convert::Infallible,
    error::Error,
    fmt::{self, Debug},
    mem,
    ops::{Bound, ControlFlow},
    sync::{Mutex, OnceLock, PoisonError},
};

/// The state before the block. It does not change while the block executes.
///
/// Workers read it at the same time, hence `Sync`. A slow implementation, on a disk say, should answer concurrent reads
/// concurrently: overlapping them is what parallel execution gains most from.
pub trait State<K, V>: Sync {
    /// Why the state could not answer. It ends the block with [`ExecuteErrorKind::State`](crate::ExecuteErrorKind::State).
    type Error: Error + Send + Sync + 'static;

    /// The value of `key`, or `None` if it is absent. Must give the same answer every time.
    fn get(&self, key: &K) -> Result<Option<V>, Self::Error>;

    /// Visits the present keys between `from` and `to` in ascending order until `visit` breaks.
    ///
    /// The default says that this state has no order; a VM that scans ranges on it gets
    /// [`ExecuteErrorKind::RangeUnsupported`](crate::ExecuteErrorKind::RangeUnsupported).
    fn range(
        &self,
        from: Bound<&K>,
        to: Bound<&K>,
        visit: &mut dyn FnMut(&K, &V) -> ControlFlow<()>,
    ) -> Result<RangeSupport, Self::Error> {
        let _ = (from, to, visit);
        Ok(RangeSupport::Unsupported)
    }
}

/// Whether a [`State`] can visit ranges.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RangeSupport {
    /// The range was visited.
    Visited,
    /// The state has no order of keys.
    Unsupported,
}

/// Whether no key can lie between `from` and `to`.
pub(crate) fn is_empty_range<K: Ord>(from: Bound<&K>, to: Bound<&K>) -> bool {
    match (from, to) {
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (
            Bound::Included(from) | Bound::Excluded(from),
            Bound::Included(to) | Bound::Excluded(to),
        ) => from >= to,
        _ => false,
    }
}

/// A state in memory, in key order: for tests, examples and small users.
///
/// # Examples
///
/// ```
/// use pleach::{MemoryState, State};
///
/// let state: MemoryState<_, _> = [("alice", 5_u64)].into_iter().collect();
/// assert_eq!(State::get(&state, &"alice")?, Some(5));
/// # Ok::<(), std::convert::Infallible>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemoryState<K, V>(BTreeMap<K, V>);

impl<K, V> Default for MemoryState<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> MemoryState<K, V> {
    /// A state in which every key is absent.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// The number of present keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether every key is absent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The present keys and their values, in key order.
    pub fn iter(&self) -> btree_map::Iter<'_, K, V> {
        self.0.iter()
    }
}

impl<K: Ord, V> MemoryState<K, V> {
    /// Sets the value of `key` and returns the one before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.0.insert(key, value)
    }

    /// Removes `key` and returns its value.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.0.remove(key)
    }

    /// Applies what a block changed. Takes O(changes * log(keys)).
    pub fn apply(&mut self, changes: Changes<K, V>) {
        for (key, value) in changes {
            match value {
                Some(value) => self.0.insert(key, value),
                None => self.0.remove(&key),
            };
        }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for MemoryState<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl<'a, K, V> IntoIterator for &'a MemoryState<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = btree_map::Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<K: Ord + Sync, V: Clone + Sync> State<K, V> for MemoryState<K, V> {
    type Error = Infallible;

    fn get(&self, key: &K) -> Result<Option<V>, Infallible> {
        Ok(self.0.get(key).cloned())
    }

    fn range(
        &self,
        from: Bound<&K>,
        to: Bound<&K>,
        visit: &mut dyn FnMut(&K, &V) -> ControlFlow<()>,
    ) -> Result<RangeSupport, Infallible> {
        // `BTreeMap::range` panics on such bounds.
        if !is_empty_range(from, to) {
            for (key, value) in self.0.range((from, to)) {
                if visit(key, value).is_break() {
                    break;
                }
            }
        }
        Ok(RangeSupport::Visited)
    }
}

/// What a block changed: the keys that an executed transaction put, deleted or added to, each with its final value
/// (`None` is absent), in ascending key order.
///
/// A key that was changed and changed back is in it, with its old value. The order is made when somebody first looks at it,
/// in O(n log n): who only applies the changes need not wait for it.
pub struct Changes<K, V> {
    /// Until somebody looks, in parts.
    unsorted: Mutex<Vec<Part<K, V>>>,
    sorted: OnceLock<Part<K, V>>,
    count: usize,
}

type Part<K, V> = Vec<(K, Option<V>)>;

impl<K: Ord, V> Changes<K, V> {
    /// Changes that hold each key once.
    pub(crate) fn from_unsorted(changes: Vec<(K, Option<V>)>) -> Self {
        Self::from_parts(vec![changes])
    }

    /// The same, in several parts.
    pub(crate) fn from_parts(parts: Vec<Part<K, V>>) -> Self {
        Self {
            count: parts.iter().map(Vec::len).sum(),
            unsorted: Mutex::new(parts),
            sorted: OnceLock::new(),
        }
    }

    fn sorted(&self) -> &[(K, Option<V>)] {
        self.sorted.get_or_init(|| {
            let mut unsorted = self.unsorted.lock().unwrap_or_else(PoisonError::into_inner);
            sorted(joined(mem::take(&mut unsorted)))
        })
    }

    /// The final value of `key` if it was changed: `Some(None)` means that it was made absent. Takes O(log n).
    #[must_use]
    pub fn get(&self, key: &K) -> Option<Option<&V>> {
        let sorted = self.sorted();
        let index = sorted.binary_search_by(|(other, _)| other.cmp(key)).ok()?;
        Some(sorted[index].1.as_ref())
    }

    /// The changed keys and their final values, in key order.
    pub fn iter(&self) -> std::slice::Iter<'_, (K, Option<V>)> {
        self.sorted().iter()
    }
}

fn joined<T>(parts: Vec<Vec<T>>) -> Vec<T> {
    let mut parts = parts.into_iter();
    let mut all = parts.next().unwrap_or_default();
    parts.for_each(|part| all.extend(part));
    all
}

fn sorted<K: Ord, V>(mut changes: Vec<(K, Option<V>)>) -> Vec<(K, Option<V>)> {
    changes.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    debug_assert!(changes.windows(2).all(|pair| pair[0].0 < pair[1].0));
    changes
}

impl<K, V> Changes<K, V> {
    /// The number of changed keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether nothing was changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The changed keys and their final values in no particular order: O(n) at most.
    #[must_use]
    pub fn into_unordered(self) -> Vec<(K, Option<V>)> {
        match self.sorted.into_inner() {
            Some(sorted) => sorted,
            None => joined(
                self.unsorted
                    .into_inner()
                    .unwrap_or_else(PoisonError::into_inner),
            ),
        }
    }
}

/// Of several values for a key, the last one counts.
impl<K: Ord, V> FromIterator<(K, Option<V>)> for Changes<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, Option<V>)>>(changes: I) -> Self {
        let changes: BTreeMap<_, _> = changes.into_iter().collect();
        let sorted: Vec<_> = changes.into_iter().collect();
        Self {
            count: sorted.len(),
            unsorted: Mutex::default(),
            sorted: sorted.into(),
        }
    }
}

impl<K, V> Default for Changes<K, V> {
    fn default() -> Self {
        Self {
            unsorted: Mutex::new(Vec::new()),
            sorted: OnceLock::new(),
            count: 0,
        }
    }
}

impl<K: Ord + Clone, V: Clone> Clone for Changes<K, V> {
    fn clone(&self) -> Self {
        Self::from_unsorted(self.sorted().to_vec())
    }
}

impl<K: Ord, V: PartialEq> PartialEq for Changes<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.count == other.count && self.sorted() == other.sorted()
    }
}

impl<K: Ord, V: Eq> Eq for Changes<K, V> {}

impl<K: Ord + Debug, V: Debug> Debug for Changes<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Changes").field(&self.sorted()).finish()
    }
}

impl<K: Ord, V> IntoIterator for Changes<K, V> {
    type Item = (K, Option<V>);
    type IntoIter = std::vec::IntoIter<(K, Option<V>)>;

    fn into_iter(self) -> Self::IntoIter {
        let is_sorted = self.sorted.get().is_some();
        let changes = self.into_unordered();
        if is_sorted { changes } else { sorted(changes) }.into_iter()
    }
}

impl<'a, K: Ord, V> IntoIterator for &'a Changes<K, V> {
    type Item = &'a (K, Option<V>);
    type IntoIter = std::slice::Iter<'a, (K, Option<V>)>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
