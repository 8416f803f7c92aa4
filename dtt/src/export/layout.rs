//! Where the shapes of one branch go: rows by dependencies, columns by a tidy tree.
//!
//! A shape is in a row below all that it waits for, so every line goes downwards. Within that, subtrees move together as
//! closely as their outlines allow, and parents sit in the middle above their children.

use std::collections::BTreeMap;

use super::shape::{Kind, Shape};
use crate::tree::{Dtt, Source};

/// The space between shapes side by side.
const GAP: f64 = 7.0;
/// The space above a block or fold, and below.
const MARGIN: f64 = 7.0;

/// A branch with places for its shapes.
pub(super) struct Drawing {
    pub(super) shapes: Vec<Shape>,
    /// The middle of each shape.
    pub(super) x: Vec<f64>,
    /// The upper edge of each shape; the middle, if it is one dot.
    pub(super) y: Vec<f64>,
    /// How far down each sum is that is drawn.
    pub(super) sums: BTreeMap<usize, f64>,
    pub(super) width: f64,
    pub(super) height: f64,
    /// The height of a row.
    pub(super) pitch: f64,
    /// The column of each shape, where a deep tree is cut into several.
    pub(super) column: Vec<usize>,
    /// How wide the part is that hangs from the root: all, or the first column.
    pub(super) hanging: f64,
}

/// Rows from which on a tree may be cut into columns.
const LEAST_CUT: usize = 50;
/// The space between two columns.
const BETWEEN: f64 = 26.0;

/// How much room rows and single dots take.
#[derive(Clone, Copy)]
pub(super) struct Room {
    pub(super) pitch: f64,
    /// The width of a dot with what is written below it.
    pub(super) single: f64,
}

/// The outline of a subtree, by rows: how far it reaches to the left and right of its topmost shape.
struct Outline {
    /// From the lowest row up.
    rows: Vec<(f64, f64)>,
    lowest: usize,
    /// What to add to all of them.
    shift: f64,
}

impl Outline {
    fn row(&self, row: usize) -> (f64, f64) {
        let (left, right) = self.rows[self.lowest - row];
        (left + self.shift, right + self.shift)
    }

    fn highest(&self) -> usize {
        self.lowest + 1 - self.rows.len()
    }

    fn extend_to(&mut self, row: usize, left: f64, right: f64) {
        while self.highest() > row {
            self.rows.push((left - self.shift, right - self.shift));
        }
    }

    /// Puts `other` to the right of this and returns how far it had to move. Takes time for the shallower one only.
    fn join(&mut self, mut other: Self) -> f64 {
        let shared = self.highest()..=self.lowest.min(other.lowest);
        let distance = shared
            .clone()
            .map(|row| self.row(row).1 - other.row(row).0 + GAP)
            .fold(f64::NEG_INFINITY, f64::max);
        other.shift += distance;
        if other.lowest > self.lowest {
            for row in shared {
                let left = self.row(row).0 - other.shift;
                other.rows[other.lowest - row].0 = left;
            }
            *self = other;
        } else {
            for row in shared {
                let right = other.row(row).1 - self.shift;
                self.rows[self.lowest - row].1 = right;
            }
        }
        distance
    }
}

/// The order in which rows can be given: after all that a shape waits for.
fn order(tree: &Dtt, shapes: &[Shape], sums: &[usize]) -> Vec<Source> {
    let mut order: Vec<(Option<u32>, u8, Source)> = Vec::new();
    for (index, shape) in shapes.iter().enumerate() {
        let first = shape.members.iter().copied().min();
        let key = match (shape.kind, shape.parent) {
            // Nothing that a block waits for comes after its parent.
            (Kind::Block, Some(parent)) => (shapes[parent].members.last().copied(), 2),
            (Kind::Block, None) => (None, 0),
            (Kind::One | Kind::Chain, _) => (first, 0),
        };
        order.push((key.0, key.1, Source::Transaction(index)));
    }
    for sum in sums {
        let latest = tree.sums.latest(Source::Sum(*sum).code());
        order.push((Some(latest), 1, Source::Sum(*sum)));
    }
    order.sort_unstable();
    order.into_iter().map(|(.., source)| source).collect()
}

/// Gives each shape its place. `joins` are lines between shapes, by their indices, and sums.
pub(super) fn place(
    tree: &Dtt,
    shapes: Vec<Shape>,
    joins: &[(Source, Source)],
    room: Room,
) -> Drawing {
    let pitch = room.pitch;
    let tall = |shape: &Shape| match shape.kind {
        Kind::One => 1,
        _ => super::pack::whole((shape.height + 2.0 * MARGIN) / pitch),
    };
    let mut before: BTreeMap<Source, Vec<Source>> = BTreeMap::new();
    for (from, to) in joins {
        before.entry(*to).or_default().push(*from);
    }
    let mut sums: Vec<usize> = joins
        .iter()
        .flat_map(|(from, to)| [*from, *to])
        .filter_map(|source| match source {
            Source::Sum(sum) => Some(sum),
            Source::Transaction(_) => None,
        })
        .collect();
    sums.sort_unstable();
    sums.dedup();

    let mut rows = vec![0; shapes.len()];
    let mut sum_rows = BTreeMap::new();
    for node in order(tree, &shapes, &sums) {
        let below = |source: Source| match source {
            Source::Transaction(index) => rows[index] + tall(&shapes[index]),
            Source::Sum(sum) => sum_rows.get(&sum).copied().unwrap_or_default(),
        };
        let others = before.get(&node).into_iter().flatten().copied();
        let parent = match node {
            Source::Transaction(index) => shapes[index].parent.map(Source::Transaction),
            Source::Sum(_) => None,
        };
        let row = others.chain(parent).map(below).max().unwrap_or_default();
        match node {
            Source::Transaction(index) => rows[index] = row,
            Source::Sum(sum) => {
                sum_rows.insert(sum, row);
            }
        }
    }

    let (x, width) = columns(&shapes, &rows, tall, room.single);
    let y: Vec<f64> = shapes
        .iter()
        .zip(&rows)
        .map(|(shape, row)| {
            let top = *row as f64 * pitch;
            top + if shape.kind == Kind::One {
                pitch / 2.0
            } else {
                MARGIN
            }
        })
        .collect();
    let height = shapes
        .iter()
        .zip(&rows)
        .map(|(shape, row)| (row + tall(shape)) as f64 * pitch)
        .fold(0.0, f64::max);
    let mut drawing = Drawing {
        x,
        y,
        column: vec![0; shapes.len()],
        hanging: width,
        sums: sum_rows
            .into_iter()
            .map(|(sum, row)| (sum, row as f64 * pitch))
            .collect(),
        shapes,
        width,
        height,
        pitch,
    };
    drawing.cut(&rows, room.single);
    drawing
}

impl Drawing {
    /// Cuts a deep and narrow tree into columns beside each other, so that it fits on a page.
    fn cut(&mut self, rows: &[usize], single: f64) {
        let all = rows.iter().max().map_or(0, |last| last + 1);
        let columns = (1.4 * self.height / (self.width + BETWEEN)).sqrt().floor();
        let columns = super::pack::whole(columns).min(all / 12);
        if all < LEAST_CUT || columns < 2 {
            return;
        }
        let each = all.div_ceil(columns);
        let mut sides = vec![(f64::INFINITY, f64::NEG_INFINITY); columns];
        for (index, shape) in self.shapes.iter().enumerate() {
            let column = rows[index] / each;
            self.column[index] = column;
            let half = shape.width.max(single) / 2.0;
            let side = &mut sides[column];
            side.0 = side.0.min(self.x[index] - half);
            side.1 = side.1.max(self.x[index] + half);
        }
        let mut next = 0.0;
        let mut moves = Vec::with_capacity(columns);
        for (left, right) in sides {
            if left.is_finite() {
                if moves.is_empty() {
                    self.hanging = right - left;
                }
                moves.push(next - left);
                next += right - left + BETWEEN;
            } else {
                moves.push(0.0);
            }
        }
        self.width = next - BETWEEN;
        self.height = 0.0;
        let high = each as f64 * self.pitch;
        for (index, shape) in self.shapes.iter().enumerate() {
            let column = self.column[index];
            self.x[index] += moves[column];
            self.y[index] -= column as f64 * high;
            if column > 0 {
                // Not so high that it seemed to hang from the root.
                self.y[index] += self.pitch * 0.6;
            }
            let bottom = self.y[index] + shape.height + self.pitch / 2.0;
            self.height = self.height.max(bottom);
        }
        // They are near those that need them.
        self.sums.clear();
    }
}

/// The middle of each shape, and how wide all is.
fn columns(
    shapes: &[Shape],
    rows: &[usize],
    tall: impl Fn(&Shape) -> usize,
    single: f64,
) -> (Vec<f64>, f64) {
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); shapes.len() + 1];
    let root = shapes.len();
    for (index, shape) in shapes.iter().enumerate() {
        children[shape.parent.unwrap_or(root)].push(index);
    }
    // The deepest in the middle, and above it the parent: what goes on stays in one line.
    let mut lowest = vec![0; shapes.len()];
    for index in (0..shapes.len()).rev() {
        let below = children[index].iter().map(|child| lowest[*child]).max();
        lowest[index] = below
            .unwrap_or_default()
            .max(rows[index] + tall(&shapes[index]) - 1);
    }
    for children in &mut children[..root] {
        let deepest = children.iter().map(|child| lowest[*child]).max();
        let mut places =
            (0..children.len()).filter(|place| Some(lowest[children[*place]]) == deepest);
        if let (Some(place), None) = (places.next(), places.next()) {
            let child = children.remove(place);
            children.insert(children.len() / 2, child);
        }
    }
    let mut outlines: Vec<Option<Outline>> = shapes.iter().map(|_| None).collect();
    let mut offsets = vec![0.0; shapes.len()];
    // Children come after their parents.
    for index in (0..shapes.len()).rev() {
        let shape = &shapes[index];
        let bottom = rows[index] + tall(shape) - 1;
        let mut depths: Vec<(usize, usize)> = children[index]
            .iter()
            .map(|child| (lowest[*child] - bottom, *child))
            .collect();
        depths.sort_unstable();
        let spine = match depths[..] {
            [.., (second, _), (first, child)] if first > second + 3 => Some(child),
            _ => None,
        };
        let half = match shape.kind {
            Kind::One => shape.width.max(single) / 2.0,
            _ => shape.width / 2.0,
        };
        let below = gather(
            &children[index],
            bottom + 1,
            spine,
            &mut outlines,
            &mut offsets,
        );
        let mut outline = below.unwrap_or(Outline {
            rows: Vec::new(),
            lowest: bottom,
            shift: 0.0,
        });
        outline.extend_to(rows[index], -half, half);
        outlines[index] = Some(outline);
    }
    let all = gather(&children[root], 0, None, &mut outlines, &mut offsets);
    let (mut left, mut right) = (f64::INFINITY, f64::NEG_INFINITY);
    if let Some(all) = all {
        for row in all.highest()..=all.lowest {
            left = left.min(all.row(row).0);
            right = right.max(all.row(row).1);
        }
    }
    let mut x = offsets;
    for index in 0..shapes.len() {
        x[index] += shapes[index].parent.map_or(-left, |parent| x[parent]);
    }
    (x, (right - left).max(0.0))
}

/// Moves subtrees together and notes how far each is from their parent, which is above `spine` or in the middle. Lines to
/// them come from above row `from`.
fn gather(
    children: &[usize],
    from: usize,
    spine: Option<usize>,
    outlines: &mut [Option<Outline>],
    offsets: &mut [f64],
) -> Option<Outline> {
    let mut all: Option<Outline> = None;
    let mut last = 0.0;
    for child in children {
        let Some(mut outline) = outlines[*child].take() else {
            continue;
        };
        outline.extend_to(from, -1.0, 1.0);
        match &mut all {
            None => all = Some(outline),
            Some(all) => {
                last = all.join(outline);
                offsets[*child] = last;
            }
        }
    }
    let middle = spine.map_or(last / 2.0, |spine| offsets[spine]);
    for child in children {
        offsets[*child] -= middle;
    }
    let mut all = all?;
    all.shift -= middle;
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::{joins, samples, shape::ShapeMaker};

    fn drawing(tree: &Dtt) -> Drawing {
        let mut maker = ShapeMaker::new(tree, |_| 1, vec![false; tree.len()]);
        for (from, to) in joins::find(tree, true).lines {
            for node in [from, to] {
                if let Source::Transaction(index) = node {
                    maker.joined[index] = true;
                }
            }
        }
        let branches = tree.branches();
        let shapes = maker.shapes(branches.transactions(0), 0);
        let room = Room {
            pitch: 30.0,
            single: 0.0,
        };
        place(tree, shapes, &[], room)
    }

    #[test]
    fn parents_are_centred() {
        let drawing = drawing(&samples::star(3));
        assert!((drawing.x[0] - drawing.x[2]).abs() < 0.01);
        assert!(drawing.x[1] < drawing.x[2] && drawing.x[2] < drawing.x[3]);
        assert!(drawing.y[0] < drawing.y[1]);
        assert!((drawing.width - (3.0 * 12.0 + 2.0 * GAP)).abs() < 0.01);
    }

    #[test]
    fn shapes_keep_apart() {
        for seed in 60..90 {
            let drawing = drawing(&samples::random(seed, seed / 2, 3));
            for (index, shape) in drawing.shapes.iter().enumerate() {
                let middle = |at: usize| {
                    let half = drawing.shapes[at].height / 2.0;
                    (drawing.x[at], drawing.y[at] + half)
                };
                assert!(drawing.x[index] - shape.width / 2.0 > -0.01);
                assert!(drawing.x[index] + shape.width / 2.0 < drawing.width + 0.01);
                for other in 0..index {
                    let (a, b) = (middle(index), middle(other));
                    let wide = f64::midpoint(shape.width, drawing.shapes[other].width);
                    let high = f64::midpoint(shape.height, drawing.shapes[other].height);
                    let apart = (a.0 - b.0).abs() >= wide || (a.1 - b.1).abs() >= high + 1.0;
                    assert!(apart, "{index} {other}");
                }
            }
        }
    }
}
