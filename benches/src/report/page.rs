//! The page around the charts, and its tables.

use std::{fmt::Write, num::NonZeroUsize};

use pleach_dtt::Simulation;

use super::{
    CONTENTION, Report, Sample, Timeline,
    figures::{CPU, Engines, Group, PLAIN, SPEEDUP, TPS, brief, speedups, sweeps, words},
    lanes,
    plot::Chart,
    text::{data_uri, escape, fixed, short},
};
use crate::row::Row;

pub(super) fn write(report: &Report<'_>) -> String {
    let engines = Engines::of(report.rows);
    let groups = Group::of(report.rows);
    let mut out = String::new();
    head(report, &groups, &mut out);
    glance(&groups, &mut out);
    section(
        &mut out,
        "Speed-up by workers",
        "Filled dots and solid lines were measured. Empty dots and dashes are simulated: the block's own tree, scheduled with what its \
         transactions cost and with what the engine takes for each beside that on one worker; nothing runs twice there, and no two \
         workers get in each other's way. Fine dots: no schedule of this tree is faster.",
        &speedups(&groups, report.samples, &engines),
    );
    section(
        &mut out,
        "Throughput by contention",
        "Each engine with the most workers it had; the thin bars reach from its slowest run to its fastest.",
        &sweeps(&groups, &CONTENTION, &TPS, &engines),
    );
    section(
        &mut out,
        "Processor time by contention",
        "What all cores together spend on a transaction: waiting that spins and attempts in vain are in it.",
        &sweeps(&groups, &CONTENTION, &CPU, &engines),
    );
    section(
        &mut out,
        "A slow state",
        "Each read of the state takes so many microseconds at least. What waits at the same time, waits once.",
        &sweeps(&groups, &["latency_us"], &SPEEDUP, &engines),
    );
    section(
        &mut out,
        "How much a transaction has to do",
        "Rounds of work beside reading and writing; a thousand take a microsecond or two.",
        &sweeps(&groups, &["work"], &SPEEDUP, &engines),
    );
    commits(&groups, report.samples, &engines, &mut out);
    if let Some((sample, timelines)) = report.pictured {
        pictured(sample, timelines, &mut out);
    }
    all(report.rows, &mut out);
    out.push_str("</main></html>\n");
    out
}

fn head(report: &Report<'_>, groups: &[Group<'_>], out: &mut String) {
    let _ = write!(
        out,
        r#"<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>Pleach bench</title>
<style>
{}</style>
<main><h1>Pleach bench</h1>
"#,
        include_str!("page.css")
    );
    let _ = write!(
        out,
        "<p>{} measured, {} blocks. Speed-up is over the plain loop, which changes a hash map in place, or runs revm over its cache, one \
         transaction after another. What each run left was compared with what the plain loop leaves.</p>",
        match report.rows.len() {
            1 => "One cell".to_owned(),
            many => format!("{many} cells"),
        },
        groups.len(),
    );
    let noisy = report.rows.iter().filter(|row| row.is_noisy).count();
    if noisy > 0 {
        let _ = write!(
            out,
            r#"<p class="warn">The machine was noisy: in {noisy} of {} cells others had so much of the processors that the figures say little.</p>"#,
            report.rows.len()
        );
    }
    out.push_str("<dl>");
    for (name, value) in report.facts {
        let _ = write!(out, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(value));
    }
    out.push_str("</dl>");
    if !report.command.is_empty() {
        let _ = writeln!(
            out,
            r#"<p class="soft">This measures it again:</p><pre>{}</pre>"#,
            escape(report.command)
        );
    }
}

/// Each block with all engines: who wins, and where Pleach loses.
fn glance(groups: &[Group<'_>], out: &mut String) {
    let mut names: Vec<&str> = Vec::new();
    for row in groups.iter().flat_map(|group| &group.rows) {
        if row.engine != PLAIN && !names.contains(&row.engine.as_str()) {
            names.push(&row.engine);
        }
    }
    if names.is_empty() {
        return;
    }
    out.push_str("<section><h2>At a glance</h2><p>");
    let autos = groups.iter().filter_map(|group| {
        let row = group
            .fullest()
            .into_iter()
            .find(|row| row.engine == "pleach-auto")?;
        Some((group, row))
    });
    let autos: Vec<_> = autos.collect();
    if let Some((group, worst)) = autos
        .iter()
        .min_by(|one, other| one.1.speedup.total_cmp(&other.1.speedup))
    {
        let ahead = autos.iter().filter(|(_, row)| row.speedup > 1.0).count();
        let _ = write!(
            out,
            "Left to choose for itself, Pleach is faster than the plain loop on {ahead} of {} blocks. The worst is {}: {} times. ",
            autos.len(),
            escape(&format!(
                "{} ({})",
                group.workload,
                words(group.params, &[])
            )),
            fixed(Some(worst.speedup), 2)
        );
    }
    out.push_str(
        "Times the plain loop, with the most workers each engine had; the fastest in bold, what is slower than the plain loop in \
         grey.</p><div class=\"scroll\"><table><tr><th class=\"text\">workload</th><th class=\"text\">parameters</th><th>plain, tx/s</th>",
    );
    for name in &names {
        let _ = write!(out, "<th>{}</th>", escape(brief(name)));
    }
    out.push_str("</tr>");
    for group in groups {
        let rows = group.fullest();
        let of = |engine: &str| rows.iter().find(|row| row.engine == engine).copied();
        let best = rows.iter().map(|row| row.speedup).fold(0.0, f64::max);
        let _ = write!(
            out,
            r#"<tr><td class="text">{}</td><td class="text">{}</td><td>{}</td>"#,
            escape(group.workload),
            escape(&words(group.params, &[])),
            of(PLAIN).map_or_else(|| "-".to_owned(), |row| short(row.tps)),
        );
        for name in &names {
            let row = of(name);
            let class = match row {
                Some(row) if row.speedup >= best => "best",
                Some(row) if row.speedup < 1.0 => "behind",
                _ => "",
            };
            let _ = write!(
                out,
                r#"<td class="{class}">{}</td>"#,
                fixed(row.map(|row| row.speedup), 2)
            );
        }
        out.push_str("</tr>");
    }
    out.push_str("</table></div></section>\n");
}

fn section(out: &mut String, title: &str, about: &str, charts: &[Chart]) {
    if charts.is_empty() {
        return;
    }
    let _ = write!(
        out,
        r#"<section><h2>{title}</h2><p>{about}</p><div class="charts">"#
    );
    for chart in charts {
        out.push_str(&chart.html());
    }
    out.push_str("</div></section>\n");
}

fn commits(groups: &[Group<'_>], samples: &[Sample], engines: &Engines<'_>, out: &mut String) {
    // One block of each workload: the last that was looked at, or the first that there is.
    let mut shown: Vec<&Group<'_>> = Vec::new();
    for group in groups {
        let same = shown.iter_mut();
        let same = same.filter(|other| other.workload == group.workload);
        match same.last() {
            None => shown.push(group),
            Some(other) if samples.iter().any(|sample| group.is_of(sample)) => *other = group,
            Some(_) => {}
        }
    }
    let figures: Vec<_> = shown
        .into_iter()
        .filter_map(|group| lanes::commits(group, engines))
        .collect();
    if figures.is_empty() {
        return;
    }
    let _ = write!(
        out,
        r#"<section><h2>Time to commit</h2><p>Transactions become final in the order of the block, and can be told to others then. Each engine
with the most workers it had.</p><div class="charts">{}</div></section>"#,
        figures.concat()
    );
}

fn pictured(sample: &Sample, timelines: &[Timeline], out: &mut String) {
    let _ = write!(
        out,
        "<section><h2>One block from near</h2><p>A small one: {}, {}. What its transactions need of each other, and what workers do with \
         that.</p>",
        escape(&sample.workload),
        escape(&words(&sample.params, &[])),
    );
    for timeline in timelines {
        let vain = timeline.attempts.len().saturating_sub(sample.tree.len());
        let _ = write!(
            out,
            r#"<figure class="wide"><figcaption><b>{}, measured</b><span>{}, {} us; {} attempts, of which {vain} were in vain{}</span></figcaption><div class="long">{}</div></figure>"#,
            escape(&timeline.engine),
            match timeline.workers {
                1 => "one worker".to_owned(),
                many => format!("{many} workers"),
            },
            short(timeline.total.as_secs_f64() * 1e6),
            timeline.attempts.len(),
            if vain > 0 { " (orange)" } else { "" },
            lanes::measured(timeline)
        );
    }
    let workers = NonZeroUsize::MIN.saturating_add(7);
    let schedule = Simulation::new(workers).run(&sample.tree, &sample.costs);
    let _ = write!(
        out,
        r#"<figure class="wide"><figcaption><b>Simulated</b><span>{workers} workers by the tree, without any overhead: {} times as fast as one</span></figcaption><div class="long">{}</div></figure>"#,
        fixed(Some(schedule.speedup()), 2),
        lanes::simulated(&schedule, workers.get())
    );
    let _ = write!(
        out,
        r#"<figure class="wide"><figcaption><b>Its tree</b></figcaption><div class="long"><img class="tree" alt="the tree of the block" src="{}"></div></figure></section>"#,
        data_uri(&lanes::tree(sample))
    );
}

/// All that was measured.
fn all(rows: &[Row], out: &mut String) {
    out.push_str(
        r#"<details><summary>All figures</summary><div class="scroll"><table><tr><th class="text">workload</th><th class="text">parameters</th><th class="text">engine</th><th>workers</th><th>runs</th><th>tx/s</th><th>slowest</th><th>fastest</th><th>speed-up</th><th>bound</th><th>efficiency</th><th>CPU us/tx</th><th>cores busy</th><th>attempts</th><th>allocations</th><th>peak MB</th><th>process MB</th><th>half final, us</th><th>99 %, us</th><th>noisy</th></tr>"#,
    );
    for row in rows {
        let _ = write!(
            out,
            r#"<tr><td class="text">{}</td><td class="text">{}</td><td class="text">{}</td>"#,
            escape(&row.workload),
            escape(&words(&row.params, &[])),
            escape(&row.engine)
        );
        for cell in [
            row.workers.to_string(),
            row.runs.to_string(),
            short(row.tps),
            short(row.tps_spread[0]),
            short(row.tps_spread[1]),
            fixed(Some(row.speedup), 2),
            fixed(row.bound, 2),
            fixed(row.efficiency, 2),
            fixed(row.cpu_s_per_tx.map(|seconds| seconds * 1e6), 3),
            fixed(row.cores_busy, 2),
            fixed(row.attempts_per_tx, 2),
            fixed(row.allocations_per_tx, 2),
            fixed(row.peak_alloc_mb, 1),
            fixed(row.peak_rss_mb, 0),
            fixed(row.commit_p50_us, 0),
            fixed(row.commit_p99_us, 0),
            if row.is_noisy { "yes" } else { "" }.to_owned(),
        ] {
            let _ = write!(out, "<td>{}</td>", escape(&cell));
        }
        out.push_str("</tr>");
    }
    out.push_str("</table></div></details>\n");
}
