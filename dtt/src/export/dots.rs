//! Draws the dots of a scene, with what is written in and below them.

use super::{
    Picture, count, escape, one_line,
    scene::{LONGEST_WRITTEN, SPACE, Scene, Spot},
    shape::Kind,
    svg::{Canvas, INK, PAPER, px},
};

/// Colours that people with any kind of colour vision tell apart (Paul Tol's muted scheme), and whether they are dark.
const COLOURS: [(&str, bool); 8] = [
    ("#44aa99", false),
    ("#cc6677", false),
    ("#88ccee", false),
    ("#ddcc77", false),
    ("#aa4499", true),
    ("#117733", true),
    ("#6f7fc7", true),
    ("#999933", false),
];
/// The smallest branches, which need no telling apart.
pub(super) const GREY: &str = "#a3adb8";
/// The smallest digits that can be read, in pixels.
const LEAST_DIGITS: f64 = 6.4;

/// The dots of all shapes.
pub(super) fn shapes(canvas: &mut Canvas, picture: &Picture<'_>, scene: &Scene) {
    for (index, drawing) in scene.drawings.iter().enumerate() {
        let colour = if scene.grey[index] {
            (GREY, false)
        } else {
            COLOURS[scene.colours[index] % COLOURS.len()]
        };
        canvas.line(format_args!("<g fill=\"{}\">", colour.0));
        let mut labels = Vec::new();
        for (shape, of) in drawing.shapes.iter().enumerate() {
            for (dot, at) in of.dots.iter().enumerate() {
                let members = &of.members[at.first..at.first + at.count];
                let spot = scene.spot(index, shape, dot);
                circle(canvas, picture, scene, spot, members);
                if let [member] = members {
                    labels.push((spot, *member as usize, of.kind == Kind::One));
                }
            }
        }
        canvas.line(format_args!("</g>"));
        number(canvas, picture, scene, &labels, colour.1);
    }
}

/// One dot, and what it stands for.
fn circle(canvas: &mut Canvas, picture: &Picture<'_>, scene: &Scene, spot: Spot, members: &[u32]) {
    let critical = members
        .iter()
        .any(|member| scene.critical[*member as usize]);
    let ring = if critical {
        let wide = px((2.0 * scene.page.zoom).clamp(0.8, 2.2));
        format!(" stroke=\"{INK}\" stroke-width=\"{wide}\"")
    } else {
        String::new()
    };
    let title = match members {
        [member] => picture.lines(*member as usize).join(", "),
        [first, .., last] => format!("#{first} to #{last}: {} transactions", count(members.len())),
        [] => String::new(),
    };
    canvas.line(format_args!(
        "<circle cx=\"{}\" cy=\"{}\" r=\"{}\"{ring}><title>{}</title></circle>",
        px(spot.x),
        px(spot.y),
        px(spot.radius),
        escape(&title)
    ));
}

/// How large digits in a dot are.
fn digits_size(radius: f64, digits: usize) -> f64 {
    let wide = radius * 2.6 / (digits as f64 + 0.6);
    wide.min(radius * 1.05).min(13.0)
}

/// Whether digits can be read in a dot: indices are in all dots of a picture or in none.
pub(super) fn is_readable(radius: f64, transactions: usize) -> bool {
    let digits = transactions.saturating_sub(1).to_string().len();
    digits_size(radius, digits) >= LEAST_DIGITS
}

/// Writes the index into each dot, and the name below.
fn number(
    canvas: &mut Canvas,
    picture: &Picture<'_>,
    scene: &Scene,
    labels: &[(Spot, usize, bool)],
    dark: bool,
) {
    if labels.is_empty() || !scene.numbered && !scene.named {
        return;
    }
    let fill = if dark { "#ffffff" } else { INK };
    canvas.line(format_args!(
        "<g fill=\"{fill}\" text-anchor=\"middle\" pointer-events=\"none\">"
    ));
    for (spot, transaction, below) in labels {
        let digits = transaction.to_string();
        if scene.numbered {
            let size = digits_size(spot.radius, digits.len());
            let style = format!("font-size=\"{}\"", px(size));
            canvas.text((spot.x, spot.y + size * 0.36), &style, &digits);
        }
        if *below
            && scene.named
            && let Some(name) = picture.name(*transaction)
        {
            let style = format!(
                "font-size=\"11\" fill=\"{INK}\" stroke=\"{PAPER}\" stroke-width=\"3\" paint-order=\"stroke\""
            );
            let name = one_line(&name, LONGEST_WRITTEN);
            canvas.text((spot.x, spot.y + spot.radius + 12.0), &style, &name);
        }
    }
    canvas.line(format_args!("</g>"));
}

/// The box of those that wait for nobody.
pub(super) fn alone(canvas: &mut Canvas, picture: &Picture<'_>, scene: &Scene) {
    let Some(packed) = &scene.packed else {
        return;
    };
    let zoom = scene.page.zoom;
    let (x, y) = scene.box_corner;
    let left = (x + SPACE) * zoom;
    canvas.text(
        (left, y * zoom + 22.0),
        &format!("font-size=\"13\" fill=\"{INK}\""),
        &format!("{} that wait for nobody", count(scene.boxed.len())),
    );
    let middle = left + packed.width / 2.0 * zoom;
    let top = y * zoom + 30.0 + SPACE / 2.0 * zoom;
    let mut labels = Vec::new();
    canvas.line(format_args!("<g fill=\"{GREY}\">"));
    for dot in &packed.dots {
        let members = &scene.boxed[dot.first..dot.first + dot.count];
        let spot = Spot {
            x: middle + dot.x * zoom,
            y: top + dot.y * zoom,
            radius: dot.radius * zoom,
        };
        circle(canvas, picture, scene, spot, members);
        if let [member] = members {
            labels.push((spot, *member as usize, false));
        }
    }
    canvas.line(format_args!("</g>"));
    number(canvas, picture, scene, &labels, false);
}
