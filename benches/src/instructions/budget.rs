//! The file with the budget, and what valgrind says.

use std::{collections::BTreeMap, fmt::Write};

/// Instructions by workload.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Budget(BTreeMap<String, u64>);

/// A line that is none of a budget.
#[derive(PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line} of the budget is no name with a number")]
pub(crate) struct Malformed {
    line: usize,
}

const HEADER: &str = "\
# Instructions that each workload may take, as valgrind counts them; two per cent more are tolerated.
# Written by: cargo run --release -p pleach-bench --bin instructions -- --update
";

impl Budget {
    pub(crate) fn parse(text: &str) -> Result<Self, Malformed> {
        let mut budget = Self::default();
        for (line, text) in (1..).zip(text.lines()) {
            if text.starts_with('#') || text.trim().is_empty() {
                continue;
            }
            let mut words = text.split_whitespace();
            match (words.next(), words.next().map(str::parse), words.next()) {
                (Some(name), Some(Ok(number @ 1..)), None) => budget.set(name, number),
                _ => return Err(Malformed { line }),
            }
        }
        Ok(budget)
    }

    pub(crate) fn text(&self) -> String {
        let mut text = HEADER.to_owned();
        for (name, number) in &self.0 {
            let _ = writeln!(text, "{name:<24}{number:>12}");
        }
        text
    }

    pub(crate) fn get(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }

    pub(crate) fn set(&mut self, name: &str, number: u64) {
        self.0.insert(name.to_owned(), number);
    }

    /// Which workloads take more than this budget by more than the tolerance, or are not in it; and which take less by that.
    pub(crate) fn compare<'a>(
        &self,
        counted: &'a Self,
        tolerance: f64,
    ) -> (Vec<&'a str>, Vec<&'a str>) {
        let (mut over, mut under) = (Vec::new(), Vec::new());
        for (name, number) in &counted.0 {
            let ratio = self.get(name).map(|budget| *number as f64 / budget as f64);
            match ratio {
                Some(ratio) if ratio < 1.0 - tolerance => under.push(name.as_str()),
                Some(ratio) if ratio <= 1.0 + tolerance => {}
                _ => over.push(name.as_str()),
            }
        }
        (over, under)
    }
}

/// The number that callgrind prints at the end.
pub(crate) fn collected(said: &str) -> Option<u64> {
    let line = said
        .lines()
        .find_map(|line| line.split_once("Collected :"))?;
    line.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_come_back_as_they_were_written() {
        let mut budget = Budget::default();
        budget.set("two", 2_000);
        budget.set("one", 1_000);
        assert_eq!(Budget::parse(&budget.text()), Ok(budget));
        for text in ["one", "one 0", "one 1 2", "one x", "one -1"] {
            let text = format!("# all\n\n{text}");
            assert_eq!(Budget::parse(&text), Err(Malformed { line: 3 }));
        }
    }

    #[test]
    fn more_than_is_tolerated_is_noticed() {
        let budget = Budget::parse("a 1000\nb 1000\nc 1000\nd 1000\n").expect("it is one");
        let counted = Budget::parse("a 1021\nb 1019\nc 981\nd 979\ne 1\n").expect("it is one");
        assert_eq!(budget.compare(&counted, 0.02), (vec!["a", "e"], vec!["d"]));
    }

    #[test]
    fn the_count_is_found() {
        assert_eq!(collected("==7== x\n==7== Collected : 2319\n"), Some(2_319));
        assert_eq!(collected("==7== Collected : \n"), None);
        assert_eq!(collected(""), None);
    }
}
