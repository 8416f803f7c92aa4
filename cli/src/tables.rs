//! How tables look, the same in every command.

use std::env;

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

/// What a line between rows is made of.
pub(crate) const RULE: char = '─';

const STYLE: TableStyle = TableStyle::new()
    .header_separator(LineStyle::none().fill(RULE))
    .row_separator(LineStyle::none().fill(RULE));

/// A table without rows.
pub(crate) fn table() -> Table {
    let mut table = Table::new();
    table
        .load_style(STYLE)
        .set_content_arrangement(ContentArrangement::Disabled);
    if env::var_os("NO_COLOR").is_some() {
        table.force_no_tty();
    }
    table
}

/// The lines of a table, with rules only below the header and above the last rows, of which there are `below`.
pub(crate) fn lines(table: &Table, below: usize) -> Vec<String> {
    let is_rule = |line: &String| line.starts_with(RULE);
    let mut lines: Vec<_> = table.lines().collect();
    let rules = lines.iter().filter(|line| is_rule(line)).count();
    let mut rule = 0;
    lines.retain(|line| {
        if !is_rule(line) {
            return true;
        }
        rule += 1;
        rule == 1 || (below > 0 && rule + below == rules + 1)
    });
    for line in &mut lines {
        line.truncate(line.trim_end().len());
    }
    lines
}

/// Aligns all columns to the right, but those that hold words.
pub(crate) fn align(table: &mut Table, words: &[usize]) {
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((if index == 0 { 0 } else { 2 }, 0));
        if !words.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}
