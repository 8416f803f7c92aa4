//! Trees in the language of Mermaid, which many pages show without any further tool.

use std::fmt::Write;

use super::{Picture, one_line};
use crate::tree::Source;

/// Text in a quoted label: Mermaid takes entities by number or name, between a hash and a semicolon.
fn label(text: &str) -> String {
    let mut label = String::with_capacity(text.len());
    for c in text.chars() {
        // Everything that means something to Mermaid, Markdown or HTML.
        if c.is_alphanumeric() || " .,:/-+()%".contains(c) {
            label.push(c);
        } else {
            let _ = write!(label, "#{};", u32::from(c));
        }
    }
    label
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
    let _ = chart(picture, &mut out);
    out
}

fn chart(picture: &Picture<'_>, out: &mut String) -> std::fmt::Result {
    let tree = picture.tree;
    if let Some(title) = &picture.title {
        // The heading is YAML, where only these two mean something in a quoted string.
        let title = one_line(title, 200)
            .replace('\\', "\\\\")
            .replace('"', "\\\"");
        writeln!(out, "---\ntitle: \"{title}\"\n---")?;
    }
    writeln!(out, "flowchart TD")?;
    writeln!(out, "  root([\"root\"])")?;
    let mut written = Ok(());
    tree.walk(|node, codes| {
        written = written.and_then(|()| {
            let to = id(node);
            let mut parent = None;
            match node {
                Source::Sum(_) => writeln!(out, "  {to}((\" \"))")?,
                Source::Transaction(index) => {
                    let lines: Vec<String> = picture
                        .lines(index)
                        .iter()
                        .map(|line| label(line))
                        .collect();
                    writeln!(out, "  {to}[\"{}\"]", lines.join("<br/>"))?;
                    parent = tree.parent(index).map(Source::Transaction);
                    let from = parent.map_or_else(|| "root".to_owned(), id);
                    writeln!(out, "  {from} --> {to}")?;
                }
            }
            for code in codes {
                let source = code.source();
                if Some(source) != parent {
                    writeln!(out, "  {} -.-> {to}", id(source))?;
                }
            }
            Ok(())
        });
    });
    written?;
    let critical: Vec<String> = picture
        .critical_path()
        .transactions
        .iter()
        .map(|transaction| format!("t{transaction}"))
        .collect();
    if !critical.is_empty() {
        writeln!(out, "  classDef critical stroke-width:3px")?;
        writeln!(out, "  class {} critical", critical.join(","))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::export::{Picture, samples};

    #[test]
    fn a_small_tree() {
        let tree = samples::payments(&[(1, 2), (3, 4), (2, 3)]);
        let chart = Picture::new(&tree)
            .title("a \"b\"")
            .costs(&[5, 6, 7])
            .unit("us")
            .names(|_| "x[\"<b>\"]".to_owned())
            .mermaid();
        let expected = "---\ntitle: \"a \\\"b\\\"\"\n---\nflowchart TD\n  root([\"root\"])\n";
        assert!(chart.starts_with(expected), "{chart}");
        let node = "t0[\"#35;0<br/>x#91;#34;#60;b#62;#34;#93;<br/>5 us\"]";
        assert!(chart.contains(node), "{chart}");
        assert!(chart.contains("root --> t0\n"), "{chart}");
        assert!(chart.contains("t1 --> t2\n"), "{chart}");
        assert!(chart.contains("t0 -.-> t2\n"), "{chart}");
        assert!(chart.contains("class t1,t2 critical\n"), "{chart}");
    }

    #[test]
    fn long_sums_stay_linear() {
        let tree = samples::adders(500, 500);
        let chart = Picture::new(&tree).mermaid();
        assert!(chart.lines().count() < 2 * tree.len() + tree.edges() + 20);
    }
}
