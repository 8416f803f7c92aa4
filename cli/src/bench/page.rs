//! What was measured as a page for the browser: `--html`.

use std::{
    collections::BTreeSet,
    env, fs, iter,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::Context;
use pleach::{CancelToken, ParallelExecutor, Runtime, State, Strategy, Vm};
use pleach_bench::{
    engines::{Base, Native},
    gigagas::{self, Prepared, Settings},
    report::{CONTENTION, Report, Sample, Timeline},
    row::Row,
    workloads::{Setting, Visitor, Workload},
};

use super::subject::Subject;

/// So many blocks of a workload are simulated on more workers than there are.
const SAMPLES: usize = 5;

/// A block is worth to be drawn if its tree allows such a speed-up: neither one chain nor no dependencies at all.
const WORTH_IT: std::ops::Range<f64> = 3.0..15.0;

/// The block that is drawn has so many transactions, or million gas: more would be too many lines.
const DRAWN: usize = 240;
const DRAWN_MGAS: u64 = 4;

/// A page that is going to be written.
pub(super) struct Page {
    path: PathBuf,
    samples: Vec<Sample>,
    drawn: Option<Drawn>,
    /// Whether there is something to see on that.
    is_worth_it: bool,
}

/// A small block, and what workers did with it.
type Drawn = (Sample, Vec<Timeline>);

impl Page {
    /// In this file. It is made now, so that who cannot have it learns of that before anything is measured.
    pub(super) fn new(path: &Path) -> anyhow::Result<Self> {
        let page = Self {
            path: path.to_owned(),
            samples: Vec::new(),
            drawn: None,
            is_worth_it: false,
        };
        page.write("")?;
        Ok(page)
    }

    /// Looks at a block that was measured, and at what it was seen to be made of.
    pub(super) fn look(
        &mut self,
        subject: &Subject,
        workers: &[NonZeroUsize],
        sample: Option<Sample>,
    ) -> anyhow::Result<()> {
        self.samples
            .extend(sample.filter(|sample| self.has_room(sample)));
        if !self.is_worth_it {
            let most = workers.iter().copied().max().unwrap_or(NonZeroUsize::MIN);
            let drawn = match subject {
                Subject::Native(setting) => {
                    let mut small = *setting;
                    small.txs = small.txs.min(DRAWN);
                    small.latency = Duration::ZERO;
                    small.visit(Watch(&small, most))?
                }
                Subject::Ethereum(settings, _) => draw(settings, most)?,
            };
            let (Sample { tree, costs, .. }, _) = &drawn;
            let allowed = costs.iter().sum::<u64>() as f64 / tree.critical_path(costs).cost as f64;
            self.is_worth_it = WORTH_IT.contains(&allowed);
            if self.is_worth_it || self.drawn.is_none() {
                self.drawn = Some(drawn);
            }
        }
        Ok(())
    }

    /// Of each workload some blocks are kept that are equal but for how much their transactions meet.
    fn has_room(&self, sample: &Sample) -> bool {
        let same = self.samples.iter();
        let same = same.filter(|other| other.workload == sample.workload);
        let same: Vec<_> = same.collect();
        let is_like = |other: &&&Sample| {
            let both = other.params.iter().zip(&sample.params);
            let mut both = both.filter(|((name, _), _)| !CONTENTION.contains(&name.as_str()));
            both.all(|(one, other)| one == other)
        };
        // The time that a slow state takes says nothing of the tree.
        same.len() < SAMPLES && same.first().is_none_or(|first| is_like(&first)) && !is_slow(sample)
    }

    /// Writes what there is.
    pub(super) fn finish(self, rows: &[Row]) -> anyhow::Result<()> {
        let command = command(env::args().skip(1));
        let facts = facts(rows);
        let mut report = Report::new(rows)
            .samples(&self.samples)
            .facts(&facts)
            .command(&command);
        if let Some((sample, timelines)) = &self.drawn {
            report = report.pictured(sample, timelines);
        }
        self.write(&report.html())
    }

    fn write(&self, text: &str) -> anyhow::Result<()> {
        let path = self.path.display();
        fs::write(&self.path, text).with_context(|| format!("{path} cannot be written"))
    }
}

/// What measures it again, as a shell takes it.
fn command(arguments: impl Iterator<Item = String>) -> String {
    let arguments: Vec<_> = arguments.collect();
    let words = iter::once("pleach").chain(arguments.iter().map(String::as_str));
    // No argument of a process has the one character that no shell can quote.
    shlex::try_join(words).unwrap_or_default()
}

/// Where and when it was measured, and what fixes what was drawn.
fn facts(rows: &[Row]) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    let mut fact = |name: &str, value: String| facts.push((name.to_owned(), value));
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let processor = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let processor = processor.unwrap_or_else(|| env::consts::ARCH.to_owned());
    fact(
        "machine",
        format!("{cores} cores, {processor}, {}", env::consts::OS),
    );
    let version = env!("CARGO_PKG_VERSION");
    let commit = match env!("PLEACH_COMMIT") {
        "" => String::new(),
        commit => format!(", commit {commit}"),
    };
    let compiler = match env!("PLEACH_RUSTC") {
        "" => String::new(),
        compiler => format!(", {compiler}"),
    };
    fact("pleach", format!("{version}{commit}{compiler}"));
    let now = jiff::Timestamp::now();
    fact("date", now.strftime("%Y-%m-%d %H:%M UTC").to_string());
    let seeds: BTreeSet<_> = rows
        .iter()
        .filter_map(|row| row.params.get("seed")?.as_u64())
        .map(|seed| seed.to_string())
        .collect();
    if !seeds.is_empty() {
        fact("seed", seeds.into_iter().collect::<Vec<_>>().join(", "));
    }
    facts
}

fn is_slow(sample: &Sample) -> bool {
    let latency = sample.params.get("latency_us");
    latency.is_some_and(|micros| micros.as_u64() != Some(0))
}

/// What so many workers do with a block of native transactions: planned, and by optimism.
struct Watch<'a>(&'a Setting, NonZeroUsize);

impl Visitor for Watch<'_> {
    type Result = anyhow::Result<Drawn>;

    fn visit<W: Workload + Clone + 'static>(self, workload: &W) -> Self::Result {
        let Self(setting, workers) = self;
        let base = Base::new(workload, Duration::ZERO);
        let block = workload.block();
        let vm = |declares| Native {
            workload: workload.clone(),
            declares,
        };
        let sample = Sample::new(
            setting.kind.name(),
            &setting.params(),
            &vm(false),
            &base,
            &block,
        )?;
        let watch = |strategy, vm: &_| watch(strategy, workers, vm, &base, &block);
        let timelines = vec![
            watch(Strategy::Exact, &vm(true))?,
            watch(Strategy::Optimistic, &vm(false))?,
        ];
        Ok((sample, timelines))
    }
}

/// The same for an Ethereum block: by optimism alone.
fn draw(settings: &Settings, workers: NonZeroUsize) -> anyhow::Result<Drawn> {
    let small = Settings {
        gas: settings.gas.min(DRAWN_MGAS * 1_000_000),
        ..*settings
    };
    let case = gigagas::generate(&small);
    let prepared = Prepared::new(&case, &CancelToken::new())?;
    let (vm, steps, state) = prepared.inside();
    let params = small.params(&gigagas::Terms::default());
    let sample = Sample::new(small.workload.name(), &params, vm, &state, steps)?;
    let timeline = watch(Strategy::Optimistic, workers, vm, &state, steps)?;
    Ok((sample, vec![timeline]))
}

fn watch<V: Vm, S: State<V::Key, V::Value>>(
    strategy: Strategy,
    workers: NonZeroUsize,
    vm: &V,
    state: &S,
    block: &[V::Transaction],
) -> anyhow::Result<Timeline> {
    let runtime = Runtime::builder().workers(workers).build()?;
    let executor = ParallelExecutor::new(&runtime).strategy(strategy);
    let name = match strategy {
        Strategy::Exact => "pleach-exact",
        _ => "pleach-optimistic",
    };
    Ok(Timeline::new(name, &executor, workers, vm, state, block)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_the_command_as_it_was_given() {
        let given = ["bench", "--html", "my report's.html"].map(str::to_owned);
        let command = command(given.iter().cloned());
        let words = shlex::split(&command).expect("a shell takes it");
        assert_eq!(words[0], "pleach");
        assert_eq!(words[1..], given);
    }
}
