//! `pleach fuzz` as a user runs it.

// Only a build with bugs has divergences: `loom-tests/mutant.sh`, and a step of CI.
#[cfg(mutant = "any")]
mod bugs;

use std::{fs, process::Command};

use serde_json::Value;

const CASE: &str = r#"{
    "found": "",
    "schedule": {"workers": 2, "strategy": "optimistic", "hints": "none", "kind": "threads", "seed": 7},
    "block": {"programs": {
        "state": [[1, 5]],
        "transactions": [
            {"steps": [{"get": 1}, {"put-register": 2}], "declared": "nothing"},
            {"steps": [{"add": [1, 3]}, "fail"], "declared": {"guessed": 1}}
        ],
        "on_failure": "skip",
        "on_undeclared": "abort",
        "limit": [10, "skip-rest"]
    }}
}"#;

const EVM_CASE: &str = r#"{
    "found": "",
    "schedule": {"workers": 2, "strategy": "optimistic", "hints": "right", "kind": "threads", "seed": 7},
    "block": {"evm": {
        "fork": "osaka", "coinbase": "0xcbcbcbcbcbcbcbcbcbcbcbcbcbcbcbcbcbcbcbcb", "base_fee": 0, "gas_limit": 1000000,
        "accounts": {
            "0xc0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c000":
                {"balance": "0x5", "nonce": 1, "code": "0x4760005500", "storage": {}}
        },
        "blocks": [[{
            "from": 0, "to": "0xc0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c000", "value": {"Wei": "0x0"}, "data": "0x",
            "gas": 100000, "nonce_off": 0, "above_base": 0, "tip": 0, "kind": "Legacy"
        }]]
    }}
}"#;

/// Runs it in an empty folder: what it gives, and what it says.
fn fuzz(arguments: &[&str]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().expect("there is room");
    fs::write(folder.path().join("good.json"), CASE).expect("there is room");
    fs::write(folder.path().join("evm.json"), EVM_CASE).expect("there is room");
    fs::write(folder.path().join("bad.json"), "{\"schedule\": 1}").expect("there is room");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pleach"));
    command
        .arg("fuzz")
        .args(arguments)
        .current_dir(folder.path());
    let output = command.output().expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("it is text");
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(!stderr.contains("panicked"), "{stderr}");
    (output.status.code(), stdout, stderr)
}

#[test]
fn nothing_is_found_and_said_as_json() {
    let (code, stdout, _) = fuzz(&["--cases", "12", "--workers", "2", "--seed", "5", "--json"]);
    assert_eq!(code, Some(0));
    let line: Value = serde_json::from_str(&stdout).expect("it is JSON");
    assert_eq!(line["cases"], 12);
    assert_eq!(line["seed"], 5);
    // One of each strategy.
    assert_eq!(line["schedules"], 60);
    assert!(line["divergence"].is_null());
}

#[test]
fn people_are_told_what_was_looked_at() {
    let (code, stdout, _) = fuzz(&["--cases", "3"]);
    assert_eq!(code, Some(0));
    assert!(stdout.starts_with("3 blocks under "), "{stdout}");
    assert!(stdout.ends_with("nothing found\n"), "{stdout}");
}

#[test]
fn ethereum_blocks_are_looked_at() {
    let (code, stdout, _) = fuzz(&["--vm", "evm", "--cases", "10", "--json"]);
    assert_eq!(code, Some(0));
    let line: Value = serde_json::from_str(&stdout).expect("it is JSON");
    assert_eq!(line["cases"], 10);
    assert_eq!(line["vm"], "evm");
}

#[test]
fn cases_are_replayed() {
    for case in ["good.json", "evm.json"] {
        let (code, stdout, stderr) = fuzz(&["--replay", case]);
        assert_eq!(code, Some(0), "{stdout}{stderr}");
        assert!(stdout.starts_with("nothing found"), "{stdout}");
    }
}

#[test]
fn cases_of_the_corpus_are_tried_first() {
    let (code, _, stderr) = fuzz(&["--cases", "1", "--corpus", "."]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("bad.json is not a case"), "{stderr}");
}

#[test]
fn bad_use_is_exit_code_two() {
    for arguments in [
        ["--replay", "bad.json"],
        ["--replay", "absent.json"],
        ["--workers", "0"],
        ["--seconds", "many"],
        ["--vm", "none"],
    ] {
        let (code, stdout, stderr) = fuzz(&arguments);
        assert_eq!(code, Some(2), "{arguments:?}");
        assert!(stdout.is_empty() && !stderr.is_empty(), "{arguments:?}");
    }
}
