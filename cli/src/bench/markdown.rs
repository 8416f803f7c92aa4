//! The result as tables of Markdown: `--markdown`, which the tables of docs/benchmarks.md are made by.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    io::{self, Write},
};

use clap::ValueEnum;
use pleach_bench::{engines::Name, row::Row};
use serde_json::Value;

use super::{
    means::{AGAINST, means},
    table::title,
};
use crate::text::{decimal, thousands};

/// Which tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Form {
    /// A table for each workload, with a row for each block: how many times as fast as the plain loop each engine is.
    Speed,
    /// A table for each block, with a row for each engine: what it costs.
    Costs,
}

/// Prints what has results.
pub(super) fn print(results: &[Vec<Row>], form: Form) -> io::Result<()> {
    let results: Vec<_> = results.iter().filter(|rows| !rows.is_empty()).collect();
    let text = match form {
        Form::Speed => speed(&results),
        Form::Costs => results.iter().map(|rows| costs(rows)).collect(),
    };
    io::stdout().lock().write_all(text.as_bytes())
}

/// An engine and its workers, as the header of a column has them.
fn column(engine: &str, workers: usize) -> String {
    let known: Result<Name, _> = engine.parse();
    let is_alone = known.is_ok_and(|name| !name.is_parallel());
    let engine = engine.strip_prefix("pleach-").unwrap_or(engine);
    if is_alone {
        engine.to_owned()
    } else {
        format!("{engine}, {workers}")
    }
}

/// The plain loop comes first; of each other engine what its column is called.
fn columns(rows: &[Row]) -> Vec<String> {
    let others = rows.iter().filter(|row| row.engine != AGAINST[0]);
    let columns = others.map(|row| column(&row.engine, row.workers));
    columns.collect()
}

fn speed(results: &[&Vec<Row>]) -> String {
    let mut text = String::new();
    let mut left = results;
    let mut last = None;
    while let Some(first) = left.first() {
        let is_like = |rows: &&&Vec<Row>| {
            rows[0].workload == first[0].workload && columns(rows) == columns(first)
        };
        let count = left.iter().take_while(is_like).count();
        let (group, others) = left.split_at(count);
        left = others;
        let workload = &first[0].workload;
        if last != Some(workload) {
            let _ = writeln!(text, "#### {workload}\n");
        }
        last = Some(workload);
        text.push_str(&pivot(group));
        text.push('\n');
    }
    let noisy = results.iter().filter(|rows| is_noisy(rows)).count();
    let blocks = results.len();
    let _ = writeln!(
        text,
        "{} blocks; while {} of them were measured others kept the processors busy{}.\n",
        thousands(blocks as u64),
        thousands(noisy as u64),
        if noisy == 0 {
            ""
        } else {
            ": those with a star"
        },
    );
    text.push_str(&geometric(results));
    text
}

fn is_noisy(rows: &[Row]) -> bool {
    rows.iter().any(|row| row.is_noisy)
}

/// Blocks of one workload on the same engines: a row for each, which begins with those parameters that are not the same everywhere.
fn pivot(group: &[&Vec<Row>]) -> String {
    let names: BTreeSet<&String> = group
        .iter()
        .flat_map(|rows| rows[0].params.keys())
        .collect();
    let value = |rows: &Vec<Row>, name: &String| rows[0].params.get(name).cloned();
    let (varying, fixed): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| {
        let first = value(group[0], name);
        group.iter().any(|rows| value(rows, name) != first)
    });
    let fixed = fixed.into_iter().filter_map(|name| {
        let value = value(group[0], name)?;
        Some((name.clone(), value))
    });
    let mut text = format!("{}\n\n", title("All", &fixed.collect()));
    let mut header: Vec<String> = varying.iter().map(|name| (*name).clone()).collect();
    header.push("plain, tx/s".to_owned());
    header.extend(columns(group[0]));
    rule(&mut text, &header);
    for rows in group {
        let params = varying.iter().map(|name| shown(value(rows, name)));
        let mut row: Vec<_> = params.collect();
        let star = if is_noisy(rows) { " \\*" } else { "" };
        let plain = rows.iter().find(|row| row.engine == AGAINST[0]);
        row.push(plain.map_or_else(String::new, |plain| rate(plain.tps) + star));
        let others = rows.iter().filter(|row| row.engine != AGAINST[0]);
        row.extend(others.map(|other| decimal(Some(other.speedup), 2)));
        line(&mut text, &row);
    }
    text
}

/// A table for each engine that others are compared with: a row for each workload, and a column for each of the others.
fn geometric(results: &[&Vec<Row>]) -> String {
    let all: Vec<Vec<Row>> = results.iter().map(|rows| (*rows).clone()).collect();
    let means = means(&all);
    let mut text = String::from("#### Geometric means\n");
    for against in AGAINST {
        let of_it: Vec<_> = means.iter().filter(|it| it.against == against).collect();
        let mut engines: Vec<(&str, usize)> = Vec::new();
        let mut workloads: Vec<(Option<&str>, usize)> = Vec::new();
        for mean in &of_it {
            let engine = (mean.engine.as_str(), mean.workers);
            if !engines.contains(&engine) {
                engines.push(engine);
            }
            let workload = mean.workload.as_deref();
            match workloads.iter_mut().find(|(name, _)| *name == workload) {
                Some((_, blocks)) => *blocks = mean.blocks.max(*blocks),
                None => workloads.push((workload, mean.blocks)),
            }
        }
        if of_it.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\nHow many times as fast as `{against}`:\n");
        let mut header = vec!["workload".to_owned(), "blocks".to_owned()];
        header.extend(
            engines
                .iter()
                .map(|(engine, workers)| column(engine, *workers)),
        );
        rule(&mut text, &header);
        for (workload, blocks) in workloads {
            let mut cells = vec![
                workload.unwrap_or("all").to_owned(),
                thousands(blocks as u64),
            ];
            cells.extend(engines.iter().map(|engine| {
                let mut same = of_it.iter();
                let mean = same.find(|mean| {
                    mean.workload.as_deref() == workload
                        && (mean.engine.as_str(), mean.workers) == *engine
                });
                mean.map_or_else(String::new, |mean| {
                    let few = if mean.blocks < blocks {
                        format!(" ({})", mean.blocks)
                    } else {
                        String::new()
                    };
                    decimal(Some(mean.ratio), 2) + &few
                })
            }));
            line(&mut text, &cells);
        }
    }
    text
}

/// What each engine takes for one block.
fn costs(rows: &[Row]) -> String {
    let mut text = format!("{}\n\n", title(&rows[0].workload, &rows[0].params));
    let header = [
        "engine, workers",
        "TPS",
        "spread",
        "CPU us",
        "attempts",
        "allocations",
        "MB",
        "p50 us",
        "p99 us",
        "of bound",
    ];
    rule(&mut text, &header.map(str::to_owned));
    for row in rows {
        let [slowest, fastest] = row.tps_spread;
        let cells = [
            format!("{}, {}", row.engine, row.workers),
            rate(row.tps),
            format!("{}-{}", rate(slowest), rate(fastest)),
            decimal(row.cpu_s_per_tx.map(|seconds| seconds * 1e6), 2),
            decimal(row.attempts_per_tx, 2),
            decimal(row.allocations_per_tx, 2),
            decimal(row.peak_alloc_mb, 1),
            decimal(row.commit_p50_us, 0),
            decimal(row.commit_p99_us, 0),
            decimal(row.efficiency, 2),
        ];
        line(&mut text, &cells);
    }
    text.push('\n');
    text
}

/// Transactions a second, in three digits or so.
fn rate(tps: f64) -> String {
    match tps {
        1e6.. => format!("{:.2} M", tps / 1e6),
        1e4.. => format!("{:.0} k", tps / 1e3),
        _ => format!("{:.1} k", tps / 1e3),
    }
}

fn shown(value: Option<Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::String(text)) => text,
        Some(value) => match value.as_u64() {
            Some(number) => thousands(number),
            None => value.to_string(),
        },
    }
}

fn line(text: &mut String, cells: &[String]) {
    // What comes from a file may have what ends a cell.
    let cells = cells
        .iter()
        .map(|cell| cell.replace(['|', '\n', '\r'], " "));
    let cells: Vec<_> = cells.collect();
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

fn rule(text: &mut String, header: &[String]) {
    line(text, header);
    let _ = writeln!(text, "|{}", " --- |".repeat(header.len()));
}
