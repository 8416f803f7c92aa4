//! All that is on the page, and where.

use std::collections::BTreeMap;

use super::{Facts, layout::Drawing, pack::Packed, page::Page, shape::Kind};

/// The most lines for joins: more would hide the tree.
const MOST_JOINS: usize = 250;
/// The longest name that is written, in characters.
pub(super) const LONGEST_WRITTEN: usize = 14;
/// The space around a branch.
pub(super) const SPACE: f64 = 12.0;

/// A dot on the page, in pixels.
#[derive(Clone, Copy)]
pub(super) struct Spot {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) radius: f64,
}

/// Where a transaction is.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    pub(super) drawing: u32,
    pub(super) shape: u32,
    pub(super) dot: u32,
}

/// Where a line for a join starts or ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    /// A drawing, and a shape on it.
    Shape(usize, usize),
    Sum(usize),
}

pub(super) struct Scene {
    pub(super) facts: Facts,
    pub(super) critical: Vec<bool>,
    /// Branches, or pieces of them; the left upper corner of each, in units; and of which branch each is.
    pub(super) drawings: Vec<Drawing>,
    pub(super) corners: Vec<(f64, f64)>,
    pub(super) colours: Vec<usize>,
    /// Whether a drawing has no colour, as its branch is among many small ones.
    pub(super) grey: Vec<bool>,
    pub(super) joins: Vec<(Node, Node)>,
    /// How many joins there are with those that others imply, and how many are left once these are gone.
    pub(super) all_joins: usize,
    pub(super) needed_joins: Option<usize>,
    /// The transactions in the box, their dots, and its corner.
    pub(super) boxed: Vec<u32>,
    pub(super) packed: Option<Packed>,
    pub(super) box_corner: (f64, f64),
    pub(super) page: Page,
    /// How many transactions a dot stands for at most.
    pub(super) per_dot: usize,
    /// How many branches are not drawn, and of how many transactions.
    pub(super) left_out: (usize, usize),
    /// Whether small subtrees of a wide tree were merged.
    pub(super) merged: bool,
    /// How many lines for joins are drawn, if not all.
    pub(super) cut: Option<usize>,
    /// Whether indices are written in dots.
    pub(super) numbered: bool,
    /// Whether names are written below dots.
    pub(super) named: bool,
    pub(super) places: Vec<Option<Place>>,
}

impl Scene {
    /// A place on a drawing, in pixels.
    pub(super) fn at(&self, drawing: usize, x: f64, y: f64) -> (f64, f64) {
        let corner = self.corners[drawing];
        let zoom = self.page.zoom;
        ((corner.0 + SPACE + x) * zoom, (corner.1 + y) * zoom)
    }

    /// Where a dot is.
    pub(super) fn spot(&self, drawing: usize, shape: usize, dot: usize) -> Spot {
        let of = &self.drawings[drawing];
        let dot = of.shapes[shape].dots[dot];
        let (x, y) = self.at(drawing, of.x[shape] + dot.x, of.y[shape] + dot.y);
        Spot {
            x,
            y,
            radius: dot.radius * self.page.zoom,
        }
    }

    /// Where lines for joins leave a shape, and where they reach it.
    pub(super) fn ends(&self, drawing: usize, shape: usize) -> ((f64, f64), (f64, f64)) {
        let of = &self.drawings[drawing];
        if of.shapes[shape].kind == Kind::Block {
            let (x, y) = (of.x[shape], of.y[shape]);
            let low = self.at(drawing, x, y + of.shapes[shape].height);
            (low, self.at(drawing, x, y))
        } else {
            let spot = self.spot(drawing, shape, 0);
            ((spot.x, spot.y), (spot.x, spot.y))
        }
    }

    /// Where sums are: in the middle of who needs them and what they need, on the row that is theirs.
    pub(super) fn sums(&self) -> BTreeMap<usize, (f64, f64)> {
        let mut sums: BTreeMap<usize, (f64, f64, usize, Option<f64>)> = BTreeMap::new();
        for line in &self.joins {
            let (sum, drawing, end) = match *line {
                (Node::Shape(drawing, shape), Node::Sum(sum)) => {
                    (sum, drawing, self.ends(drawing, shape).0)
                }
                (Node::Sum(sum), Node::Shape(drawing, shape)) => {
                    (sum, drawing, self.ends(drawing, shape).1)
                }
                _ => continue,
            };
            let all = sums.entry(sum).or_default();
            all.0 += end.0;
            all.1 += end.1;
            all.2 += 1;
            let row = self.drawings[drawing].sums.get(&sum);
            all.3 = all.3.or(row.map(|row| self.at(drawing, 0.0, *row).1));
        }
        let middle = |(sum, (x, y, count, row)): (usize, (f64, f64, usize, Option<f64>))| {
            let count = count as f64;
            (sum, (x / count, row.unwrap_or(y / count)))
        };
        sums.into_iter().map(middle).collect()
    }

    /// The two ends of a line for a join.
    pub(super) fn line(
        &self,
        line: &(Node, Node),
        sums: &BTreeMap<usize, (f64, f64)>,
    ) -> ((f64, f64), (f64, f64)) {
        let end = |node: Node| match node {
            Node::Shape(drawing, shape) => self.ends(drawing, shape),
            Node::Sum(sum) => {
                let at = sums.get(&sum).copied().unwrap_or_default();
                (at, at)
            }
        };
        (end(line.0).0, end(line.1).1)
    }

    /// Keeps the shortest lines, if there are too many.
    pub(super) fn thin_out(&mut self) {
        if self.joins.len() <= MOST_JOINS {
            return;
        }
        let sums = self.sums();
        let mut lines: Vec<(f64, (Node, Node))> = self
            .joins
            .iter()
            .map(|line| {
                let (a, b) = self.line(line, &sums);
                ((a.0 - b.0).hypot(a.1 - b.1), *line)
            })
            .collect();
        lines.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        lines.truncate(MOST_JOINS);
        self.joins = lines.into_iter().map(|(_, line)| line).collect();
        self.cut = Some(MOST_JOINS);
    }
}
