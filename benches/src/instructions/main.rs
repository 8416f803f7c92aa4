//! A gate against work that creeps in: counts the instructions of six fixed workloads, which time cannot do repeatably, and
//! compares them with the budget in `benches/instructions.txt`.
//!
//! `cargo run --release -p pleach-bench --bin instructions [-- --update]`; it needs valgrind, and fails where that is absent.

mod budget;
mod workloads;

use std::{
    env, io,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use budget::Budget;
use workloads::WORKLOADS;

/// Each workload is run so often in one process and in another: the difference is without what comes before and after.
const REPEATS: [u64; 2] = [1, 3];
/// How much more a workload may take than its budget says.
const TOLERANCE: f64 = 0.02;
const USAGE: &str = "usage: instructions [--update]";

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let is_update = match arguments[..] {
        // What valgrind looks at.
        ["--run", name, repeats] => return run(name, repeats),
        [] => false,
        ["--update"] => true,
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    if Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("valgrind is absent: no instructions are counted");
        return ExitCode::FAILURE;
    }
    match gate(is_update) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(name: &str, repeats: &str) -> ExitCode {
    let workload = WORKLOADS.iter().find(|(known, _)| *known == name);
    if let (Some((_, workload)), Ok(repeats)) = (workload, repeats.parse()) {
        workload(repeats);
        ExitCode::SUCCESS
    } else {
        eprintln!("{USAGE}");
        ExitCode::from(2)
    }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{} cannot be read or written: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Budget(#[from] budget::Malformed),
    #[error("the workload {name} cannot be counted: {reason}")]
    Count { name: String, reason: String },
}

/// Whether no workload takes more than its budget, or that was written anew.
fn gate(is_update: bool) -> Result<bool, Failure> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.txt");
    let file = |source| Failure::File {
        path: path.clone(),
        source,
    };
    let old = match std::fs::read_to_string(&path) {
        Ok(text) => Budget::parse(&text)?,
        Err(error) if is_update && error.kind() == io::ErrorKind::NotFound => Budget::default(),
        Err(error) => return Err(file(error)),
    };
    let mut new = Budget::default();
    println!(
        "{:<24}{:>14}{:>14}{:>10}",
        "", "instructions", "budget", "change"
    );
    for (name, _) in WORKLOADS {
        let [few, many] = REPEATS.map(|repeats| count(name, repeats));
        let counted = many?.saturating_sub(few?) / (REPEATS[1] - REPEATS[0]);
        new.set(name, counted);
        match old.get(name) {
            Some(budget) => {
                let change = 100.0 * (counted as f64 / budget as f64 - 1.0);
                println!("{name:<24}{counted:>14}{budget:>14}{change:>+9.2}%");
            }
            None => println!("{name:<24}{counted:>14}{:>14}{:>10}", "-", "-"),
        }
    }
    if is_update {
        std::fs::write(&path, new.text()).map_err(file)?;
        println!(
            "\n{} is written: say in the commit why it changed",
            path.display()
        );
        return Ok(true);
    }
    let (over, under) = old.compare(&new, TOLERANCE);
    for name in &under {
        println!("\n{name} takes less than its budget: `--update` keeps it that way");
    }
    for name in &over {
        println!(
            "\n{name} takes over {:.0} % more than its budget, or has none. If that is worth it, write a new one with\n  \
             cargo run --release -p pleach-bench --bin instructions -- --update\nand say in the commit why.",
            100.0 * TOLERANCE
        );
    }
    Ok(over.is_empty())
}

/// How many instructions a process takes that runs a workload so often.
fn count(name: &str, repeats: u64) -> Result<u64, Failure> {
    let failure = |reason: String| Failure::Count {
        name: name.to_owned(),
        reason,
    };
    let this = env::current_exe().map_err(|error| failure(error.to_string()))?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(this)
        .args(["--run", name, &repeats.to_string()])
        .output()
        .map_err(|error| failure(error.to_string()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(failure(said.into_owned()));
    }
    budget::collected(&said).ok_or_else(|| failure(said.into_owned()))
}
