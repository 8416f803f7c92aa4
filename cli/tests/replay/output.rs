//! What is printed where all is well.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Folder, Run, block_file, command, replay, sample};

/// The check names of a line, with what they say.
fn checks(line: &Value) -> Vec<(&str, &Value)> {
    let checks = line["checks"].as_object().expect("an object");
    checks
        .iter()
        .map(|(name, result)| (name.as_str(), result))
        .collect()
}

#[test]
fn the_sample_chain_passes() {
    let run = replay(&["--json", "--strategy", "serial"]);
    assert_eq!(run.code, Some(0), "{}", run.stdout);
    assert_eq!(run.stderr, "");
    let (lines, summary) = run.lines();
    assert_eq!(lines.len(), 24);
    for (line, block) in lines.iter().zip(1..) {
        assert_eq!(line["block"], block);
        assert_eq!(line["header_ok"], true);
        assert_eq!(line["checks"]["state_root"], true);
        for (name, result) in checks(line) {
            assert!(
                *result == json!(true) || result.is_null(),
                "{name} of {block}: {result}"
            );
        }
        assert_eq!(line["attempts"], line["transactions"]);
        assert_eq!(
            (&line["strategy"], &line["ran"], &line["workers"]),
            (&json!("serial"), &json!("serial"), &json!(1))
        );
        assert_eq!(
            (&line["fork"], &line["source"]),
            (&json!("Osaka"), &json!("sample"))
        );
        // One execution is both.
        assert_eq!(line["serial_ms"], line["run_ms"]);
        assert_eq!(line["speedup"], 1.0);
    }
    assert_eq!(
        (&summary["blocks"], &summary["failed"]),
        (&json!(24), &json!(0))
    );
    assert_eq!(summary["geomean_speedup"], 1.0);
    assert_eq!(summary["min_speedup"], 1.0);
}

#[test]
fn it_passes_on_several_threads() {
    for (strategy, workers) in [
        ("optimistic", 3),
        ("auto", 2),
        ("optimistic", 1),
        ("split", 2),
    ] {
        let threads = workers.to_string();
        let run = replay(&["--json", "--strategy", strategy, "--workers", &threads]);
        assert_eq!(run.code, Some(0), "{}", run.stdout);
        let (lines, summary) = run.lines();
        assert_eq!((lines.len(), &summary["failed"]), (24, &json!(0)));
        for line in &lines {
            assert_eq!(line["checks"]["state_root"], true);
            assert_eq!(line["checks"]["same_as_serial"], true);
            assert_eq!(
                (&line["strategy"], &line["workers"]),
                (&json!(strategy), &json!(workers))
            );
            let attempts = line["attempts"].as_u64().expect("a number");
            assert!(attempts >= line["transactions"].as_u64().expect("a number"));
            if strategy == "optimistic" {
                // Where most attempts are in vain, the rest is executed serially.
                let serial = line["serial"].as_u64().expect("a number");
                assert_eq!(line["ran"], "optimistic", "{serial} of {attempts} serially");
            } else if strategy == "split" {
                assert_ne!(line["ran"], "optimistic");
            }
            for conflict in line["conflicts"].as_array().into_iter().flatten() {
                assert!(conflict["key"].is_string() && conflict["attempts"].as_u64() > Some(0));
            }
        }
        assert!(summary["geomean_speedup"].as_f64() > Some(0.0));
    }
}

#[test]
fn a_chain_file_is_as_good_as_the_embedded_one() {
    let folder = Folder::new();
    let run = replay(&["--quiet", &folder.gzip("chain.json.gz", &sample())]);
    assert_eq!(run.code, Some(0));
    assert_eq!(
        run.stdout,
        "All 24 blocks match their headers, state roots included.\n"
    );
    assert_eq!(run.stderr, "");
}

#[test]
fn no_command_replays_the_sample_chain() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_pleach")).output();
    let run = Run::of(output.expect("the binary runs"));
    assert_eq!(run.code, Some(0));
    run.says(&["the embedded sample chain", "Mgas/s", "All 24 blocks match"]);
}

#[test]
fn repeating_measures_both() {
    let folder = Folder::new();
    let path = folder.json("1.json", &block_file());
    let run = replay(&[
        "--repeat",
        "4",
        "--json",
        "--strategy",
        "optimistic",
        "--workers",
        "3",
        &path,
    ]);
    assert_eq!(run.code, Some(0));
    let (lines, summary) = run.lines();
    let line = &lines[0];
    let number = |name: &str| line[name].as_f64().expect("a number");
    let ratio = number("serial_ms") / number("run_ms");
    assert!((ratio - number("speedup")).abs() < 0.02 * ratio, "{line}");
    assert_eq!(summary["geomean_speedup"], line["speedup"]);
    assert_eq!(summary["min_speedup"], line["speedup"]);
    assert_eq!(
        (&line["strategy"], &line["workers"]),
        (&json!("optimistic"), &json!(3))
    );
    // This block is alone with a part of the state.
    assert_eq!(line["checks"]["state_root"], Value::Null);

    let run = replay(&["--repeat", "4", "--workers", "3", &path]);
    run.says(&[
        "run ms",
        "speed-up",
        "attempts",
        "medians of 4",
        "on 3 threads where that pays",
        "Speed-up: ",
    ]);
}

#[test]
fn lines_are_as_wide_as_the_screen() {
    let folder = Folder::new();
    let mut failing = block_file();
    failing["block"]["gasUsed"] = json!("0x1");
    failing["block"]["stateRoot"] = failing["block"]["hash"].clone();
    failing["block"]["logsBloom"] = json!(format!("0x{}", "f".repeat(512)));
    folder.json("1.json", &failing);
    folder.json("2.json", &block_file());
    for (columns, width) in [
        (Some("80"), 80),
        (Some("140"), 140),
        (None, 100),
        (Some("many"), 100),
    ] {
        for more in [&[] as &[_], &["--repeat", "2"]] {
            let mut arguments = vec!["."];
            arguments.extend(more);
            let mut command = command(&arguments);
            command.current_dir(folder.path());
            if let Some(columns) = columns {
                command.env("COLUMNS", columns);
            }
            let run = Run::of(command.output().expect("the binary runs"));
            assert_eq!(run.code, Some(1));
            run.says(&["25,174,370", "1 failed"]);
            for line in run.stdout.lines() {
                assert!(line.chars().count() <= width, "wider than {width}: {line}");
            }
        }
    }
}

#[test]
fn quiet_says_only_what_matters() {
    let folder = Folder::new();
    let mut failing = block_file();
    failing["block"]["gasUsed"] = json!("0x1");
    let failing = folder.json("1.json", &failing);
    let good = folder.json("2.json", &block_file());
    let run = replay(&["--quiet", &good]);
    assert_eq!(
        run.stdout,
        "The block matches its header in all that can be checked.\n"
    );
    let run = replay(&["--quiet", &good, &failing]);
    assert!(
        run.stdout
            .starts_with(&format!("FAILED: block 1 of {failing}\n")),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.ends_with("\n\n1 of 2 blocks failed.\n"),
        "{}",
        run.stdout
    );
}

#[test]
fn a_folder_is_in_the_order_of_block_numbers() {
    let folder = Folder::new();
    for name in ["10.json", "9.json.gz", "100.json", "b.json", "a.json"] {
        // Only the order matters: what is in the files may be wrong.
        folder.json(name, &json!({}));
    }
    let run = replay(&["--json", folder.path()]);
    let (lines, _) = run.lines();
    let names: Vec<_> = lines
        .iter()
        .map(|line| {
            line["source"]
                .as_str()
                .and_then(|path| path.rsplit('/').next())
        })
        .collect();
    let expected = ["9.json.gz", "10.json", "100.json", "a.json", "b.json"];
    assert_eq!(names, expected.map(Some));
}

#[test]
fn mainnet_blocks_pass() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/ethereum/blocks");
    if !folder.is_dir() {
        println!("skipped: there is no folder {}", folder.display());
        return;
    }
    let folder = folder.to_str().expect("the path is text");
    let run = replay(&["--json", "--strategy", "serial", folder]);
    assert_eq!(run.code, Some(0));
    let (lines, summary) = run.lines();
    assert_eq!((lines.len(), &summary["failed"]), (44, &json!(0)));
    let numbers: Vec<_> = lines.iter().map(|line| line["block"].as_u64()).collect();
    assert!(numbers.is_sorted());
    for line in &lines {
        assert_eq!(line["header_ok"], true);
        assert_eq!(line["checks"]["state_root"], Value::Null);
        let byzantium = line["block"].as_u64() >= Some(4_370_000);
        let receipts = if byzantium { json!(true) } else { Value::Null };
        assert_eq!(line["checks"]["receipts_root"], receipts);
        assert_eq!(line["attempts"], line["transactions"]);
    }
}
