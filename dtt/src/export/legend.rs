//! The words around a drawing: the heading with the numbers, and below what means what.

use std::fmt::Write;

use super::{
    Picture, count,
    dots::GREY,
    layout::Drawing,
    one_line,
    page::MARGIN,
    scene::Scene,
    svg::{Canvas, INK, LINE, SOFT, px},
    thousands,
};

/// The heading of a picture without any.
pub(super) const TITLE: &str = "Dependencies of a block";

/// Writes the heading and says where the drawing may start.
pub(super) fn header(canvas: &mut Canvas, picture: &Picture<'_>, scene: &Scene) -> f64 {
    let width = scene.page.width;
    let most = super::pack::whole((width - 2.0 * MARGIN) / 13.0);
    let title = one_line(picture.title.as_deref().unwrap_or(TITLE), most);
    let large = format!("font-size=\"22\" font-weight=\"600\" fill=\"{INK}\"");
    let small = format!("font-size=\"12\" fill=\"{SOFT}\"");
    canvas.text((MARGIN, 46.0), &large, &title);

    let facts = &scene.facts;
    let largest = facts.branches.largest();
    let share = |part: f64, all: f64| {
        let percent = if all > 0.0 { part / all * 100.0 } else { 0.0 };
        if percent > 0.0 && percent < 1.0 {
            return "under 1% of the block".to_owned();
        }
        if percent > 99.0 && percent < 100.0 {
            return "over 99% of the block".to_owned();
        }
        format!("{percent:.0}% of the block")
    };
    let path = &facts.critical;
    let on_path = count(path.transactions.len());
    let (cost, of) = if picture.costs.is_some() {
        let total = picture.in_unit(&thousands(facts.total));
        (
            picture.in_unit(&thousands(u128::from(path.cost))),
            format!("critical path, of {total}"),
        )
    } else {
        (
            on_path.clone(),
            format!("critical path, of {}", count(picture.tree.len())),
        )
    };
    let speed = facts.speed_up();
    let speed = if speed < 99.95 {
        format!("{speed:.1}\u{d7}")
    } else {
        format!("{}\u{d7}", count(super::pack::whole(speed.round())))
    };
    let tiles = [
        (count(picture.tree.len()), "transactions".to_owned()),
        (count(facts.branches.len()), "branches".to_owned()),
        (
            count(largest),
            format!(
                "largest, {}",
                share(largest as f64, picture.tree.len() as f64)
            ),
        ),
        (cost, of),
        (speed, "faster at most".to_owned()),
    ];
    // Each as wide as its text, and the rest of the line shared.
    let widths: Vec<f64> = tiles
        .iter()
        .map(|(number, text)| {
            let number = number.chars().count() as f64 * 13.5;
            number.max(text.chars().count() as f64 * 6.4)
        })
        .collect();
    let used: f64 = widths.iter().sum();
    let gap = (width - 2.0 * MARGIN - used) / (tiles.len() - 1) as f64;
    let gap = gap.clamp(14.0, 60.0);
    let mut x = MARGIN;
    for ((number, text), wide) in tiles.iter().zip(widths) {
        canvas.text((x, 88.0), &large, number);
        canvas.text((x, 107.0), &small, text);
        x += wide + gap;
    }
    154.0
}

/// What is left out, and what it is because of.
fn notes(scene: &Scene) -> Vec<String> {
    let mut notes = Vec::new();
    if scene.per_dot > 1 {
        notes.push(format!(
            "A large block: a dot in a frame or among those that wait for nobody stands for up to {} transactions.",
            count(scene.per_dot)
        ));
    }
    let (branches, transactions) = scene.left_out;
    if branches > 0 {
        notes.push(format!(
            "Only the largest branches are drawn; {} more with {} transactions are not.",
            count(branches),
            count(transactions)
        ));
    }
    if scene.merged {
        notes.push(
            "In wide trees, small subtrees are packed into the frames of siblings, and short chains are summed up."
                .to_owned(),
        );
    }
    let columns = |drawing: &Drawing| drawing.column.iter().any(|column| *column > 0);
    if scene.drawings.iter().any(columns) {
        notes.push("Deep trees go on in the next column, to the right.".to_owned());
    }
    if scene.colours.windows(2).any(|pair| pair[0] == pair[1]) {
        notes.push(
            "A wide branch is drawn in pieces of one colour: joins tie them together.".to_owned(),
        );
    }
    match scene.needed_joins {
        None if scene.all_joins > 0 => notes.push(format!(
            "{} joins, dependencies beside the parent, are not drawn.",
            count(scene.all_joins)
        )),
        Some(needed) if scene.all_joins > 0 => {
            let implied = scene.all_joins.saturating_sub(needed);
            let mut note = format!("{} joins in all", count(scene.all_joins));
            if implied > 0 {
                let _ = write!(
                    note,
                    "; {} that follow from others are not drawn",
                    count(implied)
                );
            }
            if let Some(drawn) = scene.cut {
                let _ = write!(
                    note,
                    "; of the others, the {} shortest are drawn",
                    count(drawn)
                );
            }
            note.push('.');
            notes.push(note);
        }
        _ => {}
    }
    notes
}

/// Writes what means what, and returns the height of the picture.
pub(super) fn footer(canvas: &mut Canvas, picture: &Picture<'_>, scene: &Scene, top: f64) -> f64 {
    let width = scene.page.width;
    let right = px(width - MARGIN);
    let mut y = top;
    canvas.line(format_args!(
        "<path d=\"M{} {}H{right}\" stroke=\"{LINE}\" stroke-width=\"0.7\"/>",
        px(MARGIN),
        px(y)
    ));
    y += 26.0;
    let has = |kind| {
        let mut drawings = scene.drawings.iter();
        drawings.any(|drawing| drawing.shapes.iter().any(|shape| shape.kind == kind))
    };
    let dot = if picture.costs.is_some() {
        "transaction: area by cost, colour by branch"
    } else {
        "transaction: colour by branch"
    };
    let line = |dash: &str, colour: &str, wide: &str| {
        format!("<path d=\"M0 -4H26\" stroke=\"{colour}\" stroke-width=\"{wide}\"{dash}/>")
    };
    let mut entries = Vec::new();
    if !picture.tree.is_empty() {
        let symbol = "<circle cx=\"13\" cy=\"-4\" r=\"6\" fill=\"#44aa99\"/>".to_owned();
        entries.push((symbol, dot));
        if scene.packed.is_some() || scene.grey.contains(&true) {
            let symbol = format!("<circle cx=\"13\" cy=\"-4\" r=\"6\" fill=\"{GREY}\"/>");
            entries.push((symbol, "on a small branch"));
        }
        entries.push((line("", INK, "3"), "critical path"));
    }
    if scene
        .drawings
        .iter()
        .any(|drawing| drawing.shapes.len() > 1)
    {
        entries.push((line("", LINE, "1.6"), "parent: the last that it waits for"));
    }
    if !scene.joins.is_empty() {
        let dash = " stroke-dasharray=\"3 2\"";
        entries.push((line(dash, SOFT, "1"), "join: it waits for this as well"));
    }
    let frame = format!(
        "<rect x=\"0\" y=\"-12\" width=\"26\" height=\"16\" rx=\"3\" fill=\"#f1f0ea\" stroke=\"{LINE}\"/>"
    );
    if has(super::shape::Kind::Block) {
        let dots = "<circle cx=\"8\" cy=\"-4\" r=\"3\" fill=\"#44aa99\"/><circle cx=\"18\" cy=\"-4\" r=\"3\" \
                    fill=\"#44aa99\"/>";
        entries.push((format!("{frame}{dots}"), "siblings, packed"));
    }
    if has(super::shape::Kind::Chain) {
        let dots = format!(
            "<path d=\"M8 -4H18\" stroke=\"{INK}\"/><circle cx=\"8\" cy=\"-4\" r=\"3\" fill=\"#44aa99\"/><circle \
             cx=\"18\" cy=\"-4\" r=\"3\" fill=\"#44aa99\"/>"
        );
        entries.push((format!("{frame}{dots}"), "chain, folded"));
    }
    let mut x = MARGIN;
    for (symbol, text) in entries {
        let wide = 34.0 + text.chars().count() as f64 * 6.3 + 24.0;
        if x > MARGIN && x + wide > width - MARGIN + 24.0 {
            x = MARGIN;
            y += 22.0;
        }
        canvas.line(format_args!(
            "<g transform=\"translate({},{})\">{symbol}</g>",
            px(x),
            px(y)
        ));
        let style = format!("font-size=\"12\" fill=\"{SOFT}\"");
        canvas.text((x + 34.0, y), &style, text);
        x += wide;
    }
    let most = super::pack::whole((width - 2.0 * MARGIN) / 6.3);
    for note in notes(scene) {
        y += 22.0;
        let style = format!("font-size=\"12\" fill=\"{SOFT}\"");
        canvas.text((MARGIN, y), &style, &one_line(&note, most));
    }
    y + 24.0
}
