//! Composes the scene: what is drawn on its own, what shares a box, what is left out, and which lines there are.

use std::cmp::Reverse;

use super::{
    Facts, Picture, joins,
    layout::{Drawing, Room, place},
    pack::rows,
    page::{Group, arrange, group},
    scene::{LONGEST_WRITTEN, Node, Place, SPACE, Scene},
    shape::{MOST_SINGLE, RADIUS, Shape, ShapeMaker},
};
use crate::tree::{Dtt, Source};

/// Branches of one transaction from which on they share a box.
const LEAST_BOXED: usize = 6;
/// The most branches that are drawn of a large block, and the most dots from which on there are no more.
const MOST_BRANCHES: usize = 250;
const MOST_DOTS: usize = 4_500;
/// Branches up to which even those of two or three transactions have colours.
const MOST_COLOURED: usize = 12;
/// The most transactions that have their names written below them.
const MOST_NAMED: usize = 30;
/// The room for the label above the box, in pixels.
const BOX_LABEL: f64 = 30.0;
/// Branches that are wider come in pieces: each tree that hangs from the root on its own.
const WIDEST: f64 = 2_200.0;

/// A scene on the way.
struct Composer<'a> {
    tree: &'a Dtt,
    room: Room,
    places: Vec<Option<Place>>,
    drawings: Vec<Drawing>,
    /// The drawings of each branch.
    groups: Vec<std::ops::Range<usize>>,
    lines: Vec<(Node, Node)>,
    /// Whether subtrees were merged to make a tree less wide.
    merged: bool,
}

impl Scene {
    pub(super) fn new(picture: &Picture<'_>) -> Self {
        let tree = picture.tree;
        let facts = Facts::of(picture);
        let critical = facts.is_critical(tree.len());
        let coarse = tree.len() > MOST_SINGLE;
        let joins = joins::find(tree, !coarse);
        let mut maker = ShapeMaker::new(tree, |index| picture.cost(index), critical.clone());
        for (from, to) in &joins.lines {
            for node in [from, to] {
                if let Source::Transaction(index) = node {
                    maker.joined[*index] = true;
                }
            }
        }

        let branches = &facts.branches;
        let size = |branch: &usize| branches.transactions(*branch).len();
        let (alone, mut waiting): (Vec<usize>, Vec<usize>) =
            (0..branches.len()).partition(|branch| size(branch) == 1);
        let mut boxed: Vec<u32> = Vec::new();
        if alone.len() >= LEAST_BOXED {
            let members = alone.iter();
            boxed.extend(members.flat_map(|branch| branches.transactions(*branch)));
        } else {
            waiting.extend(alone);
        }
        maker.largest_first(&mut boxed);
        waiting.sort_by_key(|branch| (Reverse(size(branch)), *branch));

        let named = picture.names.is_some() && tree.len() <= MOST_NAMED;
        let mut composer = Composer {
            tree,
            room: room(picture, named),
            places: vec![None; tree.len()],
            drawings: Vec::new(),
            groups: Vec::new(),
            lines: Vec::new(),
            merged: false,
        };
        let left_out = composer.draw_all(&mut maker, &facts, &joins.lines, waiting);

        let groups = composer.corners();
        let sizes: Vec<(f64, f64)> = groups.iter().map(|(_, size)| *size).collect();
        let radii = maker.radii_of(&boxed);
        let per_dot = boxed.len().div_ceil(2_000).max(1);
        let packed = |width: f64| rows(&radii, per_dot, 1.0, Some(width - 5.0 * SPACE));
        let box_at = |zoom: f64, width: f64| {
            let packed = packed(width);
            let height = packed.height + BOX_LABEL / zoom + 4.0 * SPACE;
            ((packed.width + 4.0 * SPACE).max(250.0 / zoom), height)
        };
        let has_box = !boxed.is_empty();
        let page = arrange(&sizes, has_box.then_some(&box_at));
        let packed = has_box.then(|| packed(page.given));
        let box_corner = page.corners.get(groups.len()).copied();
        let mut corners = Vec::new();
        let mut colours = Vec::new();
        let mut grey = Vec::new();
        let most_grey = if groups.len() > MOST_COLOURED { 3 } else { 1 };
        for (index, (within, _)) in groups.iter().enumerate() {
            let corner = page.corners[index];
            corners.extend(within.iter().map(|at| (corner.0 + at.0, corner.1 + at.1)));
            colours.extend(within.iter().map(|_| index));
            let drawings = &composer.drawings[composer.groups[index].clone()];
            let shapes = drawings.iter().flat_map(|drawing| &drawing.shapes);
            let members: usize = shapes.map(|shape| shape.members.len()).sum();
            grey.extend(within.iter().map(|_| members <= most_grey));
        }
        let summed_up = coarse && facts.branches.largest() > 1;
        let smallest = maker.radii.iter().copied().fold(f64::MAX, f64::min);
        let mut scene = Self {
            numbered: super::dots::is_readable(smallest * page.zoom, tree.len()),
            critical,
            drawings: composer.drawings,
            corners,
            colours,
            grey,
            joins: composer.lines,
            all_joins: joins.all,
            needed_joins: (!joins.skipped).then_some(joins.lines.len()),
            boxed,
            packed,
            box_corner: box_corner.unwrap_or_default(),
            page,
            per_dot: if summed_up {
                per_dot.max(maker.per_dot())
            } else {
                per_dot
            },
            left_out,
            merged: composer.merged,
            cut: None,
            named,
            places: composer.places,
            facts,
        };
        scene.thin_out();
        scene
    }
}

impl Composer<'_> {
    /// The corners of the drawings of each branch within it, and its size.
    fn corners(&self) -> Vec<Group> {
        let size = |drawing: &Drawing| (drawing.width + 2.0 * SPACE, drawing.height + SPACE);
        let groups = self.groups.iter();
        groups
            .map(|drawings| {
                let sizes: Vec<_> = self.drawings[drawings.clone()].iter().map(size).collect();
                group(&sizes, 1.8 * WIDEST)
            })
            .collect()
    }

    /// Draws branches, and returns how many it leaves out and how many transactions these have.
    fn draw_all(
        &mut self,
        maker: &mut ShapeMaker<'_>,
        facts: &Facts,
        lines: &[(Source, Source)],
        waiting: Vec<usize>,
    ) -> (usize, usize) {
        let branches = &facts.branches;
        let coarse = self.tree.len() > MOST_SINGLE;
        let mut by_branch: Vec<Vec<(Source, Source)>> = vec![Vec::new(); branches.len()];
        for line in lines {
            // Who waits for a sum is on the branch of all that meet in it.
            let latest = self.tree.sums.latest(line.0.code());
            by_branch[branches.of(latest as usize)].push(*line);
        }
        let mut dots = 0;
        let mut left_out = (0, 0);
        for branch in waiting {
            if coarse && (self.groups.len() >= MOST_BRANCHES || dots >= MOST_DOTS) {
                left_out = (
                    left_out.0 + 1,
                    left_out.1 + branches.transactions(branch).len(),
                );
                continue;
            }
            let first = self.drawings.len();
            self.draw(maker, branches.transactions(branch), &by_branch[branch]);
            let shapes = self.drawings[first..]
                .iter()
                .flat_map(|drawing| &drawing.shapes);
            dots += shapes.map(|shape| shape.dots.len()).sum::<usize>();
        }
        left_out
    }

    /// Draws a branch, in one or in several pieces.
    fn draw(&mut self, maker: &mut ShapeMaker<'_>, branch: &[u32], joins: &[(Source, Source)]) {
        let first = self.drawings.len();
        let mut merge = 0;
        loop {
            let shapes = maker.shapes(branch, merge);
            self.note(&shapes, first);
            // Shapes that merge others may wait for each other.
            let between = if merge == 0 {
                self.between(joins)
            } else {
                Vec::new()
            };
            let drawing = place(self.tree, shapes, &between, self.room);
            if drawing.width <= WIDEST {
                self.drawings.push(drawing);
                break;
            }
            for piece in pieces(drawing.shapes) {
                let index = self.drawings.len();
                self.note(&piece, index);
                self.drawings.push(place(self.tree, piece, &[], self.room));
            }
            let wide = |drawing: &Drawing| drawing.width > 1.5 * WIDEST;
            if merge > branch.len() || !self.drawings[first..].iter().any(wide) {
                break;
            }
            // One tree is too wide: its smallest subtrees have to go.
            self.drawings.truncate(first);
            merge = (2 * merge).max(3);
        }
        self.merged |= merge > 0;
        self.groups.push(first..self.drawings.len());

        let mut lines: Vec<(Node, Node)> = joins
            .iter()
            .map(|(from, to)| (self.node(*from), self.node(*to)))
            .collect();
        lines.sort_unstable();
        lines.dedup();
        // A line from one shape to another is enough, and parents have one.
        lines.retain(|(from, to)| match (from, to) {
            (Node::Shape(drawing, from), Node::Shape(other, to)) => {
                let parent = self.drawings[*other].shapes[*to].parent;
                drawing != other || (from != to && parent != Some(*from))
            }
            _ => true,
        });
        self.lines.extend(lines);
    }

    /// Lines for joins between the shapes of a drawing.
    fn between(&self, joins: &[(Source, Source)]) -> Vec<(Source, Source)> {
        let source = |node: Node| match node {
            Node::Shape(_, shape) => Source::Transaction(shape),
            Node::Sum(sum) => Source::Sum(sum),
        };
        let mut between: Vec<(Source, Source)> = joins
            .iter()
            .map(|(from, to)| (source(self.node(*from)), source(self.node(*to))))
            .filter(|(from, to)| from != to)
            .collect();
        between.sort_unstable();
        between.dedup();
        between
    }

    /// Remembers where each transaction is.
    fn note(&mut self, shapes: &[Shape], drawing: usize) {
        for (shape, of) in shapes.iter().enumerate() {
            for (dot, at) in of.dots.iter().enumerate() {
                for member in &of.members[at.first..at.first + at.count] {
                    self.places[*member as usize] = Some(Place {
                        drawing: drawing as u32,
                        shape: shape as u32,
                        dot: dot as u32,
                    });
                }
            }
        }
    }

    fn node(&self, source: Source) -> Node {
        match source {
            Source::Sum(sum) => Node::Sum(sum),
            Source::Transaction(index) => {
                let place = self.places[index].unwrap_or_default();
                Node::Shape(place.drawing as usize, place.shape as usize)
            }
        }
    }
}

/// Parts the shapes that hang from the root, each with all below it.
fn pieces(shapes: Vec<Shape>) -> Vec<Vec<Shape>> {
    let mut pieces: Vec<Vec<Shape>> = Vec::new();
    let mut now: Vec<(usize, usize)> = Vec::with_capacity(shapes.len());
    for mut shape in shapes {
        let piece = match shape.parent {
            None => {
                pieces.push(Vec::new());
                pieces.len() - 1
            }
            Some(parent) => {
                let (piece, parent) = now[parent];
                shape.parent = Some(parent);
                piece
            }
        };
        now.push((piece, pieces[piece].len()));
        pieces[piece].push(shape);
    }
    pieces
}

/// The scale of what is written, and with it of the rows.
fn room(picture: &Picture<'_>, named: bool) -> Room {
    if !named {
        return Room {
            pitch: 6.0 * RADIUS,
            single: 0.0,
        };
    }
    let longest = (0..picture.tree.len())
        .filter_map(|index| picture.name(index))
        .map(|name| name.chars().count().min(LONGEST_WRITTEN))
        .max();
    Room {
        pitch: 8.5 * RADIUS,
        single: longest.unwrap_or_default() as f64 * 6.6,
    }
}
