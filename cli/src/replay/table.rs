//! A table with a row for each block, and one for all of them.

use comfy_table::{Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Table};

use pleach::pipeline::seda_stages::Histogram;

use super::outcome::{BlockOutcome, Fate, Times, Totals, mgas_per_second};
use super::staged::StageMeasured;
use crate::{
    tables::{self, Fit},
    text::{counted, decimal, milliseconds, thousands},
};

/// The columns of words, which are aligned to the left. Cells of the second may be broken into lines.
const FORK: usize = 1;
const CHECKS: usize = 4;
const RAN: usize = 8;
const ATTEMPTS: usize = 9;
/// What a narrow table goes without, first to last.
const DISPENSABLE: [usize; 3] = [ATTEMPTS, RAN, FORK];
/// The longest name of a check.
const NAME: u16 = "transactions_root".len() as u16;

/// Narrower than this, a table has words broken into letters. It is better when it does not fit.
const fn narrowest(compares: bool) -> u16 {
    if compares { 72 } else { 60 }
}

/// The lines of the table, of at most `width` characters if that is not too narrow. `compares` says whether serial execution and the chosen
/// strategy were measured each on its own.
pub(super) fn lines(
    blocks: &[BlockOutcome],
    totals: &Totals,
    compares: bool,
    width: u16,
) -> Vec<String> {
    let width = width.max(narrowest(compares));
    let mut table = tables::table();
    table
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width);
    let mut header = vec!["block", "fork", "txs", "gas", "checks"];
    if compares {
        header.extend(["serial ms", "run ms", "speed-up", "ran", "attempts"]);
    } else {
        header.push(if totals.staged.is_some() {
            "run ms"
        } else {
            "serial ms"
        });
    }
    header.push("Mgas/s");
    table.set_header(header);
    for block in blocks {
        table.add_row(block_row(block, compares));
    }
    table.add_row(total_row(totals, compares));
    set_widths(&mut table, width, compares);

    tables::lines(&table, 1)
}

/// Makes the table fit: with less space between columns, without those that are least missed, and only then by breaking
/// lines.
fn set_widths(table: &mut Table, width: u16, compares: bool) {
    let mut columns = table.column_max_content_widths();
    // Names of checks may stand below each other.
    columns[CHECKS] = columns[CHECKS].min(NAME);
    let is_there = |column: &usize| compares || *column == FORK;
    let dispensable: Vec<_> = DISPENSABLE.into_iter().filter(is_there).collect();
    let Fit { gap, hidden } = tables::fit(&columns, width, &dispensable);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((gap, 0));
        if index != FORK && index != CHECKS && (index != RAN || !compares) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        if hidden.contains(&index) {
            column.set_constraint(ColumnConstraint::Hidden);
        } else if index != CHECKS {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
}

fn block_row(block: &BlockOutcome, compares: bool) -> Vec<Cell> {
    let executed = block.executed();
    let gas = executed.map(|it| it.gas_used);
    let mut row = vec![
        Cell::new(block.number),
        Cell::new(block.fork),
        Cell::new(thousands(block.transactions as u64)),
        Cell::new(gas.map_or_else(|| "-".to_owned(), thousands)),
        checks(block),
    ];
    let times = executed.map(|it| it.times);
    let ran = executed.map(|it| (it.ran(), it.attempts));
    let ran = compares.then(|| ran_cells(ran, block.transactions));
    row.extend(time_cells(times, gas.unwrap_or_default(), ran));
    row
}

fn total_row(totals: &Totals, compares: bool) -> Vec<Cell> {
    let failed = format!("{} failed", thousands(totals.failed as u64));
    let mut row = vec![
        Cell::new(counted(totals.blocks, "block")),
        Cell::new(""),
        Cell::new(thousands(totals.transactions as u64)),
        Cell::new(thousands(totals.gas)),
        if totals.failed == 0 {
            Cell::new(failed)
        } else {
            failure(failed)
        },
    ];
    let times = Times {
        serial: totals.serial,
        run: totals.run,
    };
    let ran = compares.then(|| ran_cells(Some(("", totals.attempts)), totals.transactions));
    row.extend(time_cells(Some(times), totals.gas, ran));
    row
}

/// How long blocks were in the stages of a pipeline, without how many there were if it would be too wide.
pub(super) fn stages(stages: &[StageMeasured], width: u16) -> Vec<String> {
    let mut table = tables::table();
    table.set_header([
        "stage",
        "blocks",
        "waiting ms: p50",
        "p99",
        "at work ms: p50",
        "p99",
    ]);
    for stage in stages {
        let at = |times: &Histogram, share| {
            let time = times.quantile_time(share);
            decimal(Some(milliseconds(time)), 2)
        };
        table.add_row([
            stage.name.to_string(),
            thousands(stage.handled),
            at(&stage.waiting, 0.5),
            at(&stage.waiting, 0.99),
            at(&stage.service, 0.5),
            at(&stage.service, 0.99),
        ]);
    }
    tables::align(&mut table, &[0]);
    tables::make_fit(&mut table, width, &[1]);
    tables::lines(&table, 0)
}

/// How it was executed, and how often a transaction was.
fn ran_cells(ran: Option<(&str, usize)>, transactions: usize) -> [Cell; 2] {
    let (ran, attempts) = ran.unwrap_or(("-", 0));
    let attempts =
        (transactions > 0 && attempts > 0).then(|| attempts as f64 / transactions as f64);
    [Cell::new(ran), Cell::new(decimal(attempts, 2))]
}

/// The cells from `serial ms` on. What it `ran` like is there if serial execution and the chosen strategy were measured each
/// on its own.
fn time_cells(times: Option<Times>, gas: u64, ran: Option<[Cell; 2]>) -> Vec<Cell> {
    let cell = |number, decimals| Cell::new(decimal(number, decimals));
    let run = cell(times.map(|it| milliseconds(it.run)), 2);
    let mut cells = vec![run];
    if let Some(ran) = ran {
        let serial = times.and_then(|it| it.serial).map(milliseconds);
        cells.insert(0, cell(serial, 2));
        cells.push(cell(times.and_then(Times::speedup), 2));
        cells.extend(ran);
    }
    cells.push(cell(times.and_then(|it| mgas_per_second(gas, it.run)), 0));
    cells
}

/// What came of the checks of a block.
fn checks(block: &BlockOutcome) -> Cell {
    match &block.fate {
        Fate::Executed(executed) => {
            let failed: Vec<_> = executed.mismatches().map(|it| it.check).collect();
            if failed.is_empty() {
                let passed = executed.passed();
                Cell::new(format!("{passed}/{passed}"))
            } else {
                failure(format!("FAILED: {}", failed.join(", ")))
            }
        }
        Fate::Failed(_) => failure("FAILED".to_owned()),
        Fate::NotRun => Cell::new("not run"),
    }
}

fn failure(text: String) -> Cell {
    Cell::new(text).fg(Color::Red)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pleach::Statistics;
    use pleach_evm::{Check, CheckResult};

    use super::*;
    use crate::{input::Source, replay::outcome::Executed};

    /// A block with numbers as long as they get, all of whose checks failed.
    fn wide() -> BlockOutcome {
        let names = [
            "gas_used",
            "logs_bloom",
            "transactions_root",
            "withdrawals_root",
        ];
        let checks = names.map(|name| Check {
            name,
            result: CheckResult::Failed {
                expected: "1".to_owned(),
                found: "2".to_owned(),
            },
        });
        let mut statistics = Statistics::default();
        statistics.attempts = 1_100;
        BlockOutcome {
            source: Source::Sample,
            number: 22_431_084,
            fork: "SpuriousDragon",
            transactions: 1_100,
            fate: Fate::Executed(Executed {
                gas_used: 129_985_362,
                checks: checks.into(),
                times: Times {
                    serial: Some(Duration::from_micros(1_234_567)),
                    run: Duration::from_micros(1_234_567),
                },
                attempts: 1_100,
                statistics,
                conflicts: Vec::new(),
            }),
        }
    }

    #[test]
    fn no_line_is_wider_than_asked() {
        let mut totals = Totals::default();
        let mut blocks = Vec::new();
        for _ in 0..44 {
            totals.add(&wide());
            blocks.push(wide());
        }
        for compares in [false, true] {
            for width in [narrowest(compares), 80, 100, 140] {
                let lines = lines(&blocks, &totals, compares, width);
                let rules = lines
                    .iter()
                    .filter(|line| line.starts_with(tables::RULE))
                    .count();
                assert_eq!(rules, 2);
                for line in &lines {
                    assert!(line.chars().count() <= width.into(), "{line}");
                }
                let text = lines.join("\n");
                assert!(
                    text.contains("129,985,362") && text.contains("1,234.57"),
                    "{text}"
                );
            }
        }
    }
}
