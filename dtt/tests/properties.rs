//! What holds for every block.

use petgraph::{algo, visit::EdgeCount};
use std::collections::BTreeMap;

use pleach_dtt::{Access, Carried, Dtt, Limits, Source, Trust, Usage};
use proptest::prelude::*;

use crate::{
    blocks::{Tx, block, open},
    oracle,
};

fn costs(tree: &Dtt) -> Vec<u64> {
    (0..tree.len() as u64)
        .map(|index| 1 + index * 7 % 13)
        .collect()
}

/// At most this many edges for each thing that a transaction says: what meets is met once.
fn is_small(tree: &Dtt, block: &[Tx]) -> bool {
    let said: usize = block.iter().map(|tx| tx.entries.len()).sum();
    let scans: usize = block.iter().map(|tx| tx.ranges.len()).sum();
    tree.edges() <= 3 * said + 64 * scans + 16 * said * usize::from(scans > 0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn dependencies_are_those_of_the_definition(block in block()) {
        let open = open(&block);
        let tree = open.tree();
        let expected = oracle::dependencies(&block);
        let effects = oracle::all_effects(&block);
        prop_assert_eq!(tree.len(), block.len());
        prop_assert!(is_small(tree, &block), "{:?}", tree);
        for (index, expected) in expected.iter().enumerate() {
            prop_assert_eq!(&tree.dependencies(index), expected, "{} of {:?}", index, tree);
            prop_assert_eq!(tree.parent(index), expected.last().copied());
            let joins = expected.split_last().map_or(&[][..], |(_, joins)| joins);
            prop_assert_eq!(tree.joins(index), joins);
            prop_assert_eq!(tree.trust(index), block[index].trust);
            let conflicts = open.conflicts(index);
            prop_assert!(conflicts.iter().map(|(earlier, _)| earlier).eq(expected));
            for (earlier, key) in &conflicts {
                if let Some(key) = key {
                    prop_assert!(oracle::sees(&effects, *earlier, index, **key), "{} {}", index, key);
                }
            }
        }
    }

    #[test]
    fn usage_counts_transactions(block in block()) {
        let open = open(&block);
        let effects = oracle::all_effects(&block);
        let usage: BTreeMap<u8, Usage> = open
            .usage()
            .into_iter()
            .map(|(id, usage)| (*open.key(id), usage))
            .collect();
        for key in 0..=u8::MAX {
            let count = |access| {
                let says = |tx: &&Tx| {
                    let mut entries = tx.entries.iter();
                    tx.trust != Trust::Unknown
                        && entries.any(|(other, found)| *other == key && found.has(access))
                };
                block.iter().filter(says).count() as u32
            };
            let found = usage.get(&key).copied().unwrap_or_default();
            prop_assert_eq!(found.reads, count(Access::READ));
            prop_assert_eq!(found.writes, count(Access::WRITE));
            prop_assert_eq!(found.adds, count(Access::ADD));
            prop_assert_eq!(found.checks, count(Access::CHECK));
            if block.iter().all(|tx| tx.ranges.is_empty()) {
                let waits = |later: &usize| {
                    (0..*later).any(|earlier| oracle::sees(&effects, earlier, *later, key))
                };
                prop_assert_eq!(found.ordered as usize, (0..block.len()).filter(waits).count());
            }
        }
    }

    #[test]
    fn branches_levels_and_paths_are_those_of_the_dependencies(block in block()) {
        let tree = open(&block).into_tree();
        let dependencies = oracle::dependencies(&block);
        let branches = tree.branches();
        let expected = oracle::branches(&dependencies);
        prop_assert!(branches.iter().eq(expected.iter().map(Vec::as_slice)));
        prop_assert_eq!(branches.largest(), expected.iter().map(Vec::len).max().unwrap_or(0));
        for (number, branch) in expected.iter().enumerate() {
            for transaction in branch {
                prop_assert_eq!(branches.of(*transaction as usize), number);
            }
        }

        let levels = oracle::ends(&dependencies, &vec![1; block.len()]);
        prop_assert!(tree.levels().iter().map(|level| u64::from(*level) + 1).eq(levels));
        prop_assert_eq!(tree.widths().iter().sum::<usize>(), block.len());

        let costs = costs(&tree);
        let ends = oracle::ends(&dependencies, &costs);
        let path = tree.critical_path(&costs);
        prop_assert_eq!(path.cost, ends.iter().copied().max().unwrap_or(0));
        let along: u64 = path.transactions.iter().map(|index| costs[*index]).sum();
        prop_assert_eq!(along, path.cost);
        for pair in path.transactions.windows(2) {
            prop_assert!(dependencies[pair[1]].contains(&pair[0]));
        }
    }

    #[test]
    fn access_sets_are_sets(block in block(), seed in any::<u64>()) {
        let tree = open(&block).into_tree();
        let mut shuffled = block;
        for (index, tx) in shuffled.iter_mut().enumerate() {
            if !tx.entries.is_empty() {
                let turn = (seed as usize + index) % tx.entries.len();
                tx.entries.rotate_left(turn);
                tx.entries.push(tx.entries[0]);
            }
            tx.ranges.reverse();
        }
        prop_assert_eq!(open(&shuffled).into_tree(), tree.clone());
        let sets: Vec<_> = shuffled.iter().map(|tx| (tx.set(), tx.trust)).collect();
        let sets = sets.iter().map(|(set, trust)| (set, *trust));
        prop_assert_eq!(tree.verify(sets), Ok(()));
    }

    #[test]
    fn many_threads_make_the_same_tree(block in block(), repeated in 30..60_usize) {
        // Long enough for many chunks.
        let long: Vec<Tx> = block.iter().cycle().take(block.len() * repeated).cloned().collect();
        let mut parallel = pleach_dtt::OpenTree::new();
        parallel.par_extend(long.len(), |index, set| {
            *set = long[index].set();
            long[index].trust
        }).expect("it is small");
        let sequential = open(&long);
        prop_assert_eq!(parallel.tree(), sequential.tree());
        for index in (0..long.len()).step_by(97) {
            prop_assert!(parallel.accesses(index).eq(sequential.accesses(index)));
        }
    }

    #[test]
    fn encodings_come_back(block in block()) {
        let tree = open(&block).into_tree();
        let bytes = tree.encode();
        let decoded = Dtt::decode(&bytes, Limits::default());
        prop_assert_eq!(decoded.as_ref(), Ok(&tree));
        let hash = decoded.map(|tree| tree.root_hash());
        prop_assert_eq!(hash, Ok(tree.root_hash()));
        if cfg!(feature = "serde") {
            prop_assert_eq!(crate::bytes::through_json(&tree), tree);
        }
    }

    #[test]
    fn a_prefix_has_the_tree_of_its_own_block(block in block(), count in any::<prop::sample::Index>()) {
        let tree = open(&block).into_tree();
        let count = count.index(block.len() + 1);
        let prefix = open(&block[..count]).into_tree();
        prop_assert_eq!(tree.prefix_hash(count), prefix.root_hash());
        prop_assert_eq!(tree.first_difference(|count| Ok::<_, ()>(tree.prefix_hash(count))), Ok(None));
    }

    #[test]
    fn the_first_difference_is_found(
        block in block(),
        at in any::<prop::sample::Index>(),
    ) {
        prop_assume!(!block.is_empty());
        let at = at.index(block.len());
        let mut other = block.clone();
        other[at].entries.push((200, Access::UPDATE));
        let (ours, theirs) = (open(&block).into_tree(), open(&other).into_tree());
        let expected = (0..=block.len()).find(|count| {
            open(&block[..*count]).tree() != open(&other[..*count]).tree()
        });
        let found = ours.first_difference(|count| Ok::<_, ()>(theirs.prefix_hash(count)));
        prop_assert_eq!(found, Ok(expected.map(|count| count - 1)));
        prop_assert_eq!(ours.compare(&theirs).is_err(), expected.is_some());
        let sets: Vec<_> = other.iter().map(|tx| (tx.set(), tx.trust)).collect();
        let sets = sets.iter().map(|(set, trust)| (set, *trust));
        prop_assert_eq!(ours.verify(sets), ours.compare(&theirs));
    }

    #[test]
    fn petgraph_sees_the_same(block in block()) {
        let tree = open(&block).into_tree();
        let graph = tree.graph();
        prop_assert_eq!(algo::connected_components(&graph), tree.branches().len());
        prop_assert_eq!(graph.edge_count(), tree.edges());
        let order = algo::toposort(&graph, None).expect("a tree has no cycle");
        let mut place = vec![0; order.len()];
        for (at, node) in order.iter().enumerate() {
            place[node.index()] = at;
        }
        for index in 0..tree.len() {
            let node = graph.node(Source::Transaction(index));
            for earlier in tree.dependencies(index) {
                let earlier = graph.node(Source::Transaction(earlier));
                prop_assert!(place[earlier.index()] < place[node.index()]);
                prop_assert!(algo::has_path_connecting(&graph, earlier, node, None));
            }
        }
    }

    #[test]
    fn blocks_that_follow_each_other_have_trees_of_their_own(
        blocks in prop::collection::vec(block(), 1..4),
    ) {
        let mut open_tree = pleach_dtt::OpenTree::new();
        let mut all: Vec<Tx> = Vec::new();
        let mut origin: Vec<Carried> = Vec::new();
        for (number, block) in blocks.iter().enumerate() {
            let start = all.len();
            for (index, tx) in block.iter().enumerate() {
                open_tree.push(&tx.set(), tx.trust).expect("it is small");
                all.push(tx.clone());
                origin.push(Carried { block: number as u32, transaction: index as u32 });
            }
            let dependencies = oracle::dependencies(&all);
            for (index, needed) in dependencies[start..].iter().enumerate() {
                let earlier = needed.iter().filter(|needed| **needed < start).max();
                let expected = earlier.map(|earlier| origin[*earlier]);
                prop_assert_eq!(open_tree.carried(index), expected, "{} of block {}", index, number);
            }
            prop_assert_eq!(open_tree.next_block(), open(block).into_tree());
        }
    }
}
