//! What was measured as a page for the browser: `--html`.

use std::{
    env, fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::Context;
use pleach::{ParallelExecutor, Runtime, Strategy};
use pleach_bench::{
    engines::{Base, Native},
    report::{Report, Sample, SampleError, Timeline},
    row::Row,
    workloads::{Setting, Visitor, Workload},
};

/// So many blocks are simulated on more workers than there are.
const SAMPLES: usize = 16;

/// The block that is drawn has so many transactions: more would be too many lines.
const DRAWN: usize = 240;

/// A page that is going to be written.
pub(super) struct Page {
    path: PathBuf,
    samples: Vec<Sample>,
    drawn: Option<(Sample, Vec<Timeline>)>,
}

impl Page {
    /// In this file. It is made now, so that who cannot have it learns of that before anything is measured.
    pub(super) fn new(path: &Path) -> anyhow::Result<Self> {
        let page = Self {
            path: path.to_owned(),
            samples: Vec::new(),
            drawn: None,
        };
        page.write("")?;
        Ok(page)
    }

    /// Looks at a block that was measured.
    pub(super) fn look(
        &mut self,
        setting: &Setting,
        workers: &[NonZeroUsize],
    ) -> anyhow::Result<()> {
        // A sample takes as long as a serial run, and a slow state says nothing of the tree.
        if self.samples.len() < SAMPLES && setting.latency.is_zero() {
            self.samples.push(setting.visit(Look(setting))?);
        }
        if self.drawn.is_none() {
            let mut small = *setting;
            small.txs = small.txs.min(DRAWN);
            small.latency = Duration::ZERO;
            let most = workers.iter().copied().max().unwrap_or(NonZeroUsize::MIN);
            let sample = small.visit(Look(&small))?;
            self.drawn = Some((sample, small.visit(Watch(most))?));
        }
        Ok(())
    }

    /// Writes what there is.
    pub(super) fn finish(self, rows: &[Row]) -> anyhow::Result<()> {
        let arguments: Vec<_> = env::args().skip(1).collect();
        let command = format!("pleach {}", arguments.join(" "));
        let facts = facts();
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

/// Where it was measured.
fn facts() -> Vec<(String, String)> {
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
    fact(
        "pleach",
        match env!("PLEACH_COMMIT") {
            "" => version.to_owned(),
            commit => format!("{version}, commit {commit}"),
        },
    );
    facts
}

/// What is in a block.
struct Look<'a>(&'a Setting);

impl Visitor for Look<'_> {
    type Result = Result<Sample, SampleError>;

    fn visit<W: Workload + Clone + 'static>(self, workload: &W) -> Self::Result {
        let Self(setting) = self;
        let vm = Native {
            workload: workload.clone(),
            declares: false,
        };
        let base = Base::new(workload, Duration::ZERO);
        Sample::new(
            setting.kind.name(),
            &setting.params(),
            &vm,
            &base,
            &workload.block(),
        )
    }
}

/// What so many workers do with a block: planned, and by optimism.
struct Watch(NonZeroUsize);

impl Visitor for Watch {
    type Result = anyhow::Result<Vec<Timeline>>;

    fn visit<W: Workload + Clone + 'static>(self, workload: &W) -> Self::Result {
        let Self(workers) = self;
        let base = Base::new(workload, Duration::ZERO);
        let block = workload.block();
        let runtime = Runtime::builder().workers(workers).build()?;
        let ways = [
            ("pleach-exact", Strategy::Exact, true),
            ("pleach-optimistic", Strategy::Optimistic, false),
        ];
        let timelines = ways.into_iter().map(|(name, strategy, declares)| {
            let executor = ParallelExecutor::new(&runtime).strategy(strategy);
            let vm = Native {
                workload: workload.clone(),
                declares,
            };
            Timeline::new(name, &executor, workers, &vm, &base, &block)
        });
        Ok(timelines.collect::<Result<_, _>>()?)
    }
}
