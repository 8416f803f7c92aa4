//! What the executor is told of a block beforehand: nothing, the truth, or something else.

use std::{fmt::Debug, hash::Hash};

use pleach_dtt::{AccessSet, Dtt, Limits, OpenTree, Trust};

use super::schedule::mix;
use crate::{block::Block, vm::Vm};

/// What the executor is told of the block beforehand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Hints {
    /// Nothing.
    None,
    /// What each transaction touches when the block is executed serially.
    Right,
    /// What the next transaction touches then.
    Wrong,
    /// The tree that then holds, as bytes that were carried.
    Tree,
    /// The tree of a block in which each transaction touches what the next one does here.
    WrongTree,
    /// The right tree, of which some bytes were changed on the way, by the seed. If it still is one, it is told.
    BrokenTree,
}

impl Hints {
    pub(super) const ALL: [Self; 6] = [
        Self::None,
        Self::Right,
        Self::Wrong,
        Self::Tree,
        Self::WrongTree,
        Self::BrokenTree,
    ];
}

/// What is told.
pub(super) struct Told<K> {
    accesses: Vec<AccessSet<K>>,
    tree: Option<Dtt>,
}

impl<K: Ord + Hash + Clone + Debug> Told<K> {
    /// By what was recorded of the block, serially; nothing, if that ended with an error.
    pub(super) fn new(hints: Hints, seed: u64, recorded: &[AccessSet<K>]) -> Self {
        let mut accesses = match hints {
            Hints::None => Vec::new(),
            _ => recorded.to_vec(),
        };
        if matches!(hints, Hints::Wrong | Hints::WrongTree) && !accesses.is_empty() {
            accesses.rotate_left(1);
        }
        if matches!(hints, Hints::None | Hints::Right | Hints::Wrong) {
            return Self {
                accesses,
                tree: None,
            };
        }
        let mut bytes = tree(&accesses).map_or_else(Vec::new, |tree| tree.encode());
        if hints == Hints::BrokenTree && !bytes.is_empty() {
            for number in 0..=mix(seed) % 3 {
                let random = mix(seed ^ mix(number + 1));
                let place = (random >> 8) as usize % bytes.len();
                bytes[place] ^= 1 << (random % 8);
            }
        }
        let limits = Limits::default().transactions(accesses.len());
        Self {
            accesses: Vec::new(),
            tree: Dtt::decode(&bytes, limits).ok(),
        }
    }

    /// What is said of each transaction, if anything is.
    pub(super) fn accesses(&self) -> &[AccessSet<K>] {
        &self.accesses
    }

    /// Tells it.
    pub(super) fn tell<'a, V: Vm<Key = K>, S>(&'a self, block: Block<'a, V, S>) -> Block<'a, V, S> {
        let block = block.predicted(&self.accesses);
        match &self.tree {
            Some(tree) => block.tree(tree),
            None => block,
        }
    }
}

fn tree<K: Ord + Hash + Clone>(accesses: &[AccessSet<K>]) -> Option<Dtt> {
    let mut open = OpenTree::new();
    for set in accesses {
        open.push(set, Trust::Predicted).ok()?;
    }
    Some(open.into_tree())
}
