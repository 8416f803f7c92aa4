//! The result for people: a row for each engine and number of workers, case by case.

use std::io::{self, Write};

use pleach_bench::engines::{Case, Engine, Measured, compare};

use crate::{
    tables::{align, lines, make_fit, screen, table},
    text::{counted, decimal, explain, thousands, wrap},
};

const MICROSECONDS: usize = 5;
const CORES: usize = 7;
const ATTEMPTS: usize = 8;
/// What a narrow table goes without, first to last.
const DISPENSABLE: [usize; 3] = [MICROSECONDS, ATTEMPTS, CORES];

/// Prints the cases that have results.
pub(super) fn print(results: &[(Case, Vec<Measured>)]) -> io::Result<()> {
    let results = || results.iter().filter(|(_, measured)| !measured.is_empty());
    let Some((first, _)) = results().next() else {
        return Ok(());
    };
    let mut table = table();
    table.set_header([
        "accounts",
        "rounds",
        "engine",
        "workers",
        "txs/s",
        "us/tx",
        "speed-up",
        "cores busy",
        "attempts",
    ]);
    for (case, measured) in results() {
        for (index, row) in measured.iter().enumerate() {
            // Said once, or nobody sees where a case begins.
            let once = |text: String| if index == 0 { text } else { String::new() };
            let seconds = row.time.as_secs_f64();
            let transactions = case.transactions as f64;
            table.add_row([
                once(thousands(case.accounts)),
                once(thousands(case.rounds.into())),
                row.engine.to_string(),
                row.workers.to_string(),
                decimal(Some(transactions / seconds), 0),
                decimal(Some(seconds * 1e6 / transactions), 3),
                decimal(Some(row.speedup), 2),
                decimal(row.cores_busy, 2),
                decimal(row.attempts, 2),
            ]);
        }
    }
    align(&mut table, &[2]);
    let width = screen();
    let hidden = make_fit(&mut table, width, &DISPENSABLE);
    let mut lines = lines(&table, 0).into_iter();
    let mut out = io::stdout().lock();
    for line in lines.by_ref().take(2) {
        writeln!(out, "{line}")?;
    }
    for (index, (_, measured)) in results().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        for line in lines.by_ref().take(measured.len()) {
            writeln!(out, "{line}")?;
        }
    }
    writeln!(out)?;
    for line in legend(first.transactions, &hidden, width.into()) {
        writeln!(out, "{line}")?;
    }
    let measured: Vec<_> = results().map(|(_, measured)| measured.clone()).collect();
    for engine in [Engine::Exact, Engine::Optimistic] {
        if let Some((times, cells)) = compare(&measured, engine, Engine::BlockStm) {
            let text = format!(
                "{engine} is {times:.2} times as fast as block-stm: the geometric mean over {} of rows",
                counted(cells, "pair")
            );
            for line in wrap(&text, width.into()) {
                writeln!(out, "{line}")?;
            }
        }
    }
    Ok(())
}

/// What the columns mean that are there.
fn legend(transactions: usize, hidden: &[usize], width: usize) -> Vec<String> {
    const INDENT: usize = 12;
    let block = counted(transactions, "payment");
    let mut lines = wrap(
        &format!("{block} a block; medians of so many runs as were done."),
        width,
    );
    for (column, name, meaning) in [
        (
            None,
            "rounds",
            "work of each payment beside reading and writing",
        ),
        (
            None,
            "speed-up",
            "how many times as fast as the plain loop, which changes its hash map in place",
        ),
        (
            Some(CORES),
            "cores busy",
            "processor time of the whole process, by time",
        ),
        (
            Some(ATTEMPTS),
            "attempts",
            "how often each payment was executed, on average",
        ),
    ] {
        if column.is_none_or(|column| !hidden.contains(&column)) {
            lines.append(&mut explain(name, meaning, INDENT, width));
        }
    }
    lines
}
