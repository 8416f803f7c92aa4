//! Notices that nothing goes on any more: the case becomes a file, with what the threads were doing.

use std::{
    fs,
    path::{Path, PathBuf},
    process,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use pleach::determinism::Schedule;

use super::{case::Case, command, subject::Subject};

/// What is being run, and since when.
pub(crate) struct Watch {
    shared: Arc<Shared>,
}

struct Shared {
    corpus: PathBuf,
    is_json: bool,
    limit: Duration,
    running: Mutex<Option<Running>>,
}

/// A block, under which schedule, and since when.
type Running = (Arc<Subject>, Schedule, Instant);

impl Watch {
    /// Watches from a thread of its own: what runs longer than the limit is taken for a hang.
    pub(crate) fn new(corpus: &Path, is_json: bool, limit: Duration) -> Self {
        let shared = Arc::new(Shared {
            corpus: corpus.to_owned(),
            is_json,
            limit,
            running: Mutex::new(None),
        });
        let watched = Arc::clone(&shared);
        thread::spawn(move || watched.watch());
        #[cfg(feature = "schedules")]
        {
            let stuck = Arc::clone(&shared);
            pleach::schedules::on_hang(move |threads| {
                use std::fmt::Write as _;

                let mut text = String::new();
                for thread in threads {
                    let state = if thread.is_asleep { "asleep" } else { "awake" };
                    let _ = writeln!(text, "thread {}, {state}:\n{}", thread.thread, thread.stack);
                }
                stuck.report(&text);
            });
        }
        Self { shared }
    }

    /// A block is begun under a schedule.
    pub(crate) fn begins(&self, block: &Arc<Subject>, schedule: Schedule) {
        *self.shared.running() = Some((Arc::clone(block), schedule, Instant::now()));
    }

    /// The same for one that is a case already.
    pub(crate) fn begins_case(&self, case: &Case) {
        self.begins(&Arc::new(case.block.clone()), case.schedule);
    }

    /// Nothing is run.
    pub(crate) fn rests(&self) {
        *self.shared.running() = None;
    }
}

impl Shared {
    fn running(&self) -> std::sync::MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self) {
        let mut watched = None;
        loop {
            thread::sleep(self.limit / 8);
            let Some(since) = self.running().as_ref().map(|(.., since)| *since) else {
                continue;
            };
            let (begun, before) = *watched.get_or_insert((since, time()));
            if begun != since {
                watched = None;
            } else if since.elapsed() > self.limit
                && !is_starved(time().saturating_sub(before), self.limit)
            {
                self.report(&threads());
            }
        }
    }

    /// Writes the case, says how to see it again, and ends the program: threads that hang cannot be ended otherwise.
    fn report(&self, stacks: &str) -> ! {
        let running = self.running().take();
        let Some((block, schedule, _)) = running else {
            process::exit(1)
        };
        let case = Case {
            found: "a hang: nothing goes on any more".to_owned(),
            schedule,
            block: Subject::clone(&block),
        };
        let (path, beside) = match self.write(&case, stacks) {
            Ok(paths) => paths,
            Err(error) => {
                eprintln!("{} ({}); {error:#}\n{stacks}", case.found, case.schedule);
                process::exit(1)
            }
        };
        if self.is_json {
            println!(
                "{}",
                serde_json::json!({
                    "vm": case.block.vm().name(), "divergence": case.found, "case": path.display().to_string(),
                    "stacks": beside.display().to_string(), "replay": command(&path),
                })
            );
        } else {
            println!("{} ({})", case.found, case.schedule);
            println!("what the threads were doing: {}", beside.display());
            println!("to see it again: {}", command(&path));
        }
        process::exit(1)
    }

    fn write(&self, case: &Case, stacks: &str) -> anyhow::Result<(PathBuf, PathBuf)> {
        let path = case.write(&self.corpus)?;
        let beside = path.with_extension("stacks.txt");
        fs::write(&beside, stacks)
            .with_context(|| format!("{} cannot be written", beside.display()))?;
        Ok((path, beside))
    }
}

/// How long all threads have run, where the system says so.
fn time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    // The twelfth and the thirteenth number after the name, in hundredths of a second.
    let numbers = after.split_whitespace().skip(11).take(2);
    let hundredths: u64 = numbers.filter_map(|text| text.parse::<u64>().ok()).sum();
    Duration::from_millis(10 * hundredths)
}

/// Whether somebody could go on, had the system any time for that: after so long as this program was given, which is little.
fn is_starved(given: Duration, limit: Duration) -> bool {
    given < limit / 2 && running() > 1
}

/// How many threads could run just now, this one among them.
fn running() -> usize {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else {
        return 0;
    };
    let states = tasks.flatten().filter(|task| state(&task.path()) == "R");
    states.count()
}

/// The letter for what a thread is doing.
fn state(task: &Path) -> String {
    let stat = fs::read_to_string(task.join("stat")).unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    let state = after.split_whitespace().next();
    state.unwrap_or("?").to_owned()
}

/// The stacks of all threads.
#[cfg(target_os = "linux")]
fn threads() -> String {
    super::stacks::of_all_threads()
}

#[cfg(not(target_os = "linux"))]
fn threads() -> String {
    "stacks of threads that the system schedules are shown on Linux only\n".to_owned()
}
