//! Pictures of a tree: SVG to look at, and DOT and Mermaid for other tools to lay out.

mod compose;
mod dot;
mod dots;
mod joins;
mod layout;
mod legend;
mod mermaid;
mod pack;
mod page;
#[cfg(test)]
mod samples;
mod scene;
mod shape;
mod svg;

use std::fmt;

use crate::{branch::Branches, cost::CriticalPath, tree::Dtt};

/// The longest name that is shown, in characters: names of a few hundred would dwarf the tree.
const LONGEST_NAME: usize = 60;

/// What a picture shows beside the tree.
///
/// The same picture always comes out as the same text, so that it can be kept under version control.
///
/// # Examples
///
/// ```
/// use pleach_dtt::{AccessSet, OpenTree, Trust, export::Picture};
///
/// let mut open = OpenTree::new();
/// let mut set = AccessSet::new();
/// for (from, to) in [("alice", "bob"), ("carol", "dave"), ("bob", "erin")] {
///     set.clear();
///     set.update(from).update(to);
///     open.push(&set, Trust::Exact)?;
/// }
/// let picture = Picture::new(open.tree())
///     .title("Three payments")
///     .costs(&[20, 20, 35])
///     .unit("us");
/// assert!(picture.svg().starts_with("<svg"));
/// assert!(picture.dot().contains("t0 -> t2"));
/// assert!(picture.mermaid().contains("t0 --> t2"));
/// # Ok::<(), pleach_dtt::TooLarge>(())
/// ```
#[must_use]
pub struct Picture<'a> {
    tree: &'a Dtt,
    costs: Option<&'a [u64]>,
    title: Option<String>,
    names: Option<Box<dyn Fn(usize) -> String + 'a>>,
    unit: String,
}

impl<'a> Picture<'a> {
    /// A picture of the tree alone, where each transaction costs the same.
    pub fn new(tree: &'a Dtt) -> Self {
        Self {
            tree,
            costs: None,
            title: None,
            names: None,
            unit: String::new(),
        }
    }

    /// What each transaction costs, in any unit: larger ones are drawn larger, and the critical path is the most costly
    /// one. Costs that are missing are zero.
    pub fn costs(mut self, costs: &'a [u64]) -> Self {
        self.costs = Some(costs);
        self
    }

    /// The heading.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// How each transaction is called. Without it, and where the name is empty, there is just the index.
    pub fn names(mut self, names: impl Fn(usize) -> String + 'a) -> Self {
        self.names = Some(Box::new(names));
        self
    }

    /// What the costs count, such as `us` or `gas`.
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = unit.into();
        self
    }

    /// A drawing that stands for itself, for browsers and pages.
    ///
    /// Depth goes downwards; each transaction is a dot with an area by its cost and the colour of its branch. Many
    /// siblings that nobody waits for are packed into a block, and long chains are folded. Of more than 5,000
    /// transactions, one dot stands for several. The picture says where it leaves something out.
    #[must_use]
    pub fn svg(&self) -> String {
        svg::draw(self)
    }

    /// A graph in the language of Graphviz: parents by solid edges, joins by dashed ones, and a point where several
    /// meet. As long as [`Dtt::edges`] at most.
    #[must_use]
    pub fn dot(&self) -> String {
        dot::write(self)
    }

    /// A flowchart in the language of Mermaid, with the same nodes and edges as [`dot`](Self::dot). For small trees:
    /// unless it is configured otherwise, Mermaid refuses more than 500 edges.
    #[must_use]
    pub fn mermaid(&self) -> String {
        mermaid::write(self)
    }

    fn cost(&self, transaction: usize) -> u64 {
        self.costs
            .map_or(1, |costs| costs.get(transaction).copied().unwrap_or(0))
    }

    fn critical_path(&self) -> CriticalPath {
        match self.costs {
            Some(costs) => self.tree.critical_path(costs),
            None => self.tree.critical_path(&vec![1; self.tree.len()]),
        }
    }

    /// The name of a transaction, on one line and not too long.
    fn name(&self, transaction: usize) -> Option<String> {
        let name = self.names.as_ref()?(transaction);
        let name = one_line(&name, LONGEST_NAME);
        (!name.is_empty()).then_some(name)
    }

    /// A number in the unit of costs.
    fn in_unit(&self, cost: &str) -> String {
        if self.unit.is_empty() {
            cost.to_owned()
        } else {
            format!("{cost} {}", one_line(&self.unit, 16))
        }
    }

    /// What there is to say of a transaction: its index, its name, its cost.
    fn lines(&self, transaction: usize) -> Vec<String> {
        let mut lines = vec![format!("#{transaction}")];
        lines.extend(self.name(transaction));
        if self.costs.is_some() {
            lines.push(self.in_unit(&thousands(u128::from(self.cost(transaction)))));
        }
        lines
    }
}

impl fmt::Debug for Picture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Picture")
            .field("tree", self.tree)
            .field("costs", &self.costs)
            .field("title", &self.title)
            .field("unit", &self.unit)
            .finish_non_exhaustive()
    }
}

/// The numbers that tell a block.
struct Facts {
    branches: Branches,
    critical: CriticalPath,
    /// What all transactions cost together.
    total: u128,
}

impl Facts {
    fn of(picture: &Picture<'_>) -> Self {
        Self {
            branches: picture.tree.branches(),
            critical: picture.critical_path(),
            total: (0..picture.tree.len())
                .map(|transaction| u128::from(picture.cost(transaction)))
                .sum(),
        }
    }

    /// How many times faster than one after another it could get at most.
    fn speed_up(&self) -> f64 {
        if self.critical.cost == 0 {
            return 1.0;
        }
        self.total as f64 / self.critical.cost as f64
    }
}

/// Text without control characters or line breaks, cut to a number of characters.
fn one_line(text: &str, most: usize) -> String {
    let mut chars = text
        .split_whitespace()
        .flat_map(|word| [" ", word])
        .skip(1)
        .flat_map(str::chars)
        // XML has no place for these, not even escaped.
        .filter(|c| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}'));
    let mut line: String = chars.by_ref().take(most).collect();
    if chars.next().is_some() {
        line.pop();
        line.push('\u{2026}');
    }
    line
}

/// A number with its digits in groups of three.
fn thousands(number: u128) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// [`thousands`] of a count.
fn count(number: usize) -> String {
    thousands(number as u128)
}

/// Text as it may stand between tags and in quoted attributes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_made_safe() {
        assert_eq!(one_line("  a\nb\u{0}\tc ", 9), "a b c");
        assert_eq!(one_line("abcdef", 4), "abc\u{2026}");
        assert_eq!(one_line("abcd", 4), "abcd");
        assert_eq!(escape("<a b='\"&'>"), "&lt;a b=&#39;&quot;&amp;&#39;&gt;");
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(123_456), "123,456");
        assert_eq!(thousands(1_234_567), "1,234,567");
    }
}
