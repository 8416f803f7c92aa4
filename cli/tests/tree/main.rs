//! `pleach dtt` and `pleach simulate` as a user runs them.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

fn pleach(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_pleach"))
        .args(arguments)
        .env("NO_COLOR", "1")
        .output()
        .expect("the program starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("panicked"), "{stderr}");
    output
}

/// What a command that succeeds writes.
#[track_caller]
fn text(arguments: &[&str]) -> String {
    let output = pleach(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {stderr}");
    String::from_utf8(output.stdout).expect("it is text")
}

#[track_caller]
fn fails(arguments: &[&str], code: i32, message: &str) {
    let output = pleach(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
    assert!(stderr.contains(message), "{arguments:?}: {stderr}");
}

/// The sample chain, as its file holds it.
fn sample() -> Value {
    let packed = fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../adapters/evm/sample/chain.json.gz"
    ));
    let packed = packed.expect("the sample is there");
    let reader = flate2::read::GzDecoder::new(packed.as_slice());
    serde_json::from_reader(reader).expect("the sample is JSON")
}

fn write(folder: &Path, chain: &Value) -> String {
    let path = folder.join("chain.json");
    fs::write(&path, chain.to_string()).expect("it is written");
    path.to_str().expect("it is text").to_owned()
}

#[test]
fn the_summary_tells_what_conflicts() {
    let summary = text(&["dtt", "--number", "2"]);
    for part in [
        "block             2, ",
        "transactions      ",
        "branches          ",
        "largest branch    ",
        "critical path     ",
        "simulated         ",
        "encoded           ",
        "root hash         ",
        "hottest keys",
        "slot 0x",
        "orders: transactions that wait",
    ] {
        assert!(summary.contains(part), "{part}: {summary}");
    }
}

#[test]
fn the_same_block_has_the_same_tree() {
    let trees: Vec<Value> = (0..2)
        .map(|_| serde_json::from_str(&text(&["dtt", "--number", "3", "--format", "json"])))
        .collect::<Result<_, _>>()
        .expect("it is JSON");
    assert_eq!(trees[0], trees[1]);
    let transactions = trees[0]["transactions"].as_array().expect("a list");
    let block = &sample()["blocks"][2];
    let expected = block["transactions"].as_array().expect("a list").len();
    assert_eq!(transactions.len(), expected);
    assert!(
        transactions
            .iter()
            .any(|transaction| transaction["parent"].is_u64())
    );
}

#[test]
fn pictures_are_what_they_are_called() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tree.svg");
    let out = path.to_str().expect("it is text");
    assert_eq!(text(&["dtt", "--format", "svg", "--out", out]), "");
    let svg = fs::read_to_string(&path).expect("it is there");
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    assert!(svg.contains("Block 24"), "the last block is the default");
    assert!(text(&["dtt", "--format", "dot"]).starts_with("digraph"));
    assert!(text(&["dtt", "--format", "mermaid"]).contains("flowchart TD"));
}

#[test]
fn simulations_are_told_block_by_block() {
    let lines = text(&["simulate", "--json", "--quiet", "--workers", "4,1,2"]);
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .collect();
    assert_eq!(lines.len(), 25);
    let (summary, blocks) = lines.split_last().expect("there are some");
    for (index, block) in blocks.iter().enumerate() {
        assert_eq!(block["block"], index + 1);
        let number = |value: &Value| value.as_f64().expect("a number");
        let (total, path) = (
            number(&block["total_ms"]),
            number(&block["critical_path_ms"]),
        );
        assert!(path <= total);
        assert!(block["branches"].as_u64() <= block["transactions"].as_u64());
        let speedup = |workers: &str| number(&block["speedup"][workers]);
        assert!((speedup("1") - 1.0).abs() < 1e-9);
        assert!(speedup("2") <= 2.0 + 1e-9);
        // One block is empty.
        let most = if total > 0.0 { total / path } else { 1.0 };
        assert!(speedup("4") <= most + 1e-9);
    }
    assert_eq!(summary["summary"], true);
    assert_eq!(summary["blocks"], 24);
    assert_eq!(summary["failed"], 0);
    assert!(summary["geomean_speedup"]["2"].as_f64() > Some(1.0));
}

#[test]
fn overhead_makes_it_slower() {
    let mean = |overhead: &str| {
        let arguments = [
            "simulate",
            "--json",
            "--quiet",
            "--workers",
            "2",
            "--overhead",
            overhead,
        ];
        let lines = text(&arguments);
        let last = lines.lines().next_back().expect("there is a summary");
        let summary: Value = serde_json::from_str(last).expect("it is JSON");
        summary["geomean_speedup"]["2"].as_f64().expect("a number")
    };
    // As much again as a transaction costs: nothing is left of the second worker.
    assert!(mean("1000000") < 0.5 * mean("0"));
}

#[test]
fn the_table_and_the_curve_are_for_people() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("curve.svg");
    let curve = path.to_str().expect("it is text");
    let table = text(&["simulate", "--quiet", "--workers", "2,8", "--curve", curve]);
    let header = table.lines().next().unwrap_or_default();
    let columns: Vec<&str> = header.split_whitespace().collect();
    assert_eq!(columns[columns.len() - 2..], ["x2", "x8"]);
    assert!(table.contains("geometric, over 22 blocks"), "{table}");
    let svg = fs::read_to_string(&path).expect("it is there");
    assert!(svg.contains(">simulated ") && svg.contains(">bound "));
}

#[test]
fn what_is_wrong_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    fails(&["dtt", "nothing.json"], 2, "nothing.json: ");
    fails(
        &["dtt", "--number", "99"],
        2,
        "sample: there is no block 99, only those from 1 to 24",
    );
    fails(&["dtt", "--format", "png"], 2, "invalid value 'png'");
    fails(
        &["dtt", "--out", "/nowhere/tree", "--number", "1"],
        2,
        "/nowhere/tree cannot be written",
    );
    fails(
        &["simulate", "--workers", "0"],
        2,
        "0 is no number from 1 to 65536",
    );
    fails(
        &["simulate", "--workers", "2,x"],
        2,
        "x is no number from 1 to 65536",
    );
    fails(&["simulate", "nothing.json"], 2, "nothing.json: ");
    let broken = folder.path().join("broken.json");
    fs::write(&broken, "{").expect("it is written");
    let broken = broken.to_str().expect("it is text");
    fails(&["simulate", broken], 2, "broken.json: ");
    let path = folder.path().to_str().expect("it is text");
    fails(&["dtt", path], 2, "this is a folder; name one block");
    fails(&["dtt", broken], 2, "broken.json: ");
}

#[test]
fn a_block_that_cannot_be_executed_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut chain = sample();
    let blocks = chain["blocks"].as_array_mut().expect("a list");
    blocks.truncate(2);
    // Without its first transaction, the second block has a nonce that is too high.
    let transactions = blocks[1]["transactions"].as_array_mut().expect("a list");
    transactions.rotate_left(1);
    let path = write(folder.path(), &chain);
    fails(&["dtt", &path], 1, "block 2 of ");
    let output = pleach(&["simulate", "--json", &path]);
    assert_eq!(output.status.code(), Some(1));
    let lines = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .collect();
    assert_eq!(lines[0]["block"], 1);
    assert!(lines[1]["error"].is_string(), "{}", lines[1]);
    assert_eq!(lines[2]["failed"], 1);
}
