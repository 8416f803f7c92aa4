//! How many times as fast an engine is as others, over many blocks: geometric means.

use std::io::{self, Write};

use pleach_bench::{row::Row, stopwatch::geometric_mean};
use serde::Serialize;

use crate::{
    tables::{align, lines, make_fit, screen, table},
    text::{decimal, wrap},
};

/// Those that others are compared with.
pub(super) const AGAINST: [&str; 3] = ["plain", "block-stm", "bohm"];

/// An engine with so many workers, and another one with as many, if that can have several.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Mean {
    /// Tells this line of JSON from those of blocks.
    summary: &'static str,
    /// Over the blocks of this workload alone, or of all.
    pub(super) workload: Option<String>,
    pub(super) engine: String,
    pub(super) workers: usize,
    pub(super) against: &'static str,
    /// In so many blocks both took part. States that take time are left out: there, all wait for the same.
    pub(super) blocks: usize,
    /// How many times as fast the engine is.
    pub(super) ratio: f64,
}

/// Of each workload, if there are several, and of all blocks together.
pub(super) fn means(results: &[Vec<Row>]) -> Vec<Mean> {
    let mut workloads: Vec<&str> = Vec::new();
    for row in results.iter().filter_map(|rows| rows.first()) {
        if !workloads.contains(&row.workload.as_str()) {
            workloads.push(&row.workload);
        }
    }
    let mut all = Vec::new();
    if workloads.len() > 1 {
        for workload in workloads {
            let of = |rows: &&Vec<Row>| rows.first().is_some_and(|row| row.workload == workload);
            let rows: Vec<_> = results.iter().filter(of).collect();
            over(&rows, Some(workload), &mut all);
        }
    }
    over(&results.iter().collect::<Vec<_>>(), None, &mut all);
    all
}

fn over(blocks: &[&Vec<Row>], workload: Option<&str>, all: &mut Vec<Mean>) {
    let is_quick = |rows: &&&Vec<Row>| {
        let latency = rows.first().and_then(|row| row.params.get("latency_us"));
        latency.is_none_or(|micros| micros.as_u64() == Some(0))
    };
    let blocks: Vec<_> = blocks.iter().filter(is_quick).collect();
    let mut engines: Vec<(&str, usize)> = Vec::new();
    for row in blocks.iter().flat_map(|rows| rows.iter()) {
        let engine = (row.engine.as_str(), row.workers);
        if row.engine != AGAINST[0] && !engines.contains(&engine) {
            engines.push(engine);
        }
    }
    for (engine, workers) in engines {
        for against in AGAINST.into_iter().filter(|against| *against != engine) {
            let ratios = blocks.iter().filter_map(|rows| {
                let of = |engine, workers| {
                    let is_it = |row: &&Row| row.engine == engine && row.workers == workers;
                    rows.iter().find(is_it).map(|row| row.tps)
                };
                let other = if against == AGAINST[0] { 1 } else { workers };
                Some(of(engine, workers)? / of(against, other)?)
            });
            let ratios: Vec<_> = ratios.collect();
            all.extend(geometric_mean(&ratios).map(|ratio| Mean {
                summary: "geometric-mean",
                workload: workload.map(str::to_owned),
                engine: engine.to_owned(),
                workers,
                against,
                blocks: ratios.len(),
                ratio,
            }));
        }
    }
}

/// Rows for people: the engine, its workers, and against each of the others the mean and over how many blocks that is.
fn cells<'a>(means: impl Iterator<Item = &'a Mean>) -> Vec<(&'a Mean, [String; AGAINST.len()])> {
    let mut rows: Vec<(&Mean, [String; AGAINST.len()])> = Vec::new();
    for mean in means {
        let is_same = |other: &Mean| (&other.engine, other.workers) == (&mean.engine, mean.workers);
        if rows.last().is_none_or(|(other, _)| !is_same(other)) {
            rows.push((mean, Default::default()));
        }
        let place = AGAINST.iter().position(|against| *against == mean.against);
        if let (Some(place), Some((_, cells))) = (place, rows.last_mut()) {
            let ratio = decimal(Some(mean.ratio), 2);
            cells[place] = format!("{ratio} ({})", mean.blocks);
        }
    }
    rows
}

/// Prints those of all blocks.
pub(super) fn print(results: &[Vec<Row>]) -> io::Result<()> {
    let means = means(results);
    let rows = cells(means.iter().filter(|mean| mean.workload.is_none()));
    if rows.is_empty() {
        return Ok(());
    }
    let mut table = table();
    table.set_header(["engine", "workers"].into_iter().chain(AGAINST));
    for (mean, cells) in rows {
        let first = [mean.engine.clone(), mean.workers.to_string()];
        table.add_row(first.into_iter().chain(cells));
    }
    align(&mut table, &[0]);
    let width = screen();
    make_fit(&mut table, width, &[]);
    let mut out = io::stdout().lock();
    writeln!(out)?;
    let what = "How many times as fast an engine is as the plain loop, and as others with as many workers: geometric means over all \
                blocks above where both took part, of which there are so many, and where the state takes no time.";
    for line in wrap(what, width.into()) {
        writeln!(out, "{line}")?;
    }
    for line in lines(&table, 0) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(workload: &str, latency: u64, engine: &str, workers: usize, tps: f64) -> Row {
        let line = serde_json::json!({
            "workload": workload, "params": { "latency_us": latency }, "engine": engine, "workers": workers,
            "transactions": 10, "runs": 1, "tps": tps, "tps_spread": [tps, tps], "speedup": 1.0, "is_noisy": false,
        });
        serde_json::from_value(line).expect("it is a row")
    }

    #[test]
    fn means_are_over_blocks_with_both() {
        let block = |workload, latency, exact: f64| {
            vec![
                row(workload, latency, "plain", 1, 10.0),
                row(workload, latency, "block-stm", 2, 8.0),
                row(workload, latency, "pleach-exact", 2, exact),
            ]
        };
        let alone = vec![
            row("evm", 0, "plain", 1, 10.0),
            row("evm", 0, "pleach-exact", 2, 80.0),
        ];
        let results = [
            block("payments", 0, 16.0),
            block("payments", 0, 4.0),
            block("payments", 100, 1e9),
            alone,
        ];
        let means = means(&results);
        let find = |workload: Option<&str>, against: &str| {
            let found = means.iter().find(|mean| {
                let Mean { engine, .. } = mean;
                (mean.workload.as_deref(), engine.as_str(), mean.against)
                    == (workload, "pleach-exact", against)
            });
            let found = found.map(|mean| (mean.blocks, (mean.ratio * 1e3).round()));
            found.unwrap_or((0, 0.0))
        };
        assert_eq!(find(None, "block-stm"), (2, 1_000.0), "16 and 4 beside 8");
        assert_eq!(find(Some("payments"), "plain"), (2, 800.0));
        assert_eq!(find(Some("evm"), "plain"), (1, 8_000.0));
        assert_eq!(find(Some("evm"), "block-stm"), (0, 0.0));
        assert_eq!(find(None, "plain").0, 3);
        assert_eq!(find(None, "bohm"), (0, 0.0), "it is not there");
    }
}
