//! From transactions to shapes: single dots, blocks of siblings that nobody waits for, and folded chains.

use super::pack::{Dot, folded, rows};
use crate::tree::Dtt;

/// The radius of a transaction of average cost.
pub(super) const RADIUS: f64 = 6.0;
/// Siblings without children from which on they make a block.
const LEAST_BLOCK: usize = 6;
/// Transactions in a row from which on they are folded.
const LEAST_FOLD: usize = 14;
/// Transactions beyond which shapes stand for parts of the tree.
pub(super) const MOST_SINGLE: usize = 5_000;
/// Branches up to this size never do.
const LEAST_MERGED: usize = 60;
/// About how many shapes there are to be then.
const SHAPES: usize = 1_500;
/// The space between the frame of a block and what is in it.
pub(super) const PADDING: f64 = 5.0;

/// Transactions from which on a block says how many they are, and the room for that.
pub(super) const LEAST_LABELLED: usize = 30;
pub(super) const LABEL: f64 = 15.0;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// One transaction.
    One,
    /// Siblings that no other waits for as its latest, perhaps with all that comes after them.
    Block,
    /// Each is the parent of the next.
    Chain,
}

/// One or more transactions that are placed together.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) kind: Kind,
    /// The shape above; none for those that hang from the root.
    pub(super) parent: Option<usize>,
    pub(super) members: Vec<u32>,
    pub(super) dots: Vec<Dot>,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// What decides on the shapes of all branches.
pub(super) struct ShapeMaker<'a> {
    tree: &'a Dtt,
    pub(super) radii: Vec<f64>,
    critical: Vec<bool>,
    children: Vec<Vec<u32>>,
    /// How many transactions there are below each one, and itself.
    sizes: Vec<u32>,
    /// Whether a join that is drawn starts or ends at a transaction.
    pub(super) joined: Vec<bool>,
    /// Subtrees of fewer transactions are merged.
    small: u32,
    /// How many transactions in a row are merged.
    run: usize,
    /// How many transactions a dot of a block stands for.
    per: usize,
}

impl<'a> ShapeMaker<'a> {
    pub(super) fn new(tree: &'a Dtt, cost: impl Fn(usize) -> u64, critical: Vec<bool>) -> Self {
        let count = tree.len();
        let total: f64 = (0..count).map(|index| cost(index) as f64).sum();
        let average = (total / count.max(1) as f64).max(f64::MIN_POSITIVE);
        // Dots of small trees have room for a number.
        let least = if count <= 60 { 0.9 } else { 0.55 };
        let radii = (0..count)
            .map(|index| RADIUS * (cost(index) as f64 / average).sqrt().clamp(least, 2.0))
            .collect();
        let mut children = vec![Vec::new(); count];
        let mut sizes = vec![1; count];
        for index in (0..count).rev() {
            if let Some(parent) = tree.parent(index) {
                children[parent].push(index as u32);
                sizes[parent] += sizes[index];
            }
        }
        for children in &mut children {
            children.reverse();
        }
        let coarse = count > MOST_SINGLE;
        Self {
            tree,
            radii,
            critical,
            children,
            sizes,
            joined: vec![false; count],
            small: if coarse {
                (2 * count / SHAPES) as u32
            } else {
                2
            },
            run: if coarse { 4 * count / SHAPES } else { 1 },
            per: if coarse { count.div_ceil(3000) } else { 1 },
        }
    }

    /// How many transactions a dot stands for at most.
    pub(super) fn per_dot(&self) -> usize {
        self.per.max(self.run / 4)
    }

    fn is_coarse(&self) -> bool {
        self.run > 1
    }

    /// The shapes of one branch. Parents come before children. Subtrees of fewer than `merge` transactions are merged in
    /// any case.
    pub(super) fn shapes(&mut self, branch: &[u32], merge: usize) -> Vec<Shape> {
        // Small branches of large blocks are drawn as they are.
        let merging = (self.small, self.run);
        if branch.len() <= LEAST_MERGED {
            (self.small, self.run) = (2, 1);
        }
        if merge > 0 {
            self.small = self.small.max(merge as u32);
            self.run = self.run.max(2 * merge);
        }
        let shapes = self.shapes_of(branch);
        (self.small, self.run) = merging;
        shapes
    }

    fn shapes_of(&self, branch: &[u32]) -> Vec<Shape> {
        let mut shapes = Vec::new();
        let tops: Vec<u32> = branch
            .iter()
            .copied()
            .filter(|top| self.tree.parent(*top as usize).is_none())
            .collect();
        let mut open = vec![(None, tops)];
        while let Some((parent, children)) = open.pop() {
            self.hang(parent, &children, &mut shapes, &mut open);
        }
        shapes
    }

    /// Makes the shapes for `children`, and notes what hangs from them.
    fn hang(
        &self,
        parent: Option<usize>,
        children: &[u32],
        shapes: &mut Vec<Shape>,
        open: &mut Vec<(Option<usize>, Vec<u32>)>,
    ) {
        let fits = |child: u32| {
            let child = child as usize;
            self.sizes[child] < self.small && (self.is_coarse() || !self.critical[child])
        };
        let mut block: Vec<u32> = children.iter().copied().filter(|c| fits(*c)).collect();
        let several = block.len() >= LEAST_BLOCK;
        if !(several || self.is_coarse() && !block.is_empty()) {
            block.clear();
        }
        for child in children {
            if !block.is_empty() && fits(*child) {
                continue;
            }
            let (chain, below) = self.chain(*child);
            shapes.push(self.chain_shape(parent, chain));
            if !below.is_empty() {
                open.push((Some(shapes.len() - 1), below));
            }
        }
        if !block.is_empty() {
            shapes.push(self.block_shape(parent, &block));
        }
    }

    /// The transactions from `first` on that make one shape, and what hangs from the last of them.
    fn chain(&self, first: u32) -> (Vec<u32>, Vec<u32>) {
        let mut chain = vec![first];
        let mut aside = Vec::new();
        let mut at = first as usize;
        loop {
            let children = &self.children[at];
            let large = |child: &u32| self.sizes[*child as usize] >= self.small;
            let mut next = if self.is_coarse() {
                let mut large = children.iter().filter(|child| large(child));
                match (large.next(), large.next(), &children[..]) {
                    (Some(next), None, _) | (None, None, [next]) => Some(*next),
                    _ => None,
                }
            } else {
                match children[..] {
                    [next] => Some(next),
                    _ => None,
                }
            };
            if self.is_coarse() && !aside.is_empty() && chain.len() >= self.run {
                next = None;
            }
            // No join starts or ends within a fold, so that no shape can wait for itself by a detour.
            let joined = |index: u32| !self.is_coarse() && self.joined[index as usize];
            let Some(next) = next.filter(|next| !joined(*next)) else {
                aside.extend_from_slice(children);
                break;
            };
            aside.extend(children.iter().copied().filter(|child| *child != next));
            chain.push(next);
            at = next as usize;
        }
        if !self.is_coarse() && chain.len() < LEAST_FOLD {
            chain.truncate(1);
            return (chain, self.children[first as usize].clone());
        }
        (chain, aside)
    }

    fn chain_shape(&self, parent: Option<usize>, members: Vec<u32>) -> Shape {
        let radii = self.radii_of(&members);
        if let [radius] = radii[..] {
            return Shape {
                kind: Kind::One,
                parent,
                members,
                dots: vec![Dot {
                    x: 0.0,
                    y: 0.0,
                    radius,
                    first: 0,
                    count: 1,
                }],
                width: 2.0 * radius,
                height: 0.0,
            };
        }
        // So that a chain of all transactions still has a thousand dots.
        let per = if !self.is_coarse() {
            1
        } else if members.len() > self.run {
            (self.run / 4).max(1)
        } else {
            members.len().div_ceil(8)
        };
        Self::framed(Kind::Chain, parent, members, folded(&radii, per))
    }

    fn block_shape(&self, parent: Option<usize>, tops: &[u32]) -> Shape {
        let mut members = Vec::new();
        let mut open = tops.to_vec();
        while let Some(member) = open.pop() {
            members.push(member);
            open.extend_from_slice(&self.children[member as usize]);
        }
        self.largest_first(&mut members);
        // Few transactions need no summary.
        let per = self.per.min(members.len() / 12).max(1);
        let packed = rows(&self.radii_of(&members), per, 2.2, None);
        Self::framed(Kind::Block, parent, members, packed)
    }

    fn framed(
        kind: Kind,
        parent: Option<usize>,
        members: Vec<u32>,
        packed: super::pack::Packed,
    ) -> Shape {
        let mut dots = packed.dots;
        for dot in &mut dots {
            dot.y += PADDING;
            // What stands for many is no smaller than what stands for one.
            if dot.count > 1 {
                dot.radius = dot.radius.max(RADIUS * 0.7);
            }
        }
        let label = match kind {
            Kind::Block if members.len() >= LEAST_LABELLED => LABEL,
            _ => 0.0,
        };
        Shape {
            kind,
            parent,
            members,
            dots,
            width: packed.width + 2.0 * PADDING,
            height: packed.height + 2.0 * PADDING + label,
        }
    }

    /// Orders transactions by their size.
    pub(super) fn largest_first(&self, members: &mut [u32]) {
        members.sort_by(|a, b| {
            let radius = |index: u32| self.radii[index as usize];
            radius(*b).total_cmp(&radius(*a)).then(a.cmp(b))
        });
    }

    pub(super) fn radii_of(&self, members: &[u32]) -> Vec<f64> {
        members
            .iter()
            .map(|member| self.radii[*member as usize])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::samples;

    fn kinds(tree: &Dtt) -> Vec<(Kind, usize, Option<usize>)> {
        let mut maker = ShapeMaker::new(tree, |_| 1, vec![false; tree.len()]);
        let shapes = maker.shapes(tree.branches().transactions(0), 0);
        shapes
            .iter()
            .map(|shape| (shape.kind, shape.members.len(), shape.parent))
            .collect()
    }

    #[test]
    fn leaves_are_packed() {
        assert_eq!(
            kinds(&samples::star(9)),
            [(Kind::One, 1, None), (Kind::Block, 9, Some(0))]
        );
        assert_eq!(kinds(&samples::star(3)).len(), 4);
    }

    #[test]
    fn chains_are_folded() {
        assert_eq!(kinds(&samples::chain(500)), [(Kind::Chain, 500, None)]);
        assert_eq!(kinds(&samples::chain(5)).len(), 5);
    }

    #[test]
    fn large_trees_have_few_shapes() {
        for tree in [
            samples::chain(20_000),
            samples::star(20_000),
            samples::caterpillar(20_000),
            samples::random(20_000, 15_000, 100),
        ] {
            let mut maker = ShapeMaker::new(&tree, |_| 1, vec![false; tree.len()]);
            let branches = tree.branches();
            let largest = branches.iter().max_by_key(|branch| branch.len());
            let branch = largest.expect("there is one");
            let shapes = maker.shapes(branch, 0);
            assert!(shapes.len() < 3 * SHAPES, "{}", shapes.len());
            let members: usize = shapes.iter().map(|shape| shape.members.len()).sum();
            assert_eq!(members, branch.len());
        }
    }
}
