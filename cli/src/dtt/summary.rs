//! A tree in words and numbers.

use std::{fmt::Write, num::NonZeroUsize};

use pleach_dtt::Simulation;

use crate::{
    analysis::Analysed,
    tables::{align, lines, table},
    text::{counted, decimal, thousands},
};

/// How many of the hottest keys are named.
const HOTTEST: usize = 12;

/// On how many workers the block is simulated.
const WORKERS: [usize; 4] = [2, 4, 8, 16];

pub(super) fn text(block: &Analysed) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = facts(block, &mut text);
    let _ = hottest(block, &mut text);
    text
}

fn facts(block: &Analysed, text: &mut String) -> std::fmt::Result {
    let tree = block.open.tree();
    let branches = tree.branches();
    let alone = branches.iter().filter(|branch| branch.len() == 1).count();
    let path = tree.critical_path(&block.costs);
    let total: u64 = block.costs.iter().sum();
    let widths = tree.widths();
    let bytes = tree.encode().len();

    let mut line = |name: &str, value: String| writeln!(text, "{name:18}{value}");
    line("block", format!("{}, {}", block.number, block.fork))?;
    line(
        "transactions",
        format!(
            "{}, {} gas",
            thousands(tree.len() as u64),
            thousands(block.gas_used)
        ),
    )?;
    line(
        "branches",
        format!(
            "{}, of which {} have one transaction",
            thousands(branches.len() as u64),
            thousands(alone as u64)
        ),
    )?;
    line("largest branch", counted(branches.largest(), "transaction"))?;
    line(
        "levels",
        format!(
            "{}, the widest with {}",
            thousands(widths.len() as u64),
            counted(
                widths.iter().copied().max().unwrap_or_default(),
                "transaction"
            )
        ),
    )?;
    line(
        "dependencies",
        format!(
            "{}, {} of adds that are looked at together",
            counted(tree.edges(), "edge"),
            counted(tree.sums(), "sum")
        ),
    )?;
    line(
        "critical path",
        format!(
            "{} ms of {} ms, over {}",
            milliseconds(path.cost),
            milliseconds(total),
            counted(path.transactions.len(), "transaction")
        ),
    )?;
    if path.cost > 0 {
        let most = total as f64 / path.cost as f64;
        line(
            "at most",
            format!(
                "{} times as fast, on any number of workers",
                decimal(Some(most), 2)
            ),
        )?;
    }
    let speedups = WORKERS
        .into_iter()
        .filter_map(NonZeroUsize::new)
        .map(|workers| {
            let speedup = Simulation::new(workers).run(tree, &block.costs).speedup();
            format!("{} on {workers}", decimal(Some(speedup), 2))
        });
    line("simulated", speedups.collect::<Vec<_>>().join(", "))?;
    let each = bytes as f64 / tree.len().max(1) as f64;
    line(
        "encoded",
        format!(
            "{} bytes, {} a transaction",
            thousands(bytes as u64),
            decimal(Some(each), 2)
        ),
    )?;
    line("root hash", tree.root_hash().to_string())
}

fn hottest(block: &Analysed, text: &mut String) -> std::fmt::Result {
    let hottest = block.open.hottest(HOTTEST);
    if hottest.is_empty() {
        return Ok(());
    }
    let mut table = table();
    table.set_header([
        "hottest keys",
        "orders",
        "reads",
        "writes",
        "adds",
        "checks",
    ]);
    for (key, usage) in hottest {
        let counts = [
            usage.ordered,
            usage.reads,
            usage.writes,
            usage.adds,
            usage.checks,
        ];
        let counts = counts.map(|count| thousands(count.into()));
        table.add_row([vec![short(&key.to_string())], counts.to_vec()].concat());
    }
    align(&mut table, &[0]);
    writeln!(text)?;
    for line in lines(&table, 0) {
        writeln!(text, "{line}")?;
    }
    writeln!(
        text,
        "\norders: transactions that wait for another because of the key"
    )
}

/// A text whose longest words, the hashes of slots, are cut in the middle. Addresses stay whole: people look them up.
fn short(text: &str) -> String {
    const ADDRESS: usize = 42;
    let words = text.split(' ').map(|word| match word.len() {
        0..=ADDRESS => word.to_owned(),
        length => format!("{}..{}", &word[..10], &word[length - 6..]),
    });
    words.collect::<Vec<_>>().join(" ")
}

fn milliseconds(nanoseconds: u64) -> String {
    decimal(Some(nanoseconds as f64 / 1e6), 3)
}
