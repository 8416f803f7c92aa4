//! How tables look, the same in every command.

use std::env;

use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle,
};

/// Where it is not known how wide the reader's screen is.
const WIDTH: u16 = 100;

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

/// How wide the reader's screen is: `COLUMNS` if that is set, or else what the terminal says.
pub(crate) fn screen() -> u16 {
    let variable = env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    let width = variable.or_else(|| Table::new().width());
    width.filter(|width| *width > 0).unwrap_or(WIDTH)
}

/// How a table is made to fit: first with less space between columns, then without those that are least missed.
pub(crate) struct Fit {
    /// The space before each column.
    pub(crate) gap: u16,
    /// The columns that are left out.
    pub(crate) hidden: Vec<usize>,
}

/// How columns of these widths fit into so many characters, if they do. Those that may be left out are named first to
/// last.
pub(crate) fn fit(columns: &[u16], width: u16, dispensable: &[usize]) -> Fit {
    let mut content: usize = columns.iter().map(|it| usize::from(*it)).sum();
    let fits = |content: usize, count: usize, gap: u16| {
        content + usize::from(gap) * count <= usize::from(width)
    };
    let gap = if fits(content, columns.len(), 2) {
        2
    } else {
        1
    };
    let mut hidden = Vec::new();
    for &column in dispensable {
        if !fits(content, columns.len() - hidden.len(), gap) {
            content -= usize::from(columns[column]);
            hidden.push(column);
        }
    }
    Fit { gap, hidden }
}

/// Makes an [aligned](align) table fit into so many characters, if it can, and says which columns it goes without.
pub(crate) fn make_fit(table: &mut Table, width: u16, dispensable: &[usize]) -> Vec<usize> {
    // There is no space before the first column: one character more at least.
    let columns = table.column_max_content_widths();
    let Fit { gap, hidden } = fit(&columns, width.saturating_add(1), dispensable);
    for (index, column) in table.column_iter_mut().enumerate() {
        if index > 0 {
            column.set_padding((gap, 0));
        }
        if hidden.contains(&index) {
            column.set_constraint(ColumnConstraint::Hidden);
        }
    }
    hidden
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
