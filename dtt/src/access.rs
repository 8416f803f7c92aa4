//! What is known of a transaction before it runs: the keys that it will touch, and how far to trust that.

use std::{
    fmt,
    ops::{Bound, RangeBounds},
};

use crate::range::KeyRange;

/// How far an [`AccessSet`] can be trusted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum Trust {
    /// The set is complete, and the runtime enforces it: an access outside is an error in every executor.
    Exact,
    /// The set is a guess. It may steer the schedule, and a wrong one costs time, never the result.
    Predicted,
    /// Nothing is known beforehand.
    #[default]
    Unknown,
}

/// What a transaction does with a key: any combination of reading, writing, adding and checking.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Access(u8);

impl Access {
    /// It looks at the value.
    pub const READ: Self = Self(1);
    /// It sets or deletes the value.
    pub const WRITE: Self = Self(2);
    /// It looks at the value and sets it.
    pub const UPDATE: Self = Self(3);
    /// It changes the number by an amount, without looking at it.
    pub const ADD: Self = Self(4);
    /// It asks a predicate of the value, such as whether it is at least some number.
    pub const CHECK: Self = Self(8);

    /// How many bits an access takes.
    pub(crate) const BITS: u32 = 4;

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This, but for what is part of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether nothing is done.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Whether all of `other` is part of this.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) const fn bits(self) -> u32 {
        self.0 as u32
    }

    /// From the low bits of a packed word.
    pub(crate) const fn from_bits(word: u32) -> Self {
        Self((word & ((1 << Self::BITS) - 1)) as u8)
    }

    /// Whether the transaction needs the value that those before it leave.
    ///
    /// A check needs it where nothing validates its answer later. The answer to a predicted check is validated when the
    /// transaction commits, and rarely changes: ordering by it would cost more than it saves.
    pub(crate) const fn needs_value(self, trust: Trust) -> bool {
        self.has(Self::READ) || (self.has(Self::CHECK) && matches!(trust, Trust::Exact))
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Self::READ, "read"),
            (Self::WRITE, "write"),
            (Self::ADD, "add"),
            (Self::CHECK, "check"),
        ];
        let names = names.iter().filter(|(access, _)| self.has(*access));
        f.write_str(&names.map(|(_, name)| *name).collect::<Vec<_>>().join("+"))
    }
}

/// The keys that a transaction reads, writes, adds to, checks and scans, as far as they are known beforehand.
///
/// It is a set: the order of calls means nothing, and saying a thing twice is saying it once.
///
/// # Examples
///
/// ```
/// use pleach_dtt::AccessSet;
///
/// let mut set = AccessSet::new();
/// set.update("nonce of alice").add("balance of bob");
/// assert!(set.adds().eq(&["balance of bob"]));
/// assert!(set.writes().eq(&["nonce of alice"]));
/// ```
#[derive(Debug)]
pub struct AccessSet<K> {
    entries: Vec<(K, Access)>,
    ranges: Vec<KeyRange<K>>,
    /// Whether the entries are in the order of their keys, each key once.
    sorted: bool,
}

impl<K: Clone> Clone for AccessSet<K> {
    fn clone(&self) -> Self {
        Self {
            entries: self.entries.clone(),
            ranges: self.ranges.clone(),
            sorted: self.sorted,
        }
    }

    /// Takes no memory if what is there suffices.
    fn clone_from(&mut self, other: &Self) {
        self.entries.clone_from(&other.entries);
        self.ranges.clone_from(&other.ranges);
        self.sorted = other.sorted;
    }
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
            entries: Vec::new(),
            ranges: Vec::new(),
            sorted: true,
        }
    }

    /// A key, and what the transaction does with it.
    pub fn access(&mut self, key: K, access: Access) -> &mut Self {
        self.sorted = false;
        self.entries.push((key, access));
        self
    }

    /// A key whose value the transaction looks at.
    pub fn read(&mut self, key: K) -> &mut Self {
        self.access(key, Access::READ)
    }

    /// A key that the transaction puts or deletes.
    pub fn write(&mut self, key: K) -> &mut Self {
        self.access(key, Access::WRITE)
    }

    /// A key that the transaction reads and writes.
    pub fn update(&mut self, key: K) -> &mut Self {
        self.access(key, Access::UPDATE)
    }

    /// A key that the transaction adds to.
    pub fn add(&mut self, key: K) -> &mut Self {
        self.access(key, Access::ADD)
    }

    /// A key of which the transaction asks a predicate, such as whether it is at least some number.
    pub fn check(&mut self, key: K) -> &mut Self {
        self.access(key, Access::CHECK)
    }

    /// A range of keys that the transaction scans. Reads of single keys inside are covered by it.
    pub fn range(&mut self, from: Bound<K>, to: Bound<K>) -> &mut Self
    where
        K: Ord,
    {
        self.ranges.push(KeyRange::new(from, to));
        self
    }

    /// The keys with what is done with them, as they were said.
    #[must_use]
    pub fn entries(&self) -> &[(K, Access)] {
        &self.entries
    }

    /// The keys that are read.
    pub fn reads(&self) -> impl Iterator<Item = &K> {
        self.with(Access::READ)
    }

    /// The keys that are written.
    pub fn writes(&self) -> impl Iterator<Item = &K> {
        self.with(Access::WRITE)
    }

    /// The keys that are added to.
    pub fn adds(&self) -> impl Iterator<Item = &K> {
        self.with(Access::ADD)
    }

    /// The keys of which a predicate is asked.
    pub fn checks(&self) -> impl Iterator<Item = &K> {
        self.with(Access::CHECK)
    }

    fn with(&self, access: Access) -> impl Iterator<Item = &K> {
        let entries = self.entries.iter();
        entries
            .filter(move |(_, found)| found.has(access))
            .map(|(key, _)| key)
    }

    /// The ranges that are scanned.
    #[must_use]
    pub fn ranges(&self) -> &[KeyRange<K>] {
        &self.ranges
    }

    /// Empties the set and keeps its memory.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.ranges.clear();
        self.sorted = true;
    }

    /// Moves everything behind what others said.
    #[cfg(feature = "rayon")]
    pub(crate) fn move_to(
        &mut self,
        entries: &mut Vec<(K, Access)>,
        ranges: &mut Vec<KeyRange<K>>,
    ) {
        entries.append(&mut self.entries);
        ranges.append(&mut self.ranges);
        self.sorted = true;
    }

    /// Keeps the keys for which `keep` says so, and what it leaves of their accesses.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut Access) -> bool) {
        self.entries.retain_mut(|(key, access)| keep(key, access));
    }
}

impl<K: Ord + Clone> PartialEq for AccessSet<K> {
    /// Whether both say the same, in whatever order and however often.
    fn eq(&self, other: &Self) -> bool {
        let normal = |set: &Self| {
            let mut set = set.clone();
            set.sort();
            set.ranges.sort_by(KeyRange::order);
            set.ranges.dedup();
            set
        };
        let (ours, theirs) = (normal(self), normal(other));
        ours.entries == theirs.entries && ours.ranges == theirs.ranges
    }
}

impl<K: Ord + Clone> Eq for AccessSet<K> {}

impl<K: Ord> AccessSet<K> {
    /// Sorts the keys and makes one entry of several for the same key: the questions below then take a binary search
    /// each, and a linear one otherwise.
    pub fn sort(&mut self) {
        if self.sorted {
            return;
        }
        self.entries.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        self.entries.dedup_by(|(key, access), (kept, all)| {
            let same = key == kept;
            if same {
                *all = all.and(*access);
            }
            same
        });
        self.sorted = true;
    }

    fn allows(&self, key: &K, access: Access) -> bool {
        if self.sorted {
            let found = self.entries.binary_search_by(|(other, _)| other.cmp(key));
            return found.is_ok_and(|index| self.entries[index].1.has(access));
        }
        let mut entries = self.entries.iter();
        entries.any(|(other, found)| other == key && found.has(access))
    }

    /// Whether the set covers looking at `key`: as a read, or inside a range.
    #[must_use]
    pub fn allows_read(&self, key: &K) -> bool {
        self.allows(key, Access::READ) || self.ranges.iter().any(|range| range.contains(key))
    }

    /// Whether the set covers asking a predicate of `key`: as a check or a read.
    #[must_use]
    pub fn allows_check(&self, key: &K) -> bool {
        self.allows(key, Access::CHECK) || self.allows_read(key)
    }

    /// Whether the set covers putting or deleting `key`.
    #[must_use]
    pub fn allows_write(&self, key: &K) -> bool {
        self.allows(key, Access::WRITE)
    }

    /// Whether the set covers adding to `key`: as an add, or as a read and a write.
    #[must_use]
    pub fn allows_add(&self, key: &K) -> bool {
        self.allows(key, Access::ADD) || (self.allows_read(key) && self.allows_write(key))
    }

    /// Whether the set covers scanning `range`: inside one declared range.
    #[must_use]
    pub fn allows_range(&self, range: impl RangeBounds<K>) -> bool {
        self.ranges.iter().any(|outer| outer.covers(&range))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_equal_if_they_say_the_same() {
        let set = |say: fn(&mut AccessSet<u8>)| {
            let mut set = AccessSet::new();
            say(&mut set);
            set
        };
        let one = set(|set| {
            set.read(1)
                .write(2)
                .range(Bound::Unbounded, Bound::Included(3));
        });
        let same = set(|set| {
            set.range(Bound::Unbounded, Bound::Included(3));
            set.range(Bound::Unbounded, Bound::Included(3));
            set.write(2).read(1).read(1);
        });
        assert_eq!(one, same);
        let other = set(|set| {
            set.read(1).write(2);
        });
        assert_ne!(one, other);
        let access = |access| {
            let mut set = AccessSet::new();
            set.access(1, access);
            set
        };
        assert_ne!(access(Access::READ), access(Access::WRITE));
    }

    #[test]
    fn sorted_or_not_the_answers_are_the_same() {
        let mut set = AccessSet::new();
        set.read(3).write(1).add(2).write(3).check(7).update(5);
        let ask = |set: &AccessSet<u8>| {
            (0..9)
                .map(|key| {
                    [
                        set.allows_read(&key),
                        set.allows_write(&key),
                        set.allows_add(&key),
                        set.allows_check(&key),
                    ]
                })
                .collect::<Vec<_>>()
        };
        let mut sorted = set.clone();
        sorted.sort();
        assert_eq!(sorted.entries().len(), 5);
        assert_eq!(sorted.entries()[2], (3, Access::UPDATE));
        // Two entries for one key are one access each: together they are more only once they are merged.
        let (before, after) = (ask(&set), ask(&sorted));
        for (key, (before, after)) in before.iter().zip(&after).enumerate() {
            assert_eq!(before, after, "{key}");
        }
    }
}
