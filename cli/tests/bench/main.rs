//! `pleach bench` as a user runs it: `payments` here, `pipeline` in a file of its own.

mod pipeline;

use std::process::{Command, Output};

use serde_json::Value;

const TINY: [&str; 10] = [
    "--transactions",
    "100",
    "--accounts",
    "10,2",
    "--rounds",
    "0",
    "--repeat",
    "2",
    "--workers",
    "2,1,2",
];

fn command(arguments: &[&str]) -> Command {
    program("payments", arguments)
}

fn program(what: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pleach"));
    command.args(["bench", what]).args(arguments);
    command.env("NO_COLOR", "1").env_remove("COLUMNS");
    command
}

fn bench(arguments: &[&str]) -> (Option<i32>, String, String) {
    run(command(arguments))
}

fn run(mut command: Command) -> (Option<i32>, String, String) {
    let output: Output = command.output().expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("it is text");
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(!stderr.contains("panicked"), "{stderr}");
    (output.status.code(), stdout, stderr)
}

fn objects(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .collect()
}

#[test]
fn the_table_has_a_row_for_each_engine_and_number_of_workers() {
    let (code, stdout, stderr) = bench(&TINY);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let mut lines = stdout.lines();
    let header = lines.next().expect("there is a header");
    for column in ["accounts", "txs/s", "us/tx", "speed-up", "cores busy"] {
        assert!(header.contains(column), "{header}");
    }
    let rows: Vec<&str> = lines
        .skip(1)
        .take_while(|line| !line.contains("a block"))
        .collect();
    let engines = [
        ("plain loop", "1"),
        ("serial", "1"),
        ("exact", "1"),
        ("exact", "2"),
        ("optimistic", "1"),
        ("optimistic", "2"),
        ("auto", "1"),
        ("auto", "2"),
        ("block-stm", "1"),
        ("block-stm", "2"),
    ];
    // A line between the cases, and one after them, is empty.
    assert_eq!(rows.len(), 2 * (engines.len() + 1), "{stdout}");
    for (case, accounts) in rows.chunks(engines.len() + 1).zip(["10", "2"]) {
        assert!(case[0].trim_start().starts_with(accounts), "{stdout}");
        for (row, (engine, workers)) in case.iter().zip(engines) {
            let (_, numbers) = row.split_once(engine).expect("the engine is named");
            let numbers: Vec<&str> = numbers.split_whitespace().collect();
            assert_eq!((numbers.len(), numbers[0]), (6, workers), "{row}");
        }
        let plain: Vec<&str> = case[0].split_whitespace().collect();
        assert_eq!(plain[plain.len() - 3], "1.00", "it is as fast as itself");
    }
    assert!(stdout.contains("100 payments a block"), "{stdout}");
}

#[test]
fn the_table_fits_the_screen() {
    let case = ["--transactions", "10", "--accounts", "100000"];
    let small = ["--rounds", "0", "--repeat", "1", "--workers", "1"];
    // Which columns are left out between the extremes depends on how long the figures are.
    for width in [140, 80, 60] {
        let mut command = command(&[case.as_slice(), &small].concat());
        let output = command.env("COLUMNS", width.to_string()).output();
        let text = String::from_utf8(output.expect("the program starts").stdout);
        let text = text.expect("it is text");
        for line in text.lines() {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
        let header = text.lines().next().expect("there is a header");
        let has = |column| header.contains(column);
        assert!(has("engine") && has("txs/s") && has("speed-up"), "{text}");
        assert!(width < 140 || has("us/tx") && has("attempts"), "{text}");
        assert!(width > 60 || !has("us/tx") && !has("attempts"), "{text}");
        // What is left out is not explained either.
        for column in ["attempts", "cores busy"] {
            let explains = |line: &str| line.starts_with(column);
            assert_eq!(text.lines().any(explains), has(column), "{text}");
        }
    }
}

#[test]
fn programs_get_the_same_as_lines_of_json() {
    let (code, stdout, stderr) = bench(&[&TINY[..], &["--json"]].concat());
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let lines = objects(&stdout);
    assert_eq!(lines.len(), 20);
    for (index, line) in lines.iter().enumerate() {
        let number = |name: &str| line[name].as_f64().expect("a number");
        assert_eq!(line["accounts"], if index < 10 { 10 } else { 2 });
        assert_eq!(line["transactions"], 100);
        assert_eq!(line["rounds"], 0);
        assert_eq!(line["runs"], 2);
        let product = number("transactions_per_second") * number("microseconds_per_transaction");
        assert!((product / 1e6 - 1.0).abs() < 1e-6, "{line}");
        assert!(number("speedup") > 0.0, "{line}");
        assert!(line.get("cores_busy").is_some(), "{line}");
    }
    assert_eq!(lines[3]["engine"], "exact");
    assert_eq!(lines[3]["workers"], 2);
}

#[test]
fn limits_are_named() {
    for (arguments, message) in [
        (["--transactions", "0"], "0 is not in 1..=1000000"),
        (
            ["--transactions", "1000001"],
            "1000001 is not in 1..=1000000",
        ),
        (["--accounts", "10,1"], "1 is not in 2..=10000000"),
        (["--accounts", "many"], "invalid digit found in string"),
        (["--rounds", "1000001"], "1000001 is not in 0..=1000000"),
        (["--workers", "0"], "0 is not in 1..=256"),
        (["--workers", "1,257"], "257 is not in 1..=256"),
        (["--repeat", "0"], "0 is not in 1..=1000"),
    ] {
        let (code, stdout, stderr) = bench(&arguments);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(stderr.contains(message), "{arguments:?}: {stderr}");
        assert!(stderr.contains(arguments[0]), "{arguments:?}: {stderr}");
    }
}

#[test]
#[cfg(unix)]
fn ctrl_c_keeps_what_is_done() {
    use std::{
        io::{BufRead, BufReader, Read},
        process::Stdio,
    };

    // The first case is soon done, the second takes minutes.
    let mut child = command(&["--json", "--accounts", "10", "--rounds", "0,1000000"])
        .args(["--repeat", "2", "--workers", "1,2"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut lines = String::new();
    stdout.read_line(&mut lines).expect("it is text");
    let id = child.id().to_string();
    let killed = Command::new("kill").args(["-INT", &id]).status();
    assert!(killed.expect("there is a kill").success());
    stdout.read_to_string(&mut lines).expect("it is text");
    let output = child.wait_with_output().expect("it ends");

    assert_eq!(output.status.code(), Some(130));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let lines = objects(&lines);
    assert_eq!(lines.len(), 10);
    assert!(lines.iter().all(|line| line["rounds"] == 0));
}
