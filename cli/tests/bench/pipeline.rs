//! `pleach bench pipeline` as a user runs it.

use crate::{objects, program, run};

const TINY: [&str; 14] = [
    "--blocks",
    "20",
    "--transactions",
    "20",
    "--accounts",
    "50",
    "--rounds",
    "0",
    "--repeat",
    "1",
    "--seconds",
    "1",
    "--latency-us",
    "0,10",
];

#[test]
fn the_table_has_both_ways_for_each_store() {
    for width in [140, 80, 60] {
        let mut command = program("pipeline", &TINY);
        command.env("COLUMNS", width.to_string());
        let (code, stdout, stderr) = run(command);
        assert_eq!((code, stderr.as_str()), (Some(0), ""));
        for line in stdout.lines() {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
        let rows = stdout.lines().skip(2).take(4);
        let rows: Vec<Vec<_>> = rows.map(|row| row.split_whitespace().collect()).collect();
        assert_eq!(rows[0][..4], ["0", "block", "by", "block"], "{stdout}");
        assert_eq!(rows[1][0], "pipeline", "{stdout}");
        assert_eq!(rows[2][..4], ["10", "block", "by", "block"], "{stdout}");
        assert_eq!(rows[3][0], "pipeline", "{stdout}");
        assert!(stdout.contains("20 payments a block"), "{stdout}");
        assert_eq!(stdout.matches("Overload").count(), 2, "{stdout}");
    }
}

#[test]
fn programs_get_lines_of_json() {
    let target = ["--target-ms", "250", "--overload", "2", "--json"];
    let (code, stdout, stderr) = run(program("pipeline", &[&TINY[..], &target].concat()));
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let lines = objects(&stdout);
    assert_eq!(lines.len(), 6);
    for (case, latency) in lines.chunks(3).zip([0, 10]) {
        let names: Vec<_> = case.iter().map(|line| &line["how"]).collect();
        assert_eq!(names, ["block by block", "pipeline", "overload"]);
        assert!(case.iter().all(|line| line["latency_us"] == latency));
        for line in &case[..2] {
            let number = |name: &str| line[name].as_f64().expect("a number");
            assert!(number("blocks_per_s") > 0.0, "{line}");
            assert!(number("p50_ms") <= number("p99_ms"), "{line}");
            assert!(number("p99_ms") <= number("p999_ms"), "{line}");
        }
        let number = |name: &str| case[2][name].as_f64().expect("a number");
        assert!((number("target_ms") - 250.0).abs() < 1e-6);
        let ratio = number("offered_blocks_per_s") / number("best_blocks_per_s");
        assert!((ratio - 2.0).abs() < 1e-6, "{ratio}");
    }
}

#[test]
fn limits_are_named() {
    for (arguments, message) in [
        (["--blocks", "19"], "19 is not in 20..=100000"),
        (["--accounts", "1"], "1 is not in 2..=10000000"),
        (["--latency-us", "1,100001"], "100001 is not in 0..=100000"),
        (["--overload", "0.5"], "--overload is from 1 to 100"),
        (["--overload", "nan"], "--overload is from 1 to 100"),
        (["--seconds", "0"], "0 is not in 1..=3600"),
        (["--target-ms", "0"], "0 is not in 1..=600000"),
    ] {
        let (code, stdout, stderr) = run(program("pipeline", &arguments));
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(stderr.contains(message), "{arguments:?}: {stderr}");
    }
}
