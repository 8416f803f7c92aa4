//! One chart: curves whose names stand at their ends, over one axis each way.

use std::fmt::Write;

use super::text::{escape, short};

/// Narrow enough for a phone to show it as it is.
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 244.0;
const LEFT: f64 = 40.0;
/// The names of the curves.
const RIGHT: f64 = 98.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 40.0;
/// From the line of one name to that of the next.
const LINE: f64 = 13.0;

/// A chart with what is written around it.
#[derive(Debug, Default)]
pub(super) struct Chart {
    pub(super) title: String,
    /// What is the same for all of it.
    pub(super) note: String,
    pub(super) x_name: String,
    pub(super) y_name: String,
    /// Where on the axis there is a mark, and what it says.
    pub(super) ticks: Vec<(f64, String)>,
    pub(super) curves: Vec<Curve>,
    /// Whether the ends tell their numbers.
    pub(super) shows_ends: bool,
    /// Up to here things were measured, and are simulated from here on.
    pub(super) measured_to: Option<f64>,
}

/// How a curve came about, and looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Solid.
    Measured,
    /// Dashes, and empty dots.
    Simulated,
    /// What nothing can be above: fine dots.
    Bound,
}

#[derive(Debug)]
pub(super) struct Curve {
    pub(super) name: String,
    /// The number of its colour and of the shape of its dots.
    pub(super) style: usize,
    pub(super) kind: Kind,
    /// By x.
    pub(super) points: Vec<Point>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
    /// The least and the most that was measured.
    pub(super) spread: Option<[f64; 2]>,
}

/// Where numbers are on the vertical axis.
struct Scale {
    least: f64,
    most: f64,
    is_log: bool,
    ticks: Vec<f64>,
}

impl Scale {
    /// From zero on; in powers where some curve would otherwise lie flat on the ground.
    fn of(numbers: &[f64]) -> Self {
        let most = numbers.iter().copied().fold(0.0, f64::max);
        let positive = numbers.iter().copied().filter(|number| *number > 0.0);
        let least = positive.fold(f64::INFINITY, f64::min);
        if least.is_finite() && most / least > 16.0 {
            let (low, high) = (least.log10().floor() as i32, most.log10().ceil() as i32);
            let powers = (low..=high).map(|power| 10_f64.powi(power));
            let factors: &[f64] = if high - low < 3 { &[1.0, 3.0] } else { &[1.0] };
            let ticks = powers.flat_map(|power| factors.iter().map(move |factor| power * factor));
            let mut ticks: Vec<_> = ticks.collect();
            let first = ticks.iter().rposition(|tick| *tick <= least).unwrap_or(0);
            let end = ticks.iter().position(|tick| *tick >= most * 0.999);
            ticks.truncate(end.map_or(ticks.len(), |end| end + 1));
            ticks.drain(..first);
            return Self {
                least: ticks[0],
                most: ticks[ticks.len() - 1],
                is_log: true,
                ticks,
            };
        }
        let step = step(if most > 0.0 { most / 4.0 } else { 0.25 });
        #[expect(clippy::cast_sign_loss, reason = "it is at least one")]
        let count = (most / step - 1e-9).ceil().max(1.0) as u32;
        Self {
            least: 0.0,
            most: f64::from(count) * step,
            is_log: false,
            ticks: (0..=count).map(|tick| f64::from(tick) * step).collect(),
        }
    }

    fn y(&self, number: f64) -> f64 {
        let share = if self.is_log {
            (number.max(self.least) / self.least).ln() / (self.most / self.least).ln()
        } else {
            number / self.most
        };
        HEIGHT - BOTTOM - share.clamp(0.0, 1.0) * (HEIGHT - TOP - BOTTOM)
    }
}

/// A step that people count in: 1, 2, 2.5 or 5 times a power of ten, at least as long.
fn step(length: f64) -> f64 {
    let power = 10_f64.powi(length.log10().floor() as i32);
    let steps = [1.0, 2.0, 2.5, 5.0].map(|factor| factor * power);
    let found = steps.into_iter().find(|step| *step > length - power * 1e-6);
    found.unwrap_or(power * 10.0)
}

impl Chart {
    /// A figure for the page, its picture and what is written above it.
    pub(super) fn html(&self) -> String {
        let mut html = format!("<figure><figcaption><b>{}</b>", escape(&self.title));
        if !self.note.is_empty() {
            let _ = write!(html, "<span>{}</span>", escape(&self.note));
        }
        html.push_str("</figcaption>");
        self.draw(&mut html);
        html.push_str("</figure>\n");
        html
    }

    fn draw(&self, out: &mut String) {
        let points = || self.curves.iter().flat_map(|curve| &curve.points);
        let numbers: Vec<_> = points()
            .flat_map(|point| {
                [point.y]
                    .into_iter()
                    .chain(point.spread.map(|[_, high]| high))
            })
            .filter(|number| number.is_finite())
            .collect();
        let scale = Scale::of(&numbers);
        let _ = write!(
            out,
            r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{}">"#,
            escape(&format!("{}: {}", self.title, self.y_name))
        );
        self.axes(&scale, out);
        let mut names = Vec::new();
        // What nothing is above lies below all else.
        let order = [Kind::Bound, Kind::Simulated, Kind::Measured];
        for kind in order {
            for curve in self.curves.iter().filter(|curve| curve.kind == kind) {
                self.curve(curve, &scale, &mut names, out);
            }
        }
        write_names(names, out);
        out.push_str("</svg>");
    }

    fn x(&self, at: f64) -> f64 {
        let first = self.ticks.first().map_or(0.0, |tick| tick.0);
        let last = self.ticks.last().map_or(1.0, |tick| tick.0);
        let share = if last > first {
            (at - first) / (last - first)
        } else {
            0.5
        };
        LEFT + 8.0 + share * (WIDTH - LEFT - RIGHT - 16.0)
    }

    fn axes(&self, scale: &Scale, out: &mut String) {
        let right = WIDTH - RIGHT;
        for tick in &scale.ticks {
            let y = scale.y(*tick);
            let class = if *tick == 0.0 { "ground" } else { "grid" };
            let _ = write!(
                out,
                r#"<path class="{class}" d="M{LEFT} {y:.1}H{right}"/><text class="tick" x="{}" y="{:.1}" text-anchor="end">{}</text>"#,
                LEFT - 5.0,
                y + 3.5,
                short(*tick)
            );
        }
        let bottom = HEIGHT - BOTTOM;
        for (at, text) in &self.ticks {
            let _ = write!(
                out,
                r#"<text class="tick" x="{:.1}" y="{}" text-anchor="middle">{}</text>"#,
                self.x(*at),
                bottom + 15.0,
                escape(text)
            );
        }
        if let Some(at) = self.measured_to {
            let x = self.x(at);
            let _ = write!(
                out,
                r#"<path class="border" d="M{x:.1} {}V{bottom}"/><text class="border" x="{:.1}" y="{}">simulated</text>"#,
                TOP - 6.0,
                x + 4.0,
                TOP - 2.0,
            );
        }
        let how = if scale.is_log { ", log scale" } else { "" };
        let _ = write!(
            out,
            r#"<text class="axis" x="{}" y="{}" text-anchor="middle">{}</text><text class="axis" x="2" y="{}">{}{how}</text>"#,
            f64::midpoint(LEFT, right),
            HEIGHT - 9.0,
            escape(&self.x_name),
            TOP - 13.0,
            escape(&self.y_name),
        );
    }

    fn curve(&self, curve: &Curve, scale: &Scale, names: &mut Vec<Name>, out: &mut String) {
        let class = match curve.kind {
            Kind::Measured => "measured",
            Kind::Simulated => "simulated",
            Kind::Bound => "bound",
        };
        let points = curve.points.iter().filter(|point| point.y.is_finite());
        let points: Vec<_> = points.collect();
        let _ = write!(out, r#"<g class="{class} e{}">"#, curve.style);
        let mut path = String::new();
        for point in &points {
            let command = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(
                path,
                "{command}{:.1} {:.1}",
                self.x(point.x),
                scale.y(point.y)
            );
        }
        let _ = write!(out, r#"<path class="line" d="{path}"/>"#);
        for point in &points {
            let (x, y) = (self.x(point.x), scale.y(point.y));
            if let Some([low, high]) = point.spread {
                let (low, high) = (scale.y(low), scale.y(high));
                let _ = write!(
                    out,
                    r#"<path class="spread" d="M{x:.1} {low:.1}V{high:.1}"/>"#
                );
            }
            if curve.kind != Kind::Bound {
                let tick = self
                    .ticks
                    .iter()
                    .find(|(at, _)| (at - point.x).abs() < 1e-9);
                let at = tick.map_or("", |tick| &tick.1);
                let _ = write!(
                    out,
                    r#"<path class="dot" d="{}"><title>{}, {} {}: {} {}{}</title></path>"#,
                    dot(curve.style, x, y),
                    escape(&curve.name),
                    escape(at),
                    escape(&self.x_name),
                    short(point.y),
                    escape(&self.y_name),
                    if curve.kind == Kind::Simulated {
                        ", simulated"
                    } else {
                        ""
                    },
                );
            }
        }
        out.push_str("</g>");
        if let Some(last) = points.last()
            && !curve.name.is_empty()
        {
            let name = if self.shows_ends {
                format!("{} {}", curve.name, short(last.y))
            } else {
                curve.name.clone()
            };
            names.push(Name {
                x: self.x(last.x),
                y: scale.y(last.y),
                style: curve.style,
                class,
                text: name,
            });
        }
    }
}

/// A dot, of another shape for each style: colour alone does not tell them apart for everybody.
fn dot(style: usize, x: f64, y: f64) -> String {
    match style % 4 {
        0 => format!(
            "M{:.1} {y:.1}a3.2 3.2 0 1 0 6.4 0a3.2 3.2 0 1 0 -6.4 0z",
            x - 3.2
        ),
        1 => format!("M{:.1} {:.1}h5.6v5.6h-5.6z", x - 2.8, y - 2.8),
        2 => format!("M{x:.1} {:.1}l3.8 6.6h-7.6z", y - 4.2),
        _ => format!("M{x:.1} {:.1}l4 4l-4 4l-4 -4z", y - 4.0),
    }
}

/// The name of a curve, and where the curve ends.
struct Name {
    x: f64,
    y: f64,
    style: usize,
    class: &'static str,
    text: String,
}

/// Names of curves that end close to each other stand below each other.
fn write_names(mut names: Vec<Name>, out: &mut String) {
    names.sort_by(|one, other| one.y.total_cmp(&other.y));
    let wanted: Vec<_> = names.iter().map(|name| name.y).collect();
    let left = WIDTH - RIGHT + 8.0;
    for (name, y) in names
        .iter()
        .zip(spread(&wanted, TOP, HEIGHT - BOTTOM + 8.0))
    {
        let Name {
            x, style, class, ..
        } = name;
        if (y - name.y).abs() > 3.0 || left - x > 16.0 {
            let from = x + 6.0;
            let _ = write!(
                out,
                r#"<path class="leader" d="M{from:.1} {:.1}L{:.1} {y:.1}"/>"#,
                name.y,
                left - 3.0
            );
        }
        let _ = write!(
            out,
            r#"<text class="name {class} e{style}" x="{left}" y="{:.1}">{}</text>"#,
            y + 3.8,
            escape(&name.text)
        );
    }
}

/// Numbers in order, moved as little as gives each its line: neighbours that are too close make room together.
fn spread(wanted: &[f64], top: f64, bottom: f64) -> Vec<f64> {
    /// Lines next to each other: the sum of the places where the first would have to be, and how many lines there are.
    struct Group {
        sum: f64,
        count: usize,
    }
    let room = |count: usize| count as f64 * LINE;
    let first = |group: &Group| {
        let highest = (bottom - room(group.count) + LINE).max(top);
        (group.sum / group.count as f64).clamp(top, highest)
    };
    let mut groups: Vec<Group> = Vec::new();
    for y in wanted {
        let mut group = Group { sum: *y, count: 1 };
        while let Some(before) = groups.last()
            && first(before) + room(before.count) > first(&group)
        {
            let moved = room(before.count) * group.count as f64;
            group.sum += before.sum - moved;
            group.count += before.count;
            groups.pop();
        }
        groups.push(group);
    }
    let lines = groups.iter().flat_map(|group| {
        let first = first(group);
        (0..group.count).map(move |line| first + room(line))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_make_room_for_each_other() {
        assert_eq!(spread(&[20.0, 90.0], 0.0, 100.0), [20.0, 90.0]);
        assert_eq!(spread(&[50.0, 50.0], 0.0, 100.0), [43.5, 56.5]);
        let crowd = spread(&[10.0, 97.0, 98.0, 99.0, 100.0], 0.0, 100.0);
        assert_eq!(crowd, [10.0, 61.0, 74.0, 87.0, 100.0]);
        assert!(spread(&[], 0.0, 9.0).is_empty());
    }

    #[test]
    fn scales_begin_at_zero_unless_something_would_lie_flat() {
        let scale = Scale::of(&[0.3, 1.9]);
        assert_eq!((scale.is_log, scale.least, scale.most), (false, 0.0, 2.0));
        let scale = Scale::of(&[2e5, 4e7]);
        assert!(scale.is_log && scale.least <= 2e5 && scale.most >= 4e7);
        for numbers in [&[][..], &[0.0], &[1e-9, 1e12]] {
            let scale = Scale::of(numbers);
            assert!(
                scale.ticks.len() > 1 && scale.most > scale.least,
                "{numbers:?}"
            );
        }
    }

    #[test]
    fn nothing_to_draw_is_a_chart_too() {
        let html = Chart::default().html();
        assert!(!html.contains("NaN") && !html.contains("inf"), "{html}");
    }
}
