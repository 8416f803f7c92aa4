//! Blocks in flight come to the same as one after another.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Folder, Run, block_file, replay, sample};
#[cfg(unix)]
use crate::support::{command, interrupted};

/// What does not depend on how long something took, or on which attempt stood.
fn lasting(run: &Run) -> Vec<Value> {
    let (lines, summary) = run.lines();
    let names = [
        "block",
        "transactions",
        "gas_used",
        "gas",
        "header_ok",
        "checks",
        "mismatches",
        "error",
        "fork",
        "source",
        "blocks",
        "failed",
        "not_run",
        "unreadable",
        "cancelled",
    ];
    let keep = |line: &Value| {
        let mut kept = names.map(|name| line[name].clone());
        if let Some(checks) = kept[5].as_object_mut() {
            // There is no serial execution beside it.
            checks.remove("same_as_serial");
        }
        kept.into()
    };
    lines.iter().chain([&summary]).map(keep).collect()
}

/// Replays both ways.
fn both(arguments: &[&str]) -> Run {
    let with = |pipeline: &str| {
        let arguments = [&["--json", "--pipeline", pipeline], arguments].concat();
        replay(&arguments)
    };
    let (one_by_one, in_flight) = (with("off"), with("on"));
    assert_eq!(one_by_one.code, in_flight.code, "{}", in_flight.stderr);
    let (expected, found) = (lasting(&one_by_one), lasting(&in_flight));
    assert_eq!(expected.len(), found.len());
    for (expected, found) in expected.iter().zip(&found) {
        assert_eq!(expected, found);
    }
    in_flight
}

#[test]
fn the_sample_chain() {
    for strategy in ["serial", "optimistic", "auto"] {
        let run = both(&["--strategy", strategy, "--workers", "2"]);
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
        let (lines, summary) = run.lines();
        assert_eq!(lines.len(), 24);
        assert!(lines.iter().all(|line| line["serial_ms"].is_null()
            && line["speedup"].is_null()
            && line["run_ms"].as_f64() > Some(0.0)));
        let pipeline = &summary["pipeline"];
        let stages = pipeline["stages"].as_array().expect("a list");
        let handled: Vec<_> = stages
            .iter()
            .map(|stage| (&stage["stage"], &stage["handled"]))
            .collect();
        assert_eq!(
            handled,
            [
                (&json!("read"), &json!(1)),
                (&json!("decode"), &json!(24)),
                (&json!("check"), &json!(24)),
                (&json!("execute"), &json!(24)),
                (&json!("persist"), &json!(24)),
            ]
        );
        assert!(pipeline["blocks_per_s"].as_f64() > Some(0.0));
        assert!(pipeline["response_ms"]["p99"].as_f64() >= pipeline["response_ms"]["p50"].as_f64());
    }
}

#[test]
fn mainnet_blocks() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/ethereum/blocks");
    if !folder.exists() {
        println!("skipped: {} is not there", folder.display());
        return;
    }
    let run = both(&["--strategy", "auto", &folder.display().to_string()]);
    assert_eq!(run.code, Some(0));
}

#[test]
fn chains_blocks_and_what_is_neither() {
    let folder = Folder::new();
    let mut broken = sample();
    // Not the first one, so that something is executed before, and something is left after it.
    broken["blocks"][2]["transactions"][0]["nonce"] = json!("0xffff");
    let mut differs = sample();
    differs["blocks"][3]["gasUsed"] = json!("0x1");
    differs["blocks"][5]["hash"] = json!(format!("0x{}", "12".repeat(32)));
    let mut bad = block_file();
    bad["block"]["transactions"][0]["nonce"] = json!("0xffff");
    let paths = [
        folder.json("1.json", &block_file()),
        folder.json("2.json", &bad),
        folder.json("3.json", &block_file()),
        folder.json("4.json", &broken),
        folder.write("5.json", b"{"),
        folder.json("6.json", &block_file()),
        folder.json("7.json", &differs),
        folder.gzip("8.json.gz", &block_file()),
    ];
    let paths: Vec<_> = paths.iter().map(String::as_str).collect();
    let run = both(&paths);
    assert_eq!(run.code, Some(2));
    let run = replay(&[&["--pipeline", "on"], paths.as_slice()].concat());
    assert_eq!(run.code, Some(2));
    run.says(&[
        "FAILED: block",
        "not run: 21 blocks after it in the chain",
        "5.json",
        "persist",
    ]);
}

#[test]
fn what_does_not_go_together_is_said() {
    let folder = Folder::new();
    for arguments in [
        ["--repeat", "3"],
        ["--record", folder.path()],
        ["--hints", folder.path()],
    ] {
        let run = replay(&[&["--pipeline", "on"], arguments.as_slice()].concat());
        assert_eq!(run.code, Some(2));
        run.says(&[arguments[0], "--pipeline on"]);
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_it() {
    let folder = Folder::new();
    let path = folder.json("chain.json", &sample());
    // Long enough that it cannot end by itself in the meantime.
    let paths = vec![path.as_str(); 200];
    let mut command = command(&["--json", "--pipeline", "on"]);
    command.args(paths);
    let run = interrupted(command);
    assert_eq!((run.code, run.stderr.as_str()), (Some(130), ""));
    let (lines, summary) = run.lines();
    assert!((1..24 * 200).contains(&lines.len()));
    assert!(lines.iter().all(|line| line["header_ok"] == true));
    assert_eq!(summary["cancelled"], true);
    assert_eq!(summary["blocks"], lines.len());
}
