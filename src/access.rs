//! What a VM says about a transaction before it runs: the keys that it will touch, and how far to trust that.

use std::ops::Bound;

/// The keys that a transaction reads, writes, adds to and scans, as far as the VM knows them beforehand.
///
/// # Examples
///
/// ```
/// use pleach::AccessSet;
///
/// let mut set = AccessSet::new();
/// set.read("nonce of alice").write("nonce of alice").add("balance of bob");
/// assert_eq!(set.adds(), ["balance of bob"]);
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccessSet<K> {
    reads: Vec<K>,
    writes: Vec<K>,
    adds: Vec<K>,
    ranges: Vec<(Bound<K>, Bound<K>)>,
}

impl<K> Default for AccessSet<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K> AccessSet<K> {
    /// A set without an access.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            reads: Vec::new(),
            writes: Vec::new(),
            adds: Vec::new(),
            ranges: Vec::new(),
        }
    }

    /// A key whose value, or a predicate on it, the transaction looks at.
    pub fn read(&mut self, key: K) -> &mut Self {
        self.reads.push(key);
        self
    }

    /// A key that the transaction puts or deletes.
    pub fn write(&mut self, key: K) -> &mut Self {
        self.writes.push(key);
        self
    }

    /// A key that the transaction adds to.
    pub fn add(&mut self, key: K) -> &mut Self {
        self.adds.push(key);
        self
    }

    /// A range of keys that the transaction scans. Reads of single keys inside are covered by it.
    pub fn range(&mut self, from: Bound<K>, to: Bound<K>) -> &mut Self {
        self.ranges.push((from, to));
        self
    }

    /// The keys that are read.
    #[must_use]
    pub fn reads(&self) -> &[K] {
        &self.reads
    }

    /// The keys that are written.
    #[must_use]
    pub fn writes(&self) -> &[K] {
        &self.writes
    }

    /// The keys that are added to.
    #[must_use]
    pub fn adds(&self) -> &[K] {
        &self.adds
    }

    /// The ranges that are scanned.
    #[must_use]
    pub fn ranges(&self) -> &[(Bound<K>, Bound<K>)] {
        &self.ranges
    }

    /// Empties the set and keeps its memory.
    pub fn clear(&mut self) {
        self.reads.clear();
        self.writes.clear();
        self.adds.clear();
        self.ranges.clear();
    }
}

impl<K: Ord> AccessSet<K> {
    /// Brings the keys into an order in which the `allows_` questions are answered by binary search.
    pub(crate) fn sort(&mut self) {
        self.reads.sort_unstable();
        self.writes.sort_unstable();
        self.adds.sort_unstable();
    }

    /// Whether the sorted set covers looking at `key`.
    pub(crate) fn allows_read(&self, key: &K) -> bool {
        self.reads.binary_search(key).is_ok()
            || self
                .ranges
                .iter()
                .any(|(from, to)| after(from, key) && before(key, to))
    }

    /// Whether the sorted set covers putting or deleting `key`.
    pub(crate) fn allows_write(&self, key: &K) -> bool {
        self.writes.binary_search(key).is_ok()
    }

    /// Whether the sorted set covers adding to `key`: as an add, or as a read and a write.
    pub(crate) fn allows_add(&self, key: &K) -> bool {
        self.adds.binary_search(key).is_ok() || (self.allows_read(key) && self.allows_write(key))
    }

    /// Whether the set covers scanning from `from` to `to`: inside one declared range.
    pub(crate) fn allows_range(&self, from: Bound<&K>, to: Bound<&K>) -> bool {
        self.ranges
            .iter()
            .any(|(first, last)| starts_no_later(first, from) && ends_no_earlier(last, to))
    }
}

fn after<K: Ord>(from: &Bound<K>, key: &K) -> bool {
    match from {
        Bound::Unbounded => true,
        Bound::Included(from) => from <= key,
        Bound::Excluded(from) => from < key,
    }
}

fn before<K: Ord>(key: &K, to: &Bound<K>) -> bool {
    match to {
        Bound::Unbounded => true,
        Bound::Included(to) => key <= to,
        Bound::Excluded(to) => key < to,
    }
}

fn starts_no_later<K: Ord>(outer: &Bound<K>, inner: Bound<&K>) -> bool {
    match (outer, inner) {
        (Bound::Unbounded, _) => true,
        (_, Bound::Unbounded) => false,
        (Bound::Excluded(outer), Bound::Included(inner)) => outer < inner,
        (
            Bound::Included(outer) | Bound::Excluded(outer),
            Bound::Included(inner) | Bound::Excluded(inner),
        ) => outer <= inner,
    }
}

fn ends_no_earlier<K: Ord>(outer: &Bound<K>, inner: Bound<&K>) -> bool {
    match (outer, inner) {
        (Bound::Unbounded, _) => true,
        (_, Bound::Unbounded) => false,
        (Bound::Excluded(outer), Bound::Included(inner)) => outer > inner,
        (
            Bound::Included(outer) | Bound::Excluded(outer),
            Bound::Included(inner) | Bound::Excluded(inner),
        ) => outer >= inner,
    }
}

/// How far an [`AccessSet`] can be trusted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Trust {
    /// The set is complete, and the runtime enforces it: an access outside is an error in every executor.
    Exact,
    /// The set is a guess. It may steer the schedule, and a wrong one costs time, never the result.
    Predicted,
    /// Nothing is known beforehand.
    #[default]
    Unknown,
}

#[cfg(test)]
mod tests {
    use std::ops::RangeBounds;

    use super::*;

    /// All bounds over a few keys.
    fn bounds() -> Vec<Bound<u8>> {
        let keyed = (1..=4).flat_map(|key| [Bound::Included(key), Bound::Excluded(key)]);
        keyed.chain([Bound::Unbounded]).collect()
    }

    #[test]
    fn a_range_that_is_allowed_holds_only_keys_that_are_declared() {
        for (from, to) in bounds()
            .into_iter()
            .flat_map(|from| bounds().into_iter().map(move |to| (from, to)))
        {
            let mut set = AccessSet::new();
            set.range(from, to);
            for inner_from in &bounds() {
                for inner_to in &bounds() {
                    let inner = (*inner_from, *inner_to);
                    let covered = (0..=5_u8)
                        .filter(|key| inner.contains(key))
                        .all(|key| set.allows_read(&key) && (from, to).contains(&key));
                    let allowed = set.allows_range(inner_from.as_ref(), inner_to.as_ref());
                    assert!(covered || !allowed, "{inner:?} in {:?}", (from, to));
                    if inner == (from, to) {
                        assert!(allowed, "{inner:?} is itself");
                    }
                }
            }
        }
    }
}
