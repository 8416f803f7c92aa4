//! Ranges of keys.

use std::{
    cmp::Ordering,
    fmt,
    ops::{Bound, RangeBounds},
};

/// A range of keys that a transaction scans.
#[derive(Clone)]
pub struct KeyRange<K> {
    from: Bound<K>,
    to: Bound<K>,
    // Taken from `K: Ord` where the range is made, so that nobody who has no ranges needs an order.
    pub(crate) compare: fn(&K, &K) -> Ordering,
}

impl<K: Ord> KeyRange<K> {
    pub(crate) fn new(from: Bound<K>, to: Bound<K>) -> Self {
        let compare = K::cmp;
        Self { from, to, compare }
    }

    /// Whether all of `range` is inside.
    pub(crate) fn covers(&self, range: &impl RangeBounds<K>) -> bool {
        starts_no_later(self.from(), range.start_bound())
            && ends_no_earlier(self.to(), range.end_bound())
    }
}

impl<K> KeyRange<K> {
    /// Where it starts.
    pub fn from(&self) -> Bound<&K> {
        self.from.as_ref()
    }

    /// Where it ends.
    pub fn to(&self) -> Bound<&K> {
        self.to.as_ref()
    }

    /// Whether `key` comes before the range.
    pub(crate) fn is_after(&self, key: &K) -> bool {
        match &self.from {
            Bound::Unbounded => false,
            Bound::Included(from) => (self.compare)(key, from).is_lt(),
            Bound::Excluded(from) => (self.compare)(key, from).is_le(),
        }
    }

    /// Whether `key` comes behind the range.
    pub(crate) fn is_before(&self, key: &K) -> bool {
        match &self.to {
            Bound::Unbounded => false,
            Bound::Included(to) => (self.compare)(key, to).is_gt(),
            Bound::Excluded(to) => (self.compare)(key, to).is_ge(),
        }
    }

    /// Whether `key` is in the range.
    pub fn contains(&self, key: &K) -> bool {
        !self.is_after(key) && !self.is_before(key)
    }

    /// An order of ranges: by where they start, then by where they end.
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        let rank = |bound: &Bound<K>, unbounded, excluded| match bound {
            Bound::Unbounded => unbounded,
            Bound::Included(_) => 0,
            Bound::Excluded(_) => excluded,
        };
        let by = |a: &Bound<K>, b: &Bound<K>, unbounded: i8, excluded: i8| match (a, b) {
            (
                Bound::Included(left) | Bound::Excluded(left),
                Bound::Included(right) | Bound::Excluded(right),
            ) => (self.compare)(left, right)
                .then(rank(a, unbounded, excluded).cmp(&rank(b, unbounded, excluded))),
            _ => rank(a, unbounded, 0).cmp(&rank(b, unbounded, 0)),
        };
        by(&self.from, &other.from, -1, 1).then_with(|| by(&self.to, &other.to, 1, -1))
    }
}

impl<K: PartialEq> PartialEq for KeyRange<K> {
    fn eq(&self, other: &Self) -> bool {
        self.from == other.from && self.to == other.to
    }
}

impl<K: Eq> Eq for KeyRange<K> {}

impl<K: fmt::Debug> fmt::Debug for KeyRange<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (&self.from, &self.to).fmt(f)
    }
}

fn starts_no_later<K: Ord>(outer: Bound<&K>, inner: Bound<&K>) -> bool {
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

fn ends_no_earlier<K: Ord>(outer: Bound<&K>, inner: Bound<&K>) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AccessSet;

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
                    let allowed = set.allows_range(inner);
                    assert!(covered || !allowed, "{inner:?} in {:?}", (from, to));
                    if inner == (from, to) {
                        assert!(allowed, "{inner:?} is itself");
                    }
                }
            }
        }
    }
}
