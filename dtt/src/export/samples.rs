//! Trees to draw in tests, and a check that what comes out is well-formed.

use crate::{access::AccessSet, access::Trust, open::OpenTree, tree::Dtt};

/// A stream of numbers that is the same on every run.
pub(super) struct Numbers(u64);

impl Numbers {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Transactions that each update two accounts.
pub(super) fn payments(pairs: &[(u64, u64)]) -> Dtt {
    let mut open = OpenTree::new();
    for (from, to) in pairs {
        let mut set = AccessSet::new();
        set.update(*from).update(*to);
        open.push(&set, Trust::Exact).expect("a small tree");
    }
    open.into_tree()
}

/// Each needs the one before.
pub(super) fn chain(length: u64) -> Dtt {
    payments(&vec![(0, 0); length as usize])
}

/// Nobody waits for anybody.
pub(super) fn independent(length: u64) -> Dtt {
    payments(&(0..length).map(|key| (key, key)).collect::<Vec<_>>())
}

/// One that writes, and many that read it.
pub(super) fn star(children: u64) -> Dtt {
    let mut open = OpenTree::new();
    let mut set = AccessSet::new();
    set.write(0);
    open.push(&set, Trust::Exact).expect("a small tree");
    for child in 1..=children {
        set.clear();
        set.read(0).write(child);
        open.push(&set, Trust::Exact).expect("a small tree");
    }
    open.into_tree()
}

/// Many that add to a key, and many that read it then.
pub(super) fn adders(adders: u64, readers: u64) -> Dtt {
    let mut open = OpenTree::new();
    let mut set = AccessSet::new();
    for index in 0..adders + readers {
        set.clear();
        if index < adders {
            set.add(0);
        } else {
            set.read(0);
        }
        open.push(&set, Trust::Exact).expect("a small tree");
    }
    open.into_tree()
}

/// Payments as in a busy block: most between accounts that hardly anybody else uses, some with popular ones.
pub(super) fn random(length: u64, accounts: u64, popular: u64) -> Dtt {
    let mut numbers = Numbers::new(length);
    let pairs: Vec<(u64, u64)> = (0..length)
        .map(|_| {
            let from = popular + numbers.below(accounts);
            let to = if numbers.below(4) == 0 {
                // Squaring makes low ones the more popular.
                let at = numbers.below(popular * popular);
                at.isqrt().abs_diff(popular - 1)
            } else {
                popular + numbers.below(accounts)
            };
            (from, to)
        })
        .collect();
    payments(&pairs)
}

/// A chain with leaves on the way.
pub(super) fn caterpillar(length: u64) -> Dtt {
    let mut open = OpenTree::new();
    let mut set = AccessSet::new();
    for index in 0..length {
        set.clear();
        if index % 3 == 0 {
            set.update(0);
        } else {
            set.read(0).write(index);
        }
        open.push(&set, Trust::Exact).expect("a small tree");
    }
    open.into_tree()
}

/// One that writes, and pairs of which one reads it, and the other what that writes.
pub(super) fn bush(pairs: u64) -> Dtt {
    let mut open = OpenTree::new();
    let mut set = AccessSet::new();
    set.write(0);
    open.push(&set, Trust::Exact).expect("a small tree");
    for index in 0..2 * pairs {
        set.clear();
        set.read(if index < pairs { 0 } else { index + 1 - pairs });
        set.write(index + 1);
        open.push(&set, Trust::Exact).expect("a small tree");
    }
    open.into_tree()
}

/// Costs of which few are much larger than most.
pub(super) fn costs(length: usize) -> Vec<u64> {
    let mut numbers = Numbers::new(7);
    (0..length)
        .map(|_| match numbers.below(20) {
            0 => 400 + numbers.below(1600),
            1..=6 => 60 + numbers.below(200),
            _ => 21,
        })
        .collect()
}

/// Fails unless tags are balanced, attributes quoted and ampersands escaped.
pub(super) fn check_xml(text: &str) {
    let mut open = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        check_text(&rest[..at]);
        let end = rest[at..].find('>').expect("a tag ends") + at;
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "a tag is closed");
            continue;
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "quotes pair up: {tag}");
        assert!(!tag.contains("NaN") && !tag.contains("inf"), "{tag}");
        check_text(tag);
        if !tag.ends_with('/') {
            let name = tag.split_whitespace().next();
            open.push(name.expect("a tag has a name"));
        }
    }
    assert!(rest.trim().is_empty() && open.is_empty(), "{open:?}");
}

fn check_text(text: &str) {
    for (at, _) in text.match_indices('&') {
        let entities = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"];
        let known = entities.iter().any(|known| text[at..].starts_with(known));
        assert!(known, "{}", &text[at..]);
    }
}
