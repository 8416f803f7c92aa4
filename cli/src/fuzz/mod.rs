//! `pleach fuzz`: looks for blocks that do not come to the same in parallel as serially.
//!
//! | file | what |
//! | --- | --- |
//! | `subject.rs` | what is fuzzed: blocks of programs, and Ethereum blocks |
//! | `case.rs` | one block under one schedule, as a file, and made small |
//! | `watch.rs` | notices that nothing goes on any more, and says which case it was |
//! | `stacks.rs` | what all threads are doing then |

mod case;
#[cfg(target_os = "linux")]
mod stacks;
mod subject;
mod watch;

use std::{
    num::NonZeroUsize,
    panic,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::bail;
use pleach::determinism::Kind;

use self::{
    case::Case,
    subject::{Subject, VmName},
    watch::Watch,
};
use crate::{
    interrupt::{self, CANCELLED},
    progress::Progress,
};

/// Looks for blocks that do not come to the same in parallel as serially.
///
/// Exit code 0: nothing found. 1: a divergence, or a hang; the case is written to the corpus and the command that replays it is
/// printed. 2: it could not be done.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What blocks consist of.
    #[arg(long, value_enum, default_value_t = VmName::Programs)]
    vm: VmName,
    /// How long to look [default: 60, unless there are --cases].
    #[arg(long, value_name = "S", conflicts_with = "cases")]
    seconds: Option<u64>,
    /// How many blocks to look at.
    #[arg(long, value_name = "N")]
    cases: Option<u64>,
    /// Numbers of workers, separated by commas: one block after another gets the next one.
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "2,3"
    )]
    workers: Vec<NonZeroUsize>,
    /// Where to begin.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where cases are written. Those that are there are tried first.
    #[arg(long, value_name = "DIR", default_value = "pleach-corpus")]
    corpus: PathBuf,
    /// One line of JSON at the end, on standard output.
    #[arg(long)]
    json: bool,
    /// Runs one case again.
    #[arg(long, value_name = "CASE", conflicts_with_all = ["seconds", "cases", "seed"])]
    replay: Option<PathBuf>,
}

/// Without a limit it looks for so many seconds.
const SECONDS: u64 = 60;
/// Nothing takes so long but what never ends.
const HANGS: Duration = Duration::from_secs(30);

/// What programs, rules and states say that panic as they are to.
const MEANT: [&str; 3] = [
    "a program panicked",
    "a rule panicked",
    pleach::determinism::PANIC,
];

/// What was looked at, and what was found.
struct Result {
    cases: u64,
    schedules: u64,
    found: Option<Case>,
    is_cancelled: bool,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    silence_panics();
    let watch = Watch::new(&arguments.corpus, arguments.json, HANGS);
    if let Some(path) = &arguments.replay {
        return replay(path, &watch, arguments.json);
    }
    let begun = Instant::now();
    let result = search(arguments, &watch)?;
    let Result {
        cases,
        schedules,
        found,
        is_cancelled,
    } = result;
    let seconds = begun.elapsed().as_secs_f64();
    let mut line = serde_json::json!({
        "vm": arguments.vm.name(), "cases": cases, "schedules": schedules, "seconds": seconds,
        "seed": arguments.seed, "divergence": null,
    });
    if !arguments.json {
        println!("{cases} blocks under {schedules} schedules in {seconds:.1} s");
        if !Kind::all().contains(&Kind::Walk) {
            println!(
                "scheduled by the system alone; built with --features schedules, seeds decide"
            );
        }
    }
    let Some(case) = found else {
        if arguments.json {
            println!("{line}");
        } else {
            println!("nothing found");
        }
        return Ok(if is_cancelled {
            ExitCode::from(CANCELLED)
        } else {
            ExitCode::SUCCESS
        });
    };
    let small = case.shrunk(|case| watch.begins_case(case));
    watch.rests();
    let path = small.write(&arguments.corpus)?;
    if arguments.json {
        line["divergence"] = small.found.clone().into();
        line["case"] = path.display().to_string().into();
        line["replay"] = command(&path).into();
        println!("{line}");
    } else {
        println!("{}", small.found);
        println!("to see it again: {}", command(&path));
    }
    Ok(ExitCode::FAILURE)
}

/// What replays a case.
fn command(path: &Path) -> String {
    format!("pleach fuzz --replay {}", path.display())
}

fn search(arguments: &Arguments, watch: &Watch) -> anyhow::Result<Result> {
    let token = interrupt::token()?;
    let workers: Vec<usize> = arguments.workers.iter().map(|count| count.get()).collect();
    let limit = match (arguments.seconds, arguments.cases) {
        (None, None) => Some(Duration::from_secs(SECONDS)),
        (seconds, _) => seconds.map(Duration::from_secs),
    };
    let begun = Instant::now();
    let steps = arguments.cases.or(arguments.seconds).unwrap_or(SECONDS);
    let progress = Progress::new(arguments.json, usize::try_from(steps).unwrap_or(usize::MAX));
    let mut result = Result {
        cases: 0,
        schedules: 0,
        found: None,
        is_cancelled: false,
    };
    for case in corpus(&arguments.corpus)? {
        watch.begins_case(&case);
        if let Some(divergence) = case.run()? {
            result.found = Some(Case {
                found: divergence.to_string(),
                ..case
            });
            return Ok(result);
        }
    }
    let mut shown = 0;
    for number in 0.. {
        if arguments.cases.is_some_and(|cases| number >= cases)
            || limit.is_some_and(|limit| begun.elapsed() >= limit)
        {
            break;
        }
        let seed = arguments.seed.wrapping_add(number);
        let block = Arc::new(Subject::from_seed(arguments.vm, seed));
        let workers = workers[(seed % workers.len() as u64) as usize];
        let plan = Subject::plan(workers, seed);
        // Before the first of these, the block is executed serially.
        watch.begins(&block, plan[0]);
        let mut begins = |schedule| {
            watch.begins(&block, schedule);
            let goes_on = !token.is_cancelled();
            result.schedules += u64::from(goes_on);
            goes_on
        };
        if let Some(divergence) = block.under(&plan, &mut begins)? {
            let schedule = divergence.schedule;
            result.found = Some(Case {
                found: divergence.to_string(),
                // Two serial runs differ under any.
                schedule: schedule.unwrap_or(plan[0]),
                block: Subject::clone(&block),
            });
            break;
        }
        if token.is_cancelled() {
            result.is_cancelled = true;
            break;
        }
        result.cases += 1;
        let done = arguments
            .cases
            .map_or(begun.elapsed().as_secs(), |_| number + 1);
        for _ in shown..done {
            progress.step();
        }
        shown = shown.max(done);
        progress.say(format!(
            "{} blocks, {} schedules",
            result.cases, result.schedules
        ));
    }
    watch.rests();
    progress.finish();
    Ok(result)
}

/// The cases of a folder, by name. No folder has none.
fn corpus(folder: &Path) -> anyhow::Result<Vec<Case>> {
    let Ok(entries) = folder.read_dir() else {
        return Ok(Vec::new());
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            paths.push(path);
        }
    }
    paths.sort_unstable();
    paths.iter().map(|path| Case::read(path)).collect()
}

fn replay(path: &Path, watch: &Watch, json: bool) -> anyhow::Result<ExitCode> {
    let case = Case::read(path)?;
    if !Kind::all().contains(&case.schedule.kind) {
        bail!(
            "this build lets the system schedule, and the case asks for {:?}: build with --features schedules",
            case.schedule.kind
        );
    }
    watch.begins_case(&case);
    let found = case.run()?;
    watch.rests();
    let text = found.as_ref().map(ToString::to_string);
    if json {
        println!(
            "{}",
            serde_json::json!({ "case": path.display().to_string(), "divergence": text })
        );
    } else {
        println!(
            "{}",
            text.as_deref()
                .unwrap_or("nothing found: it comes to the same as serially")
        );
    }
    Ok(ExitCode::from(u8::from(found.is_some())))
}

/// Says nothing of the panics of programs and of their rules, which are meant.
fn silence_panics() {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let text = panic.payload_as_str();
        if !text.is_some_and(|text| MEANT.contains(&text)) {
            hook(panic);
        }
    }));
}
