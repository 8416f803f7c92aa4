//! Bars on lanes: what the workers do while a block is executed, and when its transactions are final.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use super::{
    Sample, Timeline,
    figures::{Engines, Group, brief, words},
    text::{escape, short},
};

const WIDTH: f64 = 1000.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 12.0;
const LANE: f64 = 22.0;

/// A bar on a lane.
struct Bar {
    lane: usize,
    begun: f64,
    ended: f64,
    class: &'static str,
    tip: String,
}

/// What each worker did. Only the last attempt at a transaction counts; those before it were in vain.
pub(super) fn measured(timeline: &Timeline) -> String {
    let mut last = BTreeMap::new();
    for (place, attempt) in timeline.attempts.iter().enumerate() {
        last.insert(attempt.transaction, place);
    }
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let bars = timeline
        .attempts
        .iter()
        .enumerate()
        .map(|(place, attempt)| {
            let is_last = last.get(&attempt.transaction) == Some(&place);
            let (class, how) = if is_last {
                ("kept", "")
            } else {
                ("vain", ", in vain")
            };
            let (begun, ended) = (micros(attempt.begun), micros(attempt.ended));
            Bar {
                lane: attempt.worker,
                begun,
                ended,
                class,
                tip: format!("#{}: {} us{how}", attempt.transaction, short(ended - begun)),
            }
        });
    draw(
        &bars.collect::<Vec<_>>(),
        timeline.workers,
        micros(timeline.total),
    )
}

/// What each of more workers would do.
pub(super) fn simulated(schedule: &pleach_dtt::Schedule, workers: usize) -> String {
    let bars = schedule.spans().iter().map(|span| {
        let (begun, ended) = (span.start as f64 / 1e3, span.end as f64 / 1e3);
        Bar {
            lane: span.worker,
            begun,
            ended,
            class: "planned",
            tip: format!("#{}: {} us", span.transaction, short(ended - begun)),
        }
    });
    draw(
        &bars.collect::<Vec<_>>(),
        workers,
        schedule.makespan() as f64 / 1e3,
    )
}

fn draw(bars: &[Bar], lanes: usize, total: f64) -> String {
    let height = lanes as f64 * LANE + 34.0;
    let x = |at: f64| LEFT + at / total.max(1e-9) * (WIDTH - LEFT - RIGHT);
    let mut out = format!(
        r#"<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="timeline of the workers">"#
    );
    for lane in 0..lanes {
        let y = lane as f64 * LANE;
        let _ = write!(
            out,
            r#"<text class="axis" x="0" y="{:.1}">worker {}</text><path class="lane" d="M{LEFT} {:.1}H{}"/>"#,
            y + 14.0,
            lane + 1,
            y + 10.0,
            WIDTH - RIGHT,
        );
    }
    for bar in bars {
        // A gap of half a pixel tells one from the next where there is room.
        let width = (x(bar.ended) - x(bar.begun) - 0.5).max(0.3);
        let _ = write!(
            out,
            r#"<rect class="{}" x="{:.1}" y="{:.1}" width="{width:.1}" height="16"><title>{}</title></rect>"#,
            bar.class,
            x(bar.begun),
            bar.lane as f64 * LANE + 2.0,
            escape(&bar.tip),
        );
    }
    let anchors = ["start", "middle", "middle", "middle", "end"];
    for (quarter, anchor) in (0..=4).zip(anchors) {
        let at = total * f64::from(quarter) / 4.0;
        let unit = if quarter == 4 { " us" } else { "" };
        let _ = write!(
            out,
            r#"<text class="tick" x="{:.1}" y="{:.1}" text-anchor="{anchor}">{}{unit}</text>"#,
            x(at),
            height - 12.0,
            short(at),
        );
    }
    out.push_str("</svg>");
    out
}

/// From the beginning of the block, when half of its transactions are final and when almost all: a line for each engine.
pub(super) fn commits(group: &Group<'_>, engines: &Engines<'_>) -> Option<String> {
    const WIDTH: f64 = 360.0;
    const LEFT: f64 = 74.0;
    const RIGHT: f64 = 84.0;
    let rows = group.fullest();
    let known = rows
        .iter()
        .filter_map(|row| Some((*row, row.commit_p50_us?, row.commit_p99_us?)));
    let known: Vec<_> = known
        .filter(|(_, half, most)| half.is_finite() && most.is_finite())
        .collect();
    let longest = known.iter().map(|(.., most)| *most).fold(0.0, f64::max);
    if longest <= 0.0 {
        return None;
    }
    let height = known.len() as f64 * LANE + 26.0;
    let x = |at: f64| LEFT + at / longest * (WIDTH - LEFT - RIGHT);
    let mut out = format!(
        r#"<figure><figcaption><b>{}</b><span>{}</span></figcaption><svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="time to commit">"#,
        escape(group.workload),
        escape(&words(group.params, &[])),
    );
    for (lane, (row, half, most)) in known.iter().enumerate() {
        let y = lane as f64 * LANE + 12.0;
        let style = engines.style(&row.engine);
        let _ = write!(
            out,
            r#"<g class="measured e{style}"><text class="name e{style}" x="0" y="{:.1}">{}</text><path class="lane" d="M{LEFT} {y:.1}H{:.1}"/><path class="stretch" d="M{:.1} {y:.1}H{:.1}"/><circle class="half" cx="{:.1}" cy="{y:.1}" r="3.5"/><circle class="most" cx="{:.1}" cy="{y:.1}" r="3.5"/></g><text class="tick" x="{:.1}" y="{:.1}">{} / {}</text>"#,
            y + 4.0,
            escape(brief(&row.engine)),
            x(*half),
            x(*half),
            x(*most),
            x(*half),
            x(*most),
            x(*most) + 9.0,
            y + 3.5,
            short(*half),
            short(*most),
        );
    }
    let _ = write!(
        out,
        r#"<text class="axis" x="{LEFT}" y="{:.1}">half / 99 of 100, us from the beginning of the block</text></svg></figure>"#,
        height - 6.0
    );
    Some(out)
}

/// The tree of a block, as a picture that keeps to itself.
pub(super) fn tree(sample: &Sample) -> String {
    pleach_dtt::export::Picture::new(&sample.tree)
        .title(format!(
            "{}: {}",
            sample.workload,
            words(&sample.params, &[])
        ))
        .costs(&sample.costs)
        .unit("ns")
        .svg()
}
