//! The result for people: a row for each engine and number of workers, workload by workload.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use comfy_table::ColumnConstraint;
use pleach_bench::row::Row;
use serde_json::Value;

use crate::{
    tables::{align, lines, make_fit, screen, table},
    text::{decimal, explain, thousands, wrap},
};

const HEADER: [&str; 14] = [
    "engine", "workers", "TPS", "slowest", "fastest", "speed-up", "of bound", "CPU us", "attempts",
    "allocs", "MB", "p50 us", "p99 us", "Mgas/s",
];

/// Of Ethereum blocks alone.
const MGAS: usize = 13;

/// What a narrow table goes without, first to last.
const DISPENSABLE: [usize; 11] = [9, 10, 3, 4, 11, 12, 6, MGAS, 8, 7, 1];

/// What columns mean.
const MEANINGS: [(usize, &str); 9] = [
    (
        3,
        "the slowest and the fastest run, in transactions a second",
    ),
    (
        5,
        "how many times as fast as the plain loop: over a map that it changes in place, or of revm over its cache",
    ),
    (
        6,
        "that, as a share of what the block's tree and the number of workers allow, if transactions take what they take in the \
         plain loop",
    ),
    (
        7,
        "processor time of the whole process, for each transaction",
    ),
    (8, "how often each transaction was executed, on average"),
    (9, "how often memory was asked for, for each transaction"),
    (10, "the most memory at a time, beside the state"),
    (
        11,
        "from the beginning of the block until half, and 99 of 100, transactions were final",
    ),
    (MGAS, "millions of gas a second"),
];

/// Prints what has results.
pub(super) fn print(results: &[Vec<Row>]) -> io::Result<()> {
    let results = || results.iter().filter(|rows| !rows.is_empty());
    if results().next().is_none() {
        return Ok(());
    }
    let mut table = table();
    table.set_header(HEADER);
    for row in results().flatten() {
        let [slowest, fastest] = row.tps_spread;
        table.add_row([
            row.engine.clone(),
            row.workers.to_string(),
            decimal(Some(row.tps), 0),
            decimal(Some(slowest), 0),
            decimal(Some(fastest), 0),
            decimal(Some(row.speedup), 2),
            decimal(row.efficiency, 2),
            decimal(row.cpu_s_per_tx.map(|seconds| seconds * 1e6), 2),
            decimal(row.attempts_per_tx, 2),
            decimal(row.allocations_per_tx, 2),
            decimal(row.peak_alloc_mb, 1),
            decimal(row.commit_p50_us, 0),
            decimal(row.commit_p99_us, 0),
            decimal(row.mgas_per_s, 0),
        ]);
    }
    align(&mut table, &[0]);
    let width = screen();
    let mut hidden = make_fit(&mut table, width, &DISPENSABLE);
    if results().flatten().all(|row| row.mgas_per_s.is_none()) {
        if let Some(column) = table.column_mut(MGAS) {
            column.set_constraint(ColumnConstraint::Hidden);
        }
        hidden.push(MGAS);
    }
    let mut lines = lines(&table, 0).into_iter();
    let mut out = io::stdout().lock();
    let header: Vec<_> = lines.by_ref().take(2).collect();
    for rows in results() {
        let mut what = title(&rows[0].workload, &rows[0].params);
        if let Some(read) = rows[0].read_us {
            what = format!("{what}; reads took {} us", decimal(Some(read), 0));
        }
        for line in wrap(&what, width.into()) {
            writeln!(out, "{line}")?;
        }
        if rows.iter().any(|row| row.is_noisy) {
            let noisy = "Others kept the processors busy meanwhile: these figures say little.";
            for line in wrap(noisy, width.into()) {
                writeln!(out, "{line}")?;
            }
        }
        for line in header
            .iter()
            .cloned()
            .chain(lines.by_ref().take(rows.len()))
        {
            writeln!(out, "{line}")?;
        }
        writeln!(out)?;
    }
    for line in legend(&hidden, width.into()) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// A workload and its parameters in a line.
pub(super) fn title(workload: &str, params: &BTreeMap<String, Value>) -> String {
    let params = params.iter().filter(|(_, value)| value.as_u64() != Some(0));
    let params = params.map(|(name, value)| match value {
        Value::Number(number) if number.is_u64() => {
            format!("{name} {}", thousands(number.as_u64().unwrap_or_default()))
        }
        Value::String(text) => format!("{name} {text}"),
        other => format!("{name} {other}"),
    });
    format!("{workload}: {}", params.collect::<Vec<_>>().join(", "))
}

/// What the columns mean that are there.
fn legend(hidden: &[usize], width: usize) -> Vec<String> {
    const INDENT: usize = 10;
    let mut lines = wrap("Medians of so many runs as were done.", width);
    for (column, meaning) in MEANINGS {
        if !hidden.contains(&column) {
            lines.append(&mut explain(HEADER[column], meaning, INDENT, width));
        }
    }
    lines
}
