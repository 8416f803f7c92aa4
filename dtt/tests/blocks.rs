//! Random blocks, of many kinds.

use std::ops::Bound;

use pleach_dtt::{Access, AccessSet, OpenTree, Trust};
use proptest::{collection::vec, prelude::*, sample::select};

/// A transaction.
#[derive(Clone, Debug)]
pub(crate) struct Tx {
    pub(crate) entries: Vec<(u8, Access)>,
    pub(crate) ranges: Vec<(Bound<u8>, Bound<u8>)>,
    pub(crate) trust: Trust,
}

impl Tx {
    pub(crate) fn set(&self) -> AccessSet<u8> {
        let mut set = AccessSet::new();
        for (key, access) in &self.entries {
            set.access(*key, *access);
        }
        for (from, to) in &self.ranges {
            set.range(*from, *to);
        }
        set
    }
}

pub(crate) fn open(block: &[Tx]) -> OpenTree<u8> {
    let mut open = OpenTree::new();
    for tx in block {
        open.push(&tx.set(), tx.trust).expect("it is small");
    }
    open
}

fn access() -> impl Strategy<Value = Access> {
    select(vec![
        Access::READ,
        Access::READ,
        Access::WRITE,
        Access::UPDATE,
        Access::ADD,
        Access::ADD,
        Access::CHECK,
        Access::READ.and(Access::ADD),
        Access::WRITE.and(Access::ADD),
    ])
}

fn bound(keys: u8) -> impl Strategy<Value = Bound<u8>> {
    prop_oneof![
        1 => Just(Bound::Unbounded),
        3 => (0..keys).prop_map(Bound::Included),
        1 => (0..keys).prop_map(Bound::Excluded),
    ]
}

fn trust() -> impl Strategy<Value = Trust> {
    prop_oneof![
        6 => Just(Trust::Exact),
        3 => Just(Trust::Predicted),
        1 => Just(Trust::Unknown),
    ]
}

fn tx(
    key: impl Strategy<Value = u8> + 'static,
    access: impl Strategy<Value = Access> + 'static,
    accesses: usize,
    ranges: impl Strategy<Value = Vec<(Bound<u8>, Bound<u8>)>> + 'static,
) -> BoxedStrategy<Tx> {
    (vec((key, access), 0..=accesses), ranges, trust())
        .prop_map(|(entries, ranges, trust)| Tx {
            entries,
            ranges,
            trust,
        })
        .boxed()
}

fn ranges(keys: u8, most: usize) -> impl Strategy<Value = Vec<(Bound<u8>, Bound<u8>)>> {
    vec((bound(keys), bound(keys)), 0..=most)
}

/// Blocks of all kinds: hardly any conflicts, a few hot keys, one key, adds only, many scans, nothing.
pub(crate) fn block() -> BoxedStrategy<Vec<Tx>> {
    let skewed = (0..16_u8, 0..16_u8).prop_map(|(a, b)| a.min(b));
    let mostly_adds =
        || prop_oneof![8 => Just(Access::ADD), 1 => Just(Access::READ), 1 => Just(Access::WRITE)];
    prop_oneof![
        3 => vec(tx(any::<u8>(), access(), 4, ranges(255, 1)), 0..60),
        3 => vec(tx(skewed, access(), 4, Just(Vec::new())), 0..60),
        1 => vec(tx(Just(7), access(), 2, Just(Vec::new())), 0..60),
        1 => vec(tx(0..2_u8, Just(Access::ADD), 2, Just(Vec::new())), 0..60),
        2 => vec(tx(0..6_u8, mostly_adds(), 3, Just(Vec::new())), 0..80),
        2 => vec(tx(0..120_u8, access(), 3, ranges(120, 2)), 0..120),
        1 => vec(tx(0..120_u8, mostly_adds(), 3, ranges(120, 1)), 0..120),
        1 => Just(Vec::new()),
    ]
    .boxed()
}
