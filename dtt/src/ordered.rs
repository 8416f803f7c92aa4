//! The keys that have been written, in their order, for those who scan ranges.
//!
//! A scan needs the latest value of every key in its range. Naming each of them, scan after scan, would take memory for
//! keys times scans. So the keys are the leaves of a B-tree whose nodes are summed up once and stay so until one of their
//! keys changes: a scan takes the sums of whole nodes, and a change costs the nodes above its key.

use std::cmp::Ordering;

use crate::{error::TooLarge, tree::Code};

/// The most items of a node.
const FULL: usize = 16;

/// What is asked of the keys' owner while an index is summed up.
pub(crate) trait Summing<K> {
    fn keys(&self) -> &[K];
    /// Where the value of a key comes from.
    fn value_of(&mut self, key: u32) -> Result<Code, TooLarge>;
    /// The sum of what was found, which may be one alone, or the same several times.
    fn sum_of(&mut self, found: &mut Vec<Found>) -> Result<Code, TooLarge>;
}

/// Where a value comes from, and the key that it is of, or [`SEVERAL`].
pub(crate) type Found = (Code, u32);

/// Stands for several keys in a range.
pub(crate) const SEVERAL: u32 = u32::MAX;

#[derive(Clone, Debug)]
struct Node {
    is_leaf: bool,
    /// Of a leaf, keys; of all others, nodes. Never empty, but for a leaf that is the root.
    items: Vec<u32>,
    /// The lowest key under each item of a node that is no leaf.
    lowest: Vec<u32>,
    /// All of it together, if nothing has changed since.
    summed: Option<Code>,
}

/// A B-tree over numbers of keys.
#[derive(Clone, Debug)]
pub(crate) struct OrderedIndex<K> {
    nodes: Vec<Node>,
    root: usize,
    compare: fn(&K, &K) -> Ordering,
}

impl<K> OrderedIndex<K> {
    pub(crate) fn new(compare: fn(&K, &K) -> Ordering) -> Self {
        let root = Node {
            is_leaf: true,
            items: Vec::new(),
            lowest: Vec::new(),
            summed: None,
        };
        Self {
            nodes: vec![root],
            root: 0,
            compare,
        }
    }

    /// In bytes, at most.
    pub(crate) fn memory(&self) -> usize {
        self.nodes.capacity() * (size_of::<Node>() + 2 * (FULL + 1) * size_of::<u32>())
    }

    /// The order of the keys.
    pub(crate) fn compare(&self) -> fn(&K, &K) -> Ordering {
        self.compare
    }

    /// Notes that the value of a key has changed, which may be new.
    pub(crate) fn change(&mut self, key: u32, keys: &[K]) {
        let mut path = Vec::with_capacity(8);
        let mut at = self.root;
        while !self.nodes[at].is_leaf {
            let node = &mut self.nodes[at];
            node.summed = None;
            let after = node.lowest.partition_point(|lowest| {
                (self.compare)(&keys[*lowest as usize], &keys[key as usize]).is_le()
            });
            let child = after.saturating_sub(1);
            if after == 0 {
                node.lowest[0] = key;
            }
            path.push((at, child));
            at = node.items[child] as usize;
        }
        let leaf = &mut self.nodes[at];
        leaf.summed = None;
        let place = leaf
            .items
            .binary_search_by(|other| (self.compare)(&keys[*other as usize], &keys[key as usize]));
        if let Err(place) = place {
            leaf.items.insert(place, key);
            self.split(at, path);
        }
    }

    /// Splits a node that is too full, and those above it that get too full by that.
    fn split(&mut self, mut at: usize, mut path: Vec<(usize, usize)>) {
        while self.nodes[at].items.len() > FULL {
            let right = self.nodes.len() as u32;
            let left = &mut self.nodes[at];
            let items = left.items.split_off(FULL / 2);
            let is_leaf = left.is_leaf;
            let lowest = if is_leaf {
                Vec::new()
            } else {
                left.lowest.split_off(FULL / 2)
            };
            let lowest_left = *left.lowest.first().unwrap_or(&left.items[0]);
            let lowest_right = *lowest.first().unwrap_or(&items[0]);
            self.nodes.push(Node {
                is_leaf,
                items,
                lowest,
                summed: None,
            });
            if let Some((above, child)) = path.pop() {
                let above_node = &mut self.nodes[above];
                above_node.items.insert(child + 1, right);
                above_node.lowest.insert(child + 1, lowest_right);
                at = above;
            } else {
                self.root = self.nodes.len();
                self.nodes.push(Node {
                    is_leaf: false,
                    items: vec![at as u32, right],
                    lowest: vec![lowest_left, lowest_right],
                    summed: None,
                });
                return;
            }
        }
    }

    /// Finds where the values of all keys come from for which `is_after` (they come too early) and `is_before` (too
    /// late) say no.
    pub(crate) fn scan(
        &mut self,
        is_after: &dyn Fn(&K) -> bool,
        is_before: &dyn Fn(&K) -> bool,
        owner: &mut dyn Summing<K>,
        found: &mut Vec<Found>,
    ) -> Result<(), TooLarge> {
        self.scan_node(self.root, Some(is_after), Some(is_before), owner, found)
    }

    /// A bound that is `None` holds for all of the node.
    fn scan_node(
        &mut self,
        at: usize,
        is_after: Option<&dyn Fn(&K) -> bool>,
        is_before: Option<&dyn Fn(&K) -> bool>,
        owner: &mut dyn Summing<K>,
        found: &mut Vec<Found>,
    ) -> Result<(), TooLarge> {
        let node = &self.nodes[at];
        if node.items.is_empty() {
            return Ok(());
        }
        if is_after.is_none() && is_before.is_none() {
            found.push((self.summed(at, owner)?, SEVERAL));
            return Ok(());
        }
        let keys = owner.keys();
        let lowest = if node.is_leaf {
            &node.items
        } else {
            &node.lowest
        };
        // Of a node that is no leaf, the child before the first that starts inside may reach inside.
        let start = is_after.map_or(0, |is_after| {
            lowest.partition_point(|key| is_after(&keys[*key as usize]))
        });
        let end = is_before.map_or(lowest.len(), |is_before| {
            lowest.partition_point(|key| !is_before(&keys[*key as usize]))
        });
        if node.is_leaf {
            if start == 0 && end == lowest.len() {
                found.push((self.summed(at, owner)?, SEVERAL));
                return Ok(());
            }
            for place in start..end {
                let key = self.nodes[at].items[place];
                found.push((owner.value_of(key)?, key));
            }
            return Ok(());
        }
        let start = if is_after.is_some() {
            start.saturating_sub(1)
        } else {
            0
        };
        for place in start..end {
            let child = self.nodes[at].items[place] as usize;
            let after = is_after.filter(|_| place == start);
            let before = is_before.filter(|_| place + 1 == end);
            self.scan_node(child, after, before, owner, found)?;
        }
        Ok(())
    }

    /// All of a node together.
    fn summed(&mut self, at: usize, owner: &mut dyn Summing<K>) -> Result<Code, TooLarge> {
        if let Some(summed) = self.nodes[at].summed {
            return Ok(summed);
        }
        let mut found = Vec::with_capacity(FULL);
        for place in 0..self.nodes[at].items.len() {
            let item = self.nodes[at].items[place];
            found.push(if self.nodes[at].is_leaf {
                (owner.value_of(item)?, item)
            } else {
                (self.summed(item as usize, owner)?, SEVERAL)
            });
        }
        let summed = owner.sum_of(&mut found)?;
        self.nodes[at].summed = Some(summed);
        Ok(summed)
    }
}
