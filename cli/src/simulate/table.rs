//! The result for people: a row for each block, and one for all large ones.

use std::io::{self, Write};

use super::scenario::{BlockResult, Scenario, Totals};
use crate::{
    tables::{align, lines, table},
    text::{counted, decimal, thousands},
};

pub(super) fn print(rows: &[BlockResult], totals: &Totals, scenario: &Scenario) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut table = table();
    let mut header = ["block", "fork", "txs", "branches", "total ms", "path ms"]
        .map(str::to_owned)
        .to_vec();
    header.extend(scenario.workers.iter().map(|workers| format!("x{workers}")));
    table.set_header(header);
    for row in rows {
        let mut cells = vec![
            row.number.to_string(),
            row.fork.to_owned(),
            thousands(row.transactions as u64),
            thousands(row.branches as u64),
            milliseconds(row.total),
            milliseconds(row.critical_path),
        ];
        cells.extend(row.speedups.values().map(|speedup| times(*speedup)));
        table.add_row(cells);
    }
    if totals.large() > 0 {
        let mut means = |name: &str, means: Vec<f64>| {
            let mut cells = vec![name.to_owned()];
            cells.resize(6, String::new());
            cells.extend(means.into_iter().map(times));
            table.add_row(cells);
        };
        means("mean", totals.speedups().into_values().collect());
        means("bound", totals.bounds().into_values().collect());
    }
    align(&mut table, &[1]);
    let mut out = io::stdout().lock();
    let means = if totals.large() > 0 { 2 } else { 0 };
    for line in lines(&table, means) {
        writeln!(out, "{line}")?;
    }
    writeln!(out)?;
    let explain = [
        ("total ms", "what all transactions take, one after another"),
        (
            "path ms",
            "what the most costly chain of dependencies takes: no number of workers beats it",
        ),
        (
            "xN",
            "how many times faster N workers are, in the engine's own order",
        ),
    ];
    for (name, meaning) in explain {
        writeln!(out, "{name:10}{meaning}")?;
    }
    if totals.large() > 0 {
        let blocks = counted(totals.large(), "block");
        writeln!(
            out,
            "mean      geometric, over {blocks} of more than 4 Mgas and 4 transactions\n\
             bound     the same of what no schedule beats: the longer of the path and an equal share of the work"
        )?;
    }
    Ok(())
}

fn milliseconds(nanoseconds: u64) -> String {
    decimal(Some(nanoseconds as f64 / 1e6), 3)
}

fn times(speedup: f64) -> String {
    decimal(Some(speedup), 2)
}
