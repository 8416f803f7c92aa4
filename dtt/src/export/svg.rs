//! Draws the scene as SVG.

use std::fmt::Write;

use super::{
    Picture, count, dots, escape, legend, one_line,
    page::MARGIN,
    scene::{SPACE, Scene},
    shape::{Kind, LEAST_LABELLED},
};

pub(super) const INK: &str = "#1d2530";
pub(super) const SOFT: &str = "#66707c";
pub(super) const LINE: &str = "#b4bbc4";
pub(super) const PAPER: &str = "#fcfbf8";
const FRAME: &str = "#f1f0ea";
/// The text of a drawing.
#[derive(Default)]
pub(super) struct Canvas {
    pub(super) out: String,
}

/// A number as short as a tenth of a pixel allows.
pub(super) fn px(number: f64) -> String {
    let text = format!("{number:.1}");
    match text.strip_suffix(".0") {
        Some("-0") => "0".to_owned(),
        Some(whole) => whole.to_owned(),
        None => text,
    }
}

impl Canvas {
    /// Adds a line of text. Writing to a string cannot fail.
    pub(super) fn line(&mut self, line: std::fmt::Arguments<'_>) {
        let _ = self.out.write_fmt(line);
        self.out.push('\n');
    }

    pub(super) fn text(&mut self, at: (f64, f64), style: &str, text: &str) {
        let (x, y) = (px(at.0), px(at.1));
        let text = escape(text);
        self.line(format_args!(
            "<text x=\"{x}\" y=\"{y}\" {style}>{text}</text>"
        ));
    }
}

pub(super) fn draw(picture: &Picture<'_>) -> String {
    let scene = Scene::new(picture);
    let width = scene.page.width;
    let zoom = scene.page.zoom;
    let mut canvas = Canvas::default();
    let top = legend::header(&mut canvas, picture, &scene);

    let used = match scene.page.used.0 * zoom {
        // Nothing but the root.
        0.0 => width - 2.0 * MARGIN,
        used => used,
    };
    let left = ((width - used) / 2.0).max(MARGIN);
    canvas.line(format_args!(
        "<g transform=\"translate({},{})\">",
        px(left),
        px(top)
    ));
    root(&mut canvas, &scene);
    joins(&mut canvas, &scene);
    parents(&mut canvas, &scene);
    critical(&mut canvas, picture, &scene);
    dots::shapes(&mut canvas, picture, &scene);
    dots::alone(&mut canvas, picture, &scene);
    canvas.line(format_args!("</g>"));
    let bottom = top + (scene.page.used.1 * zoom).max(30.0);
    let height = legend::footer(&mut canvas, picture, &scene, bottom + 22.0);

    let title = picture.title.as_deref().unwrap_or(legend::TITLE);
    let title = escape(&one_line(title, 200));
    let (width, height) = (px(width), px(height));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\" font-family=\"system-ui, 'Segoe UI', Helvetica, Arial, sans-serif\">\n\
         <title>{title}</title>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"10\" fill=\"{PAPER}\"/>\n{}</svg>\n",
        canvas.out
    )
}

/// The bars that everything hangs from.
fn root(canvas: &mut Canvas, scene: &Scene) {
    let zoom = scene.page.zoom;
    let things = scene.drawings.len() + usize::from(scene.packed.is_some());
    let mut bars: Vec<(f64, f64, f64)> = (0..things)
        .map(|index| {
            let (x, y) = scene
                .corners
                .get(index)
                .copied()
                .unwrap_or(scene.box_corner);
            let wide = match scene.drawings.get(index) {
                Some(drawing) => drawing.hanging + 2.0 * SPACE,
                None => scene.packed.as_ref().map_or(0.0, |packed| packed.width) + 4.0 * SPACE,
            };
            (y * zoom, x * zoom, (x + wide) * zoom)
        })
        .collect();
    bars.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let mut joined: Vec<(f64, f64, f64)> = Vec::new();
    for bar in bars {
        match joined.last_mut() {
            Some(last) if (last.0 - bar.0).abs() < 0.1 && bar.1 - last.2 < 1.0 => last.2 = bar.2,
            _ => joined.push(bar),
        }
    }
    if joined.is_empty() {
        joined.push((0.0, 0.0, scene.page.width - 2.0 * MARGIN));
    }
    for (y, left, right) in joined {
        canvas.line(format_args!(
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"4\" rx=\"2\" fill=\"{SOFT}\"><title>root: the parent \
             state</title></rect>",
            px(left + 3.0),
            px(y - 2.0),
            px((right - left - 6.0).max(4.0)),
        ));
    }
    canvas.text(
        (3.0, -8.0),
        &format!("font-size=\"12\" fill=\"{SOFT}\""),
        "root: the parent state",
    );
}

/// A line that leaves and arrives straight down.
fn curve(from: (f64, f64), to: (f64, f64)) -> String {
    let bend = (to.1 - from.1) / 2.0;
    format!(
        "M{} {}C{} {} {} {} {} {}",
        px(from.0),
        px(from.1),
        px(from.0),
        px(from.1 + bend),
        px(to.0),
        px(to.1 - bend),
        px(to.0),
        px(to.1)
    )
}

fn joins(canvas: &mut Canvas, scene: &Scene) {
    if scene.joins.is_empty() {
        return;
    }
    let sums = scene.sums();
    let many = scene.joins.len() > 100;
    let opacity = if many { "0.28" } else { "0.5" };
    canvas.line(format_args!(
        "<g fill=\"none\" stroke=\"{SOFT}\" stroke-width=\"0.8\" stroke-opacity=\"{opacity}\" stroke-dasharray=\"3 2\">"
    ));
    for line in &scene.joins {
        let (from, to) = scene.line(line, &sums);
        let path = curve(from, to);
        canvas.line(format_args!("<path d=\"{path}\"/>"));
    }
    canvas.line(format_args!("</g>"));
    canvas.line(format_args!("<g fill=\"{SOFT}\">"));
    for (x, y) in sums.values() {
        let (x, y) = (px(*x), px(*y));
        canvas.line(format_args!(
            "<circle cx=\"{x}\" cy=\"{y}\" r=\"1.8\"><title>several meet here</title></circle>"
        ));
    }
    canvas.line(format_args!("</g>"));
}

/// How far below a dot lines to others start, so that they do not cross its name.
fn below_name(scene: &Scene, drawing: usize, shape: usize, radius: f64) -> f64 {
    if scene.named && scene.drawings[drawing].shapes[shape].kind == Kind::One {
        radius + 17.0
    } else {
        0.0
    }
}

/// The line from a shape's parent, or from the root.
fn edge(scene: &Scene, drawing: usize, shape: usize) -> String {
    let of = &scene.drawings[drawing];
    let to = scene.ends(drawing, shape).1;
    let pitch = of.pitch * scene.page.zoom;
    let Some(parent) = of.shapes[shape].parent else {
        let top = scene.at(drawing, of.x[shape], 0.0).1;
        return format!("M{} {}V{}", px(to.0), px(top), px(to.1));
    };
    let last = of.shapes[parent].dots.len() - 1;
    let from = scene.spot(drawing, parent, last);
    let low = match of.shapes[parent].kind {
        Kind::One => from.y,
        _ => {
            scene
                .at(drawing, 0.0, of.y[parent] + of.shapes[parent].height)
                .1
        }
    };
    if of.column[parent] != of.column[shape] {
        // It goes on in the next column: a stub below the one, and one above the other.
        return format!(
            "M{} {}V{}M{} {}V{}",
            px(from.x),
            px(from.y),
            px(low + pitch * 0.6),
            px(to.0),
            px(to.1 - pitch * 0.6),
            px(to.1)
        );
    }
    let start = from.y + below_name(scene, drawing, parent, from.radius);
    let turn = to.1.min(low + pitch);
    let path = curve((from.x, start), (to.0, turn));
    if to.1 > turn + 0.1 {
        format!("{path}V{}", px(to.1))
    } else {
        path
    }
}

fn parents(canvas: &mut Canvas, scene: &Scene) {
    for (index, drawing) in scene.drawings.iter().enumerate() {
        let wide = if scene.page.zoom < 0.5 { "0.8" } else { "1.2" };
        canvas.line(format_args!(
            "<g fill=\"none\" stroke=\"{LINE}\" stroke-width=\"{wide}\">"
        ));
        for shape in 0..drawing.shapes.len() {
            canvas.line(format_args!("<path d=\"{}\"/>", edge(scene, index, shape)));
        }
        canvas.line(format_args!("</g>"));
    }
}

/// The frames of blocks, and the critical path over it.
fn critical(canvas: &mut Canvas, picture: &Picture<'_>, scene: &Scene) {
    for (index, drawing) in scene.drawings.iter().enumerate() {
        for (shape, of) in drawing.shapes.iter().enumerate() {
            if of.kind == Kind::One {
                continue;
            }
            let (x, y) = scene.at(index, drawing.x[shape] - of.width / 2.0, drawing.y[shape]);
            let zoom = scene.page.zoom;
            canvas.line(format_args!(
                "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\" fill=\"{FRAME}\" stroke=\"{LINE}\" \
                 stroke-width=\"0.7\"><title>{}</title></rect>",
                px(x),
                px(y),
                px(of.width * zoom),
                px(of.height * zoom),
                px(5.0 * zoom),
                meaning(of.kind, of.members.len()),
            ));
            if of.kind == Kind::Chain {
                let points: Vec<String> = (0..of.dots.len())
                    .map(|dot| scene.spot(index, shape, dot))
                    .map(|spot| format!("{} {}", px(spot.x), px(spot.y)))
                    .collect();
                canvas.line(format_args!(
                    "<path d=\"M{}\" fill=\"none\" stroke=\"{LINE}\" stroke-width=\"1.2\"/>",
                    points.join("L")
                ));
            } else if of.members.len() >= LEAST_LABELLED && zoom >= 0.6 {
                let (x, y) = scene.at(index, drawing.x[shape], drawing.y[shape] + of.height - 6.0);
                let size = px((10.5 * zoom).min(12.0));
                let style = format!("font-size=\"{size}\" fill=\"{SOFT}\" text-anchor=\"middle\"");
                canvas.text(
                    (x, y),
                    &style,
                    &format!("{} in all", count(of.members.len())),
                );
            }
        }
    }

    let path = &scene.facts.critical.transactions;
    let mut line = String::new();
    let find = |transaction: usize| {
        let place = scene.places[transaction]?;
        Some((
            place.drawing as usize,
            place.shape as usize,
            place.dot as usize,
        ))
    };
    let kind = |at: (usize, usize, usize)| scene.drawings[at.0].shapes[at.1].kind;
    if let Some((drawing, shape, _)) = path.first().and_then(|first| find(*first)) {
        line.push_str(&edge(scene, drawing, shape));
    }
    for pair in path.windows(2) {
        let (Some(a), Some(b)) = (find(pair[0]), find(pair[1])) else {
            continue;
        };
        let (from, to) = (scene.spot(a.0, a.1, a.2), scene.spot(b.0, b.1, b.2));
        if (a.0, a.1) == (b.0, b.1) {
            // The places of dots in a block mean nothing, and lines between them would not either.
            if a != b && kind(a) == Kind::Chain {
                let ends = [from.x, from.y, to.x, to.y].map(px);
                let _ = write!(line, "M{} {}L{} {}", ends[0], ends[1], ends[2], ends[3]);
            }
        } else if picture.tree.parent(pair[1]) == Some(pair[0]) {
            line.push_str(&edge(scene, b.0, b.1));
        } else if kind(a) != Kind::Block && kind(b) != Kind::Block {
            let start = from.y + below_name(scene, a.0, a.1, from.radius);
            line.push_str(&curve((from.x, start), (to.x, to.y)));
        }
    }
    if !line.is_empty() {
        canvas.line(format_args!(
            "<path d=\"{line}\" fill=\"none\" stroke=\"{INK}\" stroke-width=\"{}\" stroke-linejoin=\"round\"/>",
            px((2.6 * scene.page.zoom).clamp(1.6, 3.0))
        ));
    }
}

fn meaning(kind: Kind, members: usize) -> String {
    let members = count(members);
    match kind {
        Kind::One => String::new(),
        Kind::Block => format!("{members} beside each other"),
        Kind::Chain => format!("{members} one after another"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dtt, export::samples};

    /// Draws it twice, checks it, and keeps it where `PICTURES` says, to be looked at.
    fn drawn(name: &str, tree: &Dtt, most: usize) -> String {
        let costs = samples::costs(tree.len());
        let title = format!("{name} <&>");
        let picture = Picture::new(tree).costs(&costs).unit("us").title(title);
        let svg = picture.svg();
        samples::check_xml(&svg);
        assert_eq!(svg, picture.svg());
        assert!(svg.len() < most, "{name}: {} bytes", svg.len());
        if let Ok(folder) = std::env::var("PICTURES") {
            std::fs::write(format!("{folder}/{name}.svg"), &svg).expect("the folder is there");
        }
        svg
    }

    #[test]
    fn small_ones() {
        assert!(drawn("empty", &Dtt::new(), 3_000).contains(">0</text>"));
        assert!(drawn("one", &samples::chain(1), 4_000).contains("<title>#0, "));
        let tree = samples::payments(&[(1, 2), (3, 4), (2, 3), (2, 7), (5, 6), (3, 1), (8, 8)]);
        let svg = drawn("seven", &tree, 10_000);
        // One dot each, and two in the legend.
        assert_eq!(svg.matches("<circle").count(), 9);
        let names = [
            "alice pays bob",
            "swap",
            "<mint>",
            "",
            "a very long name",
            "x",
            "y",
        ];
        let picture = Picture::new(&tree).names(|index| names[index].to_owned());
        let svg = picture.svg();
        samples::check_xml(&svg);
        assert!(svg.contains(">&lt;mint&gt;</text>"));
        if let Ok(folder) = std::env::var("PICTURES") {
            std::fs::write(format!("{folder}/named.svg"), &svg).expect("the folder is there");
        }
    }

    #[test]
    fn deep_and_wide_ones() {
        for length in [13, 500] {
            drawn(&format!("chain-{length}"), &samples::chain(length), 100_000);
        }
        drawn("caterpillar", &samples::caterpillar(1_500), 400_000);
        drawn("bush", &samples::bush(500), 400_000);
        let svg = drawn("star", &samples::star(1_000), 200_000);
        assert!(svg.contains(">999 in all</text>"));
    }

    #[test]
    fn many_that_meet() {
        let pairs: Vec<(u64, u64)> = (0..3_000).map(|index| (index / 2, index / 2)).collect();
        drawn("pairs", &samples::payments(&pairs), 900_000);
        drawn("adders-few", &samples::adders(4, 3), 10_000);
        drawn("adders", &samples::adders(500, 500), 400_000);
    }

    #[test]
    fn busy_blocks() {
        drawn("random-60", &samples::random(60, 60, 8), 40_000);
        drawn("random-300", &samples::random(300, 900, 30), 200_000);
        drawn("random-1500", &samples::random(1_500, 6_000, 60), 900_000);
        drawn("dense-5000", &samples::random(5_000, 2_500, 100), 1_500_000);
        drawn(
            "huge-60000",
            &samples::random(60_000, 20_000, 900),
            1_500_000,
        );
        drawn("dense-1500", &samples::random(1_500, 700, 60), 900_000);
    }

    #[test]
    fn huge_ones() {
        let svg = drawn("independent", &samples::independent(100_000), 400_000);
        assert!(svg.contains("100,000 that wait for nobody"));
        drawn("chain-20000", &samples::chain(20_000), 400_000);
        drawn(
            "random-20000",
            &samples::random(20_000, 60_000, 300),
            1_000_000,
        );
    }
}
