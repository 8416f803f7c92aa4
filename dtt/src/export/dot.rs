//! Trees in the language of Graphviz.

use std::fmt::Write;

use super::{Facts, Picture, one_line};
use crate::tree::{Code, Source};

/// The most branches that get a frame of their own; Graphviz takes very long for many.
const MOST_CLUSTERS: usize = 24;

/// Text in a quoted string.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

fn id(source: Source) -> String {
    match source {
        Source::Transaction(index) => format!("t{index}"),
        Source::Sum(index) => format!("s{index}"),
    }
}

pub(super) fn write(picture: &Picture<'_>) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = graph(picture, &mut out);
    out
}

fn graph(picture: &Picture<'_>, out: &mut String) -> std::fmt::Result {
    let tree = picture.tree;
    let facts = Facts::of(picture);
    let critical = facts.is_critical(tree.len());

    writeln!(out, "digraph dtt {{")?;
    if let Some(title) = &picture.title {
        let title = quoted(&one_line(title, 200));
        writeln!(out, "  label=\"{title}\"; labelloc=t;")?;
    }
    writeln!(out, "  rankdir=TB; fontname=\"sans-serif\";")?;
    writeln!(
        out,
        "  node [shape=ellipse, fontname=\"sans-serif\", fontsize=10];"
    )?;
    writeln!(out, "  root [shape=box, style=rounded];")?;

    let clusters = (2..=MOST_CLUSTERS).contains(&facts.branches.len());
    for (branch, transactions) in facts.branches.iter().enumerate() {
        let framed = clusters && transactions.len() > 1;
        if framed {
            writeln!(out, "  subgraph cluster_{branch} {{ color=gray80;")?;
        }
        for transaction in transactions {
            let transaction = *transaction as usize;
            let lines: Vec<String> = picture
                .lines(transaction)
                .iter()
                .map(|line| quoted(line))
                .collect();
            let emphasis = if critical[transaction] {
                ", penwidth=2"
            } else {
                ""
            };
            let label = lines.join("\\n");
            writeln!(out, "  t{transaction} [label=\"{label}\"{emphasis}];")?;
        }
        if framed {
            writeln!(out, "  }}")?;
        }
    }
    for sum in 0..tree.sums() {
        writeln!(out, "  s{sum} [shape=point];")?;
    }

    let mut before = vec![None; tree.len()];
    for pair in facts.critical.transactions.windows(2) {
        before[pair[1]] = Some(pair[0]);
    }
    let mut written = Ok(());
    tree.walk(|node, codes| {
        written = written.and_then(|()| edges(out, picture, node, codes, &before));
    });
    written?;
    writeln!(out, "}}")
}

/// The edges to one node.
fn edges(
    out: &mut String,
    picture: &Picture<'_>,
    node: Source,
    codes: &[Code],
    before: &[Option<usize>],
) -> std::fmt::Result {
    let to = id(node);
    if let Source::Transaction(index) = node {
        match picture.tree.parent(index) {
            None => writeln!(out, "  root -> {to};")?,
            Some(parent) => {
                let critical = before[index] == Some(parent);
                let emphasis = if critical { " [penwidth=2]" } else { "" };
                writeln!(out, "  t{parent} -> {to}{emphasis};")?;
            }
        }
        let parent = picture.tree.parent(index).map(Source::Transaction);
        for code in codes {
            let source = code.source();
            if Some(source) != parent {
                writeln!(out, "  {} -> {to} [style=dashed];", id(source))?;
            }
        }
    } else {
        for code in codes {
            let from = id(code.source());
            writeln!(out, "  {from} -> {to} [style=dashed, arrowhead=none];")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::export::{Picture, samples};

    #[test]
    fn a_small_tree() {
        let tree = samples::payments(&[(1, 2), (3, 4), (2, 3)]);
        let dot = Picture::new(&tree)
            .title("a \"b\"")
            .names(|index| format!("\\{index}"))
            .dot();
        assert!(dot.contains("label=\"a \\\"b\\\"\""), "{dot}");
        assert!(dot.contains("t1 [label=\"#1\\n\\\\1\""), "{dot}");
        assert!(dot.contains("root -> t0;"), "{dot}");
        assert!(dot.contains("t1 -> t2;"), "{dot}");
        assert!(dot.contains("t0 -> t2 [style=dashed];"), "{dot}");
    }

    #[test]
    fn long_sums_stay_linear() {
        let tree = samples::adders(500, 500);
        let dot = Picture::new(&tree).dot();
        let edges = dot.matches(" -> ").count();
        assert!(edges <= tree.edges() + tree.len(), "{edges}");
        assert!(dot.contains("s0 [shape=point];"));
    }

    #[test]
    fn nothing() {
        let dot = Picture::new(&crate::Dtt::new()).dot();
        assert_eq!(dot.matches('{').count(), dot.matches('}').count());
    }
}
