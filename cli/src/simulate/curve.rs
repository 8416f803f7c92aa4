//! The means as curves over the number of workers.

use std::{collections::BTreeMap, fmt::Write};

use super::scenario::Totals;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 440.0;
/// Around the plot.
const LEFT: f64 = 56.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 56.0;

/// A picture of the geometric means over all large blocks.
pub(super) fn svg(totals: &Totals) -> String {
    let speedups = totals.speedups();
    let bounds = totals.bounds();
    let highest = bounds.values().copied().fold(1.0, f64::max);
    let plot = Plot {
        least: speedups
            .keys()
            .next()
            .map_or(1.0, |workers| *workers as f64),
        most: speedups
            .keys()
            .last()
            .map_or(2.0, |workers| *workers as f64),
        highest: nice(highest * 1.08),
    };
    let mut text = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="system-ui, sans-serif" font-size="13">
<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>
<text x="{LEFT}" y="26" font-size="17" fill="#1f2933">Speed-up over serial execution</text>
<text x="{LEFT}" y="44" fill="#52606d">simulated from measured costs, geometric mean over {} blocks of more than 4 Mgas</text>
"##,
        totals.large()
    );
    plot.axes(&speedups, &mut text);
    let perfect: BTreeMap<usize, f64> = speedups
        .keys()
        .map(|workers| (*workers, *workers as f64))
        .collect();
    let mut labels = vec![
        plot.curve(&perfect, "perfect", "#9aa5b1", "3 4", &mut text),
        plot.curve(&bounds, "bound", "#b45309", "7 4", &mut text),
        plot.curve(&speedups, "simulated", "#2563a8", "", &mut text),
    ];
    // Names of curves that end close to each other stand below each other.
    labels.sort_by(|a, b| a.y.total_cmp(&b.y));
    let mut lowest = f64::NEG_INFINITY;
    for label in labels {
        let y = label.y.max(lowest + 17.0);
        lowest = y;
        let Label {
            x, colour, name, ..
        } = label;
        let _ = writeln!(
            text,
            r#"<text x="{x:.1}" y="{y:.1}" fill="{colour}">{name}</text>"#
        );
    }
    text.push_str("</svg>\n");
    text
}

struct Plot {
    least: f64,
    most: f64,
    highest: f64,
}

impl Plot {
    /// Workers double from step to step.
    fn x(&self, workers: f64) -> f64 {
        let steps = (self.most / self.least).log2().max(1.0);
        LEFT + (workers / self.least).log2() / steps * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, speedup: f64) -> f64 {
        HEIGHT - BOTTOM - speedup / self.highest * (HEIGHT - TOP - BOTTOM)
    }

    fn axes(&self, speedups: &BTreeMap<usize, f64>, text: &mut String) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        let step = nice(self.highest / 6.0);
        let mut at = 0.0;
        while at <= self.highest + 1e-9 {
            let y = self.y(at);
            let _ = writeln!(
                text,
                r##"<line x1="{LEFT}" y1="{y:.1}" x2="{right}" y2="{y:.1}" stroke="#e4e7eb"/><text x="{}" y="{:.1}" text-anchor="end" fill="#52606d">{at}</text>"##,
                LEFT - 8.0,
                y + 4.5,
            );
            at += step;
        }
        for workers in speedups.keys() {
            let x = self.x(*workers as f64);
            let _ = writeln!(
                text,
                r##"<line x1="{x:.1}" y1="{bottom}" x2="{x:.1}" y2="{}" stroke="#9aa5b1"/><text x="{x:.1}" y="{}" text-anchor="middle" fill="#52606d">{workers}</text>"##,
                bottom + 5.0,
                bottom + 20.0,
            );
        }
        let _ = writeln!(
            text,
            r##"<text x="{:.1}" y="{}" text-anchor="middle" fill="#1f2933">workers</text>"##,
            f64::midpoint(LEFT, right),
            bottom + 42.0,
        );
    }

    /// Draws a curve as far as it stays in the picture, and says where its name goes.
    fn curve(
        &self,
        points: &BTreeMap<usize, f64>,
        name: &str,
        colour: &'static str,
        dashes: &str,
        text: &mut String,
    ) -> Label {
        let mut path = String::new();
        let mut end = (LEFT, self.y(0.0), 0.0);
        let mut before: Option<(f64, f64)> = None;
        for (workers, speedup) in points {
            let (x, y) = (self.x(*workers as f64), self.y(*speedup));
            let (x, y, is_out) = match before {
                Some((left, low)) if y < TOP => {
                    let share = (low - TOP) / (low - y);
                    (left + share * (x - left), TOP, true)
                }
                _ => (x, y, false),
            };
            let _ = writeln!(
                text,
                r#"<circle cx="{x:.1}" cy="{y:.1}" r="2.6" fill="{colour}"/>"#
            );
            let command = if before.is_none() { 'M' } else { 'L' };
            let _ = write!(path, "{command}{x:.1} {y:.1}");
            end = (x, y, *speedup);
            before = Some((x, y));
            if is_out {
                break;
            }
        }
        let (x, y, last) = end;
        let value = if y > TOP {
            format!(" {last:.2}")
        } else {
            String::new()
        };
        let _ = writeln!(
            text,
            r#"<path d="{path}" fill="none" stroke="{colour}" stroke-width="2.2" stroke-dasharray="{dashes}"/>"#,
        );
        Label {
            x: x + 8.0,
            y: y + 4.0,
            colour,
            name: format!("{name}{value}"),
        }
    }
}

/// The name of a curve.
struct Label {
    x: f64,
    y: f64,
    colour: &'static str,
    name: String,
}

/// The least of 1, 2 and 5 times a power of ten that is at least `number`.
fn nice(number: f64) -> f64 {
    let power = 10_f64.powf(number.max(1e-9).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    let found = steps.into_iter().find(|step| *step >= number - 1e-9);
    found.unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_those_that_people_count_in() {
        for (number, step) in [
            (0.7, 1.0),
            (1.0, 1.0),
            (3.4, 5.0),
            (17.0, 20.0),
            (600.0, 1000.0),
        ] {
            assert!((nice(number) - step).abs() < 1e-9, "{number}");
        }
    }

    #[test]
    fn nothing_to_draw_is_a_picture_too() {
        let text = svg(&Totals::default());
        assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"));
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    }
}
