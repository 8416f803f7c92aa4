//! `pleach fuzz` on an engine that has a bug: exit code 1, a case that is small, and a command that shows it again.

use std::{fs, path::Path, process::Command};

use serde_json::Value;
use tempfile::TempDir;

/// Runs it in a folder with a bug: what it gives, and what it says.
fn fuzz(folder: &Path, bug: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pleach"));
    command
        .arg("fuzz")
        .args(arguments)
        .env("PLEACH_MUTANT", bug)
        .current_dir(folder);
    let output = command.output().expect("the program starts");
    let stdout = String::from_utf8(output.stdout).expect("it is text");
    println!("{}", String::from_utf8_lossy(&output.stderr));
    (output.status.code(), stdout)
}

/// Looks for that bug, with that seed; the folder that holds the case, and the line of JSON.
fn found(bug: &str, seed: &str) -> (TempDir, Value) {
    let folder = tempfile::tempdir().expect("there is room");
    let arguments = ["--seconds", "60", "--seed", seed, "--json"];
    let (code, stdout) = fuzz(folder.path(), bug, &arguments);
    assert_eq!(code, Some(1), "{bug}: {stdout}");
    let line = serde_json::from_str(&stdout).expect("it is JSON");
    (folder, line)
}

fn text<'a>(line: &'a Value, name: &str) -> &'a str {
    line[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name} in {line}"))
}

/// What comes after `pleach fuzz` in the command that shows the case again.
fn replays(line: &Value) -> Vec<&str> {
    let command = text(line, "replay").strip_prefix("pleach fuzz ");
    let arguments = command.expect("it is that command");
    arguments.split(' ').collect()
}

fn transactions(folder: &Path, line: &Value) -> usize {
    let case = fs::read_to_string(folder.join(text(line, "case"))).expect("it was written");
    let case: Value = serde_json::from_str(&case).expect("it is JSON");
    assert_eq!(case["found"], line["divergence"]);
    let programs = case["block"]["programs"]["transactions"].as_array();
    programs.expect("it is a block of programs").len()
}

#[test]
fn a_divergence_is_exit_code_one_a_small_case_and_a_command() {
    for (bug, seed, says) in [
        // The block has an end, or has a chain of adds: two transactions are enough for either.
        (
            "end_when_seen",
            "0",
            "transaction 1: expected Skipped(BlockEnded)",
        ),
        // With some seeds it is another outcome, a panic or a hang that comes first.
        ("begin_anything", "1000", "key "),
    ] {
        let (folder, line) = found(bug, seed);
        let divergence = text(&line, "divergence");
        assert!(divergence.starts_with(says), "{divergence}");
        assert!(
            divergence.ends_with("so the executor is wrong"),
            "{divergence}"
        );
        let count = transactions(folder.path(), &line);
        assert!((2..=4).contains(&count), "{count} transactions");

        let (code, stdout) = fuzz(folder.path(), bug, &replays(&line));
        assert_eq!(code, Some(1), "{stdout}");
        assert_eq!(stdout.trim_end(), divergence);
        let (code, stdout) = fuzz(folder.path(), "", &replays(&line));
        assert_eq!(code, Some(0), "{stdout}");
    }
}

#[test]
fn people_are_told_the_same() {
    let folder = tempfile::tempdir().expect("there is room");
    let (code, stdout) = fuzz(folder.path(), "end_when_seen", &["--seconds", "60"]);
    assert_eq!(code, Some(1), "{stdout}");
    let command = stdout.lines().last().expect("something is said");
    let path = command.strip_prefix("to see it again: pleach fuzz --replay ");
    let path = path.unwrap_or_else(|| panic!("{stdout}"));
    assert!(folder.path().join(path).is_file(), "{path}");
    // Cases of the corpus are tried first: nothing else is looked at.
    let again = ["--seconds", "60", "--json"];
    let (code, stdout) = fuzz(folder.path(), "end_when_seen", &again);
    assert_eq!(code, Some(1), "{stdout}");
    let line: Value = serde_json::from_str(&stdout).expect("it is JSON");
    assert_eq!(line["cases"], 0);
}

#[test]
fn a_hang_is_exit_code_one_too_with_the_stacks() {
    let (folder, line) = found("panic_unnoticed", "0");
    assert!(text(&line, "divergence").starts_with("a hang"), "{line}");
    assert!(transactions(folder.path(), &line) > 0);
    let stacks = fs::read_to_string(folder.path().join(text(&line, "stacks")));
    let stacks = stacks.expect("they were written");
    assert!(stacks.contains("pleach::parallel"), "{stacks}");

    let arguments = [&replays(&line)[..], &["--json"]].concat();
    let (code, stdout) = fuzz(folder.path(), "panic_unnoticed", &arguments);
    assert_eq!(code, Some(1), "{stdout}");
    let again: Value = serde_json::from_str(&stdout).expect("it is JSON");
    assert_eq!(again["divergence"], line["divergence"]);
}
