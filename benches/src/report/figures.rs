//! Which charts there are, from what was measured.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
};

use pleach_dtt::Simulation;
use serde_json::Value as Json;

use super::{
    Sample,
    plot::{Chart, Curve, Kind, Point},
    text::short,
};
use crate::row::Row;

/// Up to so many workers are simulated.
const MOST_WORKERS: usize = 32;
/// The engine that all are compared with.
pub(super) const PLAIN: &str = "plain";

/// The engines in the order in which they were measured: a colour and a shape for each.
pub(super) struct Engines<'a>(Vec<&'a str>);

/// Rows of one block.
pub(super) struct Group<'a> {
    pub(super) workload: &'a str,
    pub(super) params: &'a BTreeMap<String, Json>,
    pub(super) rows: Vec<&'a Row>,
}

impl<'a> Engines<'a> {
    pub(super) fn of(rows: &'a [Row]) -> Self {
        // These keep their colours, whatever else there is.
        let known = [
            PLAIN,
            "serial",
            "block-stm",
            "bohm",
            "pleach-exact",
            "pleach-optimistic",
            "pleach-auto",
        ];
        let mut names = known.to_vec();
        for row in rows {
            if !names.contains(&row.engine.as_str()) {
                names.push(&row.engine);
            }
        }
        Self(names)
    }

    pub(super) fn style(&self, engine: &str) -> usize {
        self.0.iter().position(|name| *name == engine).unwrap_or(0) % 10
    }
}

/// How an engine is called where there is little room.
pub(super) fn brief(engine: &str) -> &str {
    engine.strip_prefix("pleach-").unwrap_or(engine)
}

impl Group<'_> {
    pub(super) fn of(rows: &[Row]) -> Vec<Group<'_>> {
        let mut groups: Vec<Group<'_>> = Vec::new();
        for row in rows {
            let found = groups
                .iter_mut()
                .find(|group| group.workload == row.workload && *group.params == row.params);
            match found {
                Some(group) => group.rows.push(row),
                None => groups.push(Group {
                    workload: &row.workload,
                    params: &row.params,
                    rows: vec![row],
                }),
            }
        }
        groups
    }

    /// One row of each engine: that with the most workers.
    pub(super) fn fullest(&self) -> Vec<&Row> {
        let mut fullest: Vec<&Row> = Vec::new();
        for row in &self.rows {
            match fullest.iter_mut().find(|other| other.engine == row.engine) {
                Some(other) if other.workers < row.workers => *other = row,
                Some(_) => {}
                None => fullest.push(row),
            }
        }
        fullest
    }

    pub(super) fn is_of(&self, sample: &Sample) -> bool {
        self.workload == sample.workload && *self.params == sample.params
    }
}

/// Parameters in words, but for some.
pub(super) fn words(params: &BTreeMap<String, Json>, without: &[&str]) -> String {
    let said = params
        .iter()
        .filter(|(name, _)| !without.contains(&name.as_str()) && *name != "seed")
        .filter(|(name, value)| *name != "latency_us" || value.as_f64() != Some(0.0));
    let said = said.map(|(name, value)| format!("{} {}", name.replace('_', " "), plain(value)));
    said.collect::<Vec<_>>().join(", ")
}

fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Number(number) => number.as_f64().map_or_else(|| number.to_string(), short),
        other => other.to_string(),
    }
}

/// Speed-up against workers: measured, and simulated beyond what was.
pub(super) fn speedups(
    groups: &[Group<'_>],
    samples: &[Sample],
    engines: &Engines<'_>,
) -> Vec<Chart> {
    let has_sample = |group: &Group<'_>| samples.iter().any(|sample| group.is_of(sample));
    let mut seen: Vec<&str> = Vec::new();
    // Blocks that were looked at; of a workload without one, the first block.
    let shown = groups.iter().filter(|group| {
        let of_workload = |other: &&Group<'_>| other.workload == group.workload;
        let is_first = !seen.contains(&group.workload);
        seen.push(group.workload);
        has_sample(group) || is_first && !groups.iter().filter(of_workload).any(has_sample)
    });
    let charts = shown.filter_map(|group| {
        let sample = samples.iter().find(|sample| group.is_of(sample));
        let counts: BTreeSet<_> = group.rows.iter().map(|row| row.workers).collect();
        if counts.len() < 2 && sample.is_none() {
            return None;
        }
        let measured = *counts.last()?;
        let mut curves: Vec<_> = group
            .fullest()
            .iter()
            .filter(|row| row.workers > 1)
            .map(|row| measured_curve(group, row, engines))
            .collect();
        let mut most = measured;
        if let Some(sample) = sample {
            most = MOST_WORKERS.max(measured);
            simulate(group, sample, measured, most, &mut curves, engines);
        }
        let mut ticks = doubling(1, most);
        ticks.extend(&counts);
        Some(Chart {
            title: group.workload.to_owned(),
            note: words(group.params, &[]),
            x_name: "workers".to_owned(),
            y_name: "times the plain loop".to_owned(),
            ticks: ticks
                .iter()
                .map(|workers| (log2(*workers), workers.to_string()))
                .collect(),
            measured_to: sample.map(|_| log2(measured)),
            curves,
            shows_ends: true,
        })
    });
    charts.collect()
}

fn log2(workers: usize) -> f64 {
    (workers as f64).log2()
}

fn doubling(from: usize, to: usize) -> BTreeSet<usize> {
    let counts = std::iter::successors(Some(from), |workers| Some(workers * 2));
    let mut counts: BTreeSet<_> = counts.take_while(|workers| *workers <= to).collect();
    counts.insert(to);
    counts
}

fn measured_curve(group: &Group<'_>, row: &Row, engines: &Engines<'_>) -> Curve {
    let of_engine = group.rows.iter().filter(|other| other.engine == row.engine);
    let mut points: Vec<_> = of_engine
        .map(|row| Point {
            x: log2(row.workers),
            y: row.speedup,
            spread: None,
        })
        .collect();
    points.sort_by(|one, other| one.x.total_cmp(&other.x));
    Curve {
        name: brief(&row.engine).to_owned(),
        style: engines.style(&row.engine),
        kind: Kind::Measured,
        points,
    }
}

/// Adds what more workers would give: the block's tree is scheduled with what its transactions cost, and with the time that the
/// engine takes for each beside that when it has one worker.
fn simulate(
    group: &Group<'_>,
    sample: &Sample,
    measured: usize,
    most: usize,
    curves: &mut Vec<Curve>,
    engines: &Engines<'_>,
) {
    let alone = |engine: &str| {
        let mut rows = group.rows.iter();
        let row = rows.find(|row| row.engine == engine && row.workers == 1)?;
        // Picoseconds a transaction: nanoseconds would be too coarse for the cheapest.
        (row.tps > 0.0).then(|| 1e12 / row.tps)
    };
    let Some(plain) = alone(PLAIN) else {
        return;
    };
    let timed: u64 = sample.costs.iter().sum();
    let scale = plain * sample.costs.len() as f64 / (timed as f64).max(1.0);
    #[expect(clippy::cast_sign_loss, reason = "no cost is negative")]
    let costs: Vec<_> = sample
        .costs
        .iter()
        .map(|cost| (*cost as f64 * scale) as u64)
        .collect();
    let counts = doubling(measured, most);
    let schedule = |workers: usize, overhead: f64| {
        let workers = NonZeroUsize::new(workers).unwrap_or(NonZeroUsize::MIN);
        #[expect(clippy::cast_sign_loss, reason = "it is not negative")]
        let simulation = Simulation::new(workers).overhead(overhead.max(0.0) as u64);
        simulation.run(&sample.tree, &costs)
    };
    for engine in ["pleach-exact", "pleach-optimistic"] {
        let Some(time) = alone(engine) else {
            continue;
        };
        let points = counts.iter().map(|workers| Point {
            x: log2(*workers),
            y: schedule(*workers, time - plain).speedup(),
            spread: None,
        });
        let points = points.collect();
        // What was measured goes on in what is simulated: its name stands at the end of that.
        let same = curves.iter_mut().find(|curve| curve.name == brief(engine));
        if let Some(measured) = same {
            measured.name.clear();
        }
        curves.push(Curve {
            name: brief(engine).to_owned(),
            style: engines.style(engine),
            kind: Kind::Simulated,
            points,
        });
    }
    let bound = doubling(1, most).into_iter().map(|workers| {
        let schedule = schedule(workers, 0.0);
        Point {
            x: log2(workers),
            y: schedule.total() as f64 / (schedule.bound() as f64).max(1.0),
            spread: None,
        }
    });
    curves.push(Curve {
        name: "bound".to_owned(),
        style: engines.style(PLAIN),
        kind: Kind::Bound,
        points: bound.collect(),
    });
}

/// What one number of a row is called, and how it is had.
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) get: fn(&Row) -> Option<f64>,
    pub(super) spread: fn(&Row) -> Option<[f64; 2]>,
}

pub(super) const TPS: Figure = Figure {
    name: "transactions a second",
    get: |row| Some(row.tps),
    spread: |row| Some(row.tps_spread),
};

pub(super) const CPU: Figure = Figure {
    name: "us of CPU a transaction",
    get: |row| row.cpu_s_per_tx.map(|seconds| seconds * 1e6),
    spread: |_| None,
};

pub(super) const SPEEDUP: Figure = Figure {
    name: "times the plain loop",
    get: |row| Some(row.speedup),
    spread: |_| None,
};

/// So many charts of a workload there are in a section.
const MOST_SWEEPS: usize = 4;

/// A figure against each of these parameters, where blocks differ in it alone; each engine with the most workers it had. Of
/// a workload, those charts are shown that have most to show.
pub(super) fn sweeps(
    groups: &[Group<'_>],
    params: &[&str],
    figure: &Figure,
    engines: &Engines<'_>,
) -> Vec<Chart> {
    let mut charts = Vec::new();
    for param in params {
        let mut sweeps: Vec<(&str, BTreeMap<&str, &Json>, Vec<&Group<'_>>)> = Vec::new();
        for group in groups
            .iter()
            .filter(|group| group.params.contains_key(*param))
        {
            let others = group.params.iter().filter(|(name, _)| name != param);
            let others: BTreeMap<_, _> =
                others.map(|(name, value)| (name.as_str(), value)).collect();
            let found = sweeps
                .iter_mut()
                .find(|(workload, rest, _)| *workload == group.workload && *rest == others);
            match found {
                Some((.., groups)) => groups.push(group),
                None => sweeps.push((group.workload, others, vec![group])),
            }
        }
        for (_, _, groups) in sweeps.iter().filter(|(.., groups)| groups.len() > 1) {
            charts.extend(sweep(groups, param, figure, engines));
        }
    }
    let mut shown: Vec<Chart> = Vec::new();
    let longest = |title: &str| {
        let same = charts.iter().filter(|chart| chart.title == title);
        same.map(|chart| chart.ticks.len()).max()
    };
    let longest: Vec<_> = charts.iter().map(|chart| longest(&chart.title)).collect();
    for (chart, longest) in charts.into_iter().zip(longest) {
        let same = shown.iter().filter(|other| other.title == chart.title);
        if Some(chart.ticks.len()) == longest && same.count() < MOST_SWEEPS {
            shown.push(chart);
        }
    }
    shown
}

fn sweep(
    groups: &[&Group<'_>],
    param: &str,
    figure: &Figure,
    engines: &Engines<'_>,
) -> Option<Chart> {
    let mut groups: Vec<_> = groups
        .iter()
        .filter_map(|group| Some((group.params.get(param)?, *group)))
        .collect();
    // Words stay in the order in which they were measured.
    groups.sort_by(|(one, _), (other, _)| {
        let number = |value: &Json| value.as_f64().unwrap_or_default();
        number(one).total_cmp(&number(other))
    });
    let mut curves: BTreeMap<&str, Curve> = BTreeMap::new();
    let mut workers = 1;
    for (place, (_, group)) in groups.iter().enumerate() {
        for row in group.fullest() {
            let Some(y) = (figure.get)(row) else {
                continue;
            };
            workers = workers.max(row.workers);
            let curve = curves.entry(&row.engine).or_insert_with(|| Curve {
                name: brief(&row.engine).to_owned(),
                style: engines.style(&row.engine),
                kind: Kind::Measured,
                points: Vec::new(),
            });
            curve.points.push(Point {
                x: place as f64,
                y,
                spread: (figure.spread)(row),
            });
        }
    }
    let (_, first) = groups.first()?;
    if curves.is_empty() || groups.len() < 2 {
        return None;
    }
    let workers = match workers {
        1 => "one worker".to_owned(),
        many => format!("{many} workers"),
    };
    let ticks = groups.iter().enumerate();
    Some(Chart {
        title: first.workload.to_owned(),
        note: format!("{workers}, {}", words(first.params, &[param])),
        x_name: param.replace('_', " "),
        y_name: figure.name.to_owned(),
        ticks: ticks
            .map(|(place, (value, _))| (place as f64, plain(value)))
            .collect(),
        curves: curves.into_values().collect(),
        shows_ends: false,
        measured_to: None,
    })
}
