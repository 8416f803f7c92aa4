//! What was measured before: `--from`, the lines that `--json` has printed.

use std::{fs::File, io::Read, path::Path};

use anyhow::Context;
use pleach_bench::row::Row;
use serde_json::Value;

/// A file has at most so many bytes: far more than a full run.
const MOST: u64 = 256 << 20;

/// Its rows, those of one block together. Lines of summaries are left out: they follow from the others.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<Vec<Row>>> {
    let name = path.display();
    let file = File::open(path).with_context(|| format!("{name} cannot be read"))?;
    let mut text = String::new();
    file.take(MOST + 1)
        .read_to_string(&mut text)
        .with_context(|| format!("{name} cannot be read"))?;
    anyhow::ensure!(
        text.len() as u64 <= MOST,
        "{name} has more than {MOST} bytes"
    );
    let mut blocks: Vec<Vec<Row>> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let row = row(line).with_context(|| format!("{name}, line {}", index + 1))?;
        let Some(row) = row else {
            continue;
        };
        match blocks.last_mut() {
            Some(rows) if (&rows[0].workload, &rows[0].params) == (&row.workload, &row.params) => {
                rows.push(row);
            }
            _ => blocks.push(vec![row]),
        }
    }
    Ok(blocks)
}

fn row(line: &str) -> anyhow::Result<Option<Row>> {
    let value: Value = serde_json::from_str(line)?;
    if value.get("summary").is_some() {
        return Ok(None);
    }
    let row: Row = serde_json::from_value(value)?;
    Ok(Some(row))
}
