//! `pleach bench` as a user runs it: native workloads here, Ethereum blocks and `pipeline` in files of their own.

mod ethereum;
mod pipeline;

use std::process::{Command, Output};

use serde_json::Value;

const TINY: [&str; 10] = [
    "--txs",
    "100",
    "--accounts",
    "10,2",
    "--work",
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

/// The lines of blocks, without those of geometric means, which are at the end.
fn objects(text: &str) -> Vec<Value> {
    let lines = text.lines();
    let all: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .collect();
    let rows = all.iter().take_while(|line| line.get("summary").is_none());
    let rows: Vec<_> = rows.cloned().collect();
    let mut summaries = all[rows.len()..].iter();
    assert!(summaries.all(|line| line["summary"] == "geometric-mean"));
    rows
}

const ENGINES: [(&str, &str); 12] = [
    ("plain", "1"),
    ("serial", "1"),
    ("block-stm", "1"),
    ("block-stm", "2"),
    ("bohm", "1"),
    ("bohm", "2"),
    ("pleach-exact", "1"),
    ("pleach-exact", "2"),
    ("pleach-optimistic", "1"),
    ("pleach-optimistic", "2"),
    ("pleach-auto", "1"),
    ("pleach-auto", "2"),
];

#[test]
fn the_table_has_a_row_for_each_engine_and_number_of_workers() {
    let values = ["--balances", "values"];
    let mut command = command(&[&TINY[..], &values].concat());
    command.env("COLUMNS", "200");
    let (code, stdout, stderr) = run(command);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let titles = stdout.lines().filter(|line| line.starts_with("payments: "));
    let titles: Vec<_> = titles.collect();
    assert!(
        titles.len() == 2 && titles[0].contains("accounts 10,"),
        "{stdout}"
    );
    assert!(
        titles[1].contains("accounts 2, balances values"),
        "{stdout}"
    );
    for column in [
        "TPS", "speed-up", "of bound", "CPU us", "attempts", "p99 us",
    ] {
        assert_eq!(
            stdout
                .lines()
                .filter(|line| line.contains(column) && line.contains("engine"))
                .count(),
            2
        );
    }
    let mut rows = stdout
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    for (engine, workers) in ENGINES.iter().chain(&ENGINES) {
        let row = rows
            .by_ref()
            .find(|row| row.starts_with(&[*engine, *workers]));
        let row = row.unwrap_or_else(|| panic!("{engine} is missing: {stdout}"));
        assert_eq!(row.len(), 13, "{row:?}");
        assert!(
            *engine != "plain" || row[5] == "1.00",
            "it is as fast as itself"
        );
    }
}

#[test]
fn the_table_fits_the_screen() {
    let small = ["--txs", "10", "--repeat", "1", "--workers", "1", "--quick"];
    // Which columns are left out between the extremes depends on how long the figures are.
    for width in [160, 100, 80, 60] {
        let mut command = command(&small);
        let output = command.env("COLUMNS", width.to_string()).output();
        let text = String::from_utf8(output.expect("the program starts").stdout);
        let text = text.expect("it is text");
        for line in text.lines() {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
        let mut headers = text.lines().filter(|line| line.starts_with("engine"));
        let header = headers.next().expect("there is a header");
        let has = |column| header.contains(column);
        assert!(has("TPS") && has("speed-up"), "{text}");
        assert!(width < 160 || has("allocs") && has("slowest"), "{text}");
        assert!(width > 60 || !has("allocs") && !has("slowest"), "{text}");
        // What is left out is not explained either.
        for column in ["attempts", "allocs", "CPU us"] {
            let explains = |line: &str| line.starts_with(column);
            assert_eq!(text.lines().any(explains), has(column), "{text}");
        }
    }
}

#[test]
fn programs_get_the_same_as_lines_of_json() {
    let adds = ["--balances", "adds", "--json"];
    let (code, stdout, stderr) = bench(&[&TINY[..], &adds].concat());
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let lines = objects(&stdout);
    assert_eq!(lines.len(), 24);
    for (index, line) in lines.iter().enumerate() {
        let number = |name: &str| line[name].as_f64().expect("a number");
        let (engine, workers) = ENGINES[index % 12];
        assert_eq!(
            (&line["workload"], &line["engine"]),
            (&"payments".into(), &engine.into())
        );
        assert_eq!(line["workers"].to_string(), workers);
        let params = &line["params"];
        assert_eq!(params["accounts"], if index < 12 { 10 } else { 2 });
        assert_eq!(params["balances"], "adds");
        assert_eq!(
            (&params["work"], &params["zipf"]),
            (&0.into(), &Value::Null)
        );
        assert_eq!(
            (&line["transactions"], &line["runs"]),
            (&100.into(), &2.into())
        );
        assert!(number("tps") > 0.0 && number("speedup") > 0.0, "{line}");
        assert!(number("attempts_per_tx") >= 1.0, "{line}");
        assert!(
            number("peak_alloc_mb") > 0.0,
            "the allocator counts: {line}"
        );
        assert!(number("commit_p50_us") <= number("commit_p99_us"), "{line}");
        assert!(number("efficiency") > 0.0, "{line}");
        assert!(line.get("cpu_s_per_tx").is_some() && line.get("peak_rss_mb").is_some());
    }
}

#[test]
fn the_page_shows_what_was_measured() {
    let folder = tempfile::tempdir().expect("there is room");
    let file = folder.path().join("page.html");
    let path = file.to_str().expect("it is text");
    let (code, stdout, stderr) = bench(&[&TINY[..], &["--json", "--html", path]].concat());
    assert_eq!(code, Some(0), "{stderr}");
    let page = std::fs::read_to_string(&file).expect("it was written");
    for text in [
        "payments",
        "pleach-exact",
        "block-stm",
        "simulated",
        "--html",
        "cores",
        "rustc",
        "UTC",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert!(
        !objects(&stdout).is_empty() && page.ends_with("</html>\n"),
        "it is whole"
    );

    let nowhere = folder.path().join("none/page.html");
    let nowhere = nowhere.to_str().expect("it is text");
    let (code, stdout, stderr) = bench(&[&TINY[..], &["--html", nowhere]].concat());
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(stderr.contains("page.html cannot be written"), "{stderr}");
}

#[test]
fn engines_and_workloads_are_chosen_by_name() {
    let mut command = program(
        "mint",
        &["chain", "mint", "--engines", "bohm,plain", "--json"],
    );
    command.args(["--txs", "50", "--workers", "2", "--quick", "--repeat", "1"]);
    let (code, stdout, stderr) = run(command);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let lines = objects(&stdout);
    let names = lines
        .iter()
        .map(|line| (line["workload"].as_str(), line["engine"].as_str()));
    let expected = ["mint", "mint", "chain", "chain"].into_iter();
    let expected =
        expected.flat_map(|name| ["plain", "bohm"].map(|engine| (Some(name), Some(engine))));
    assert!(names.eq(expected), "{stdout}");
}

#[test]
fn engines_that_cannot_take_part_are_refused() {
    let (code, stdout, stderr) = run(program("evm-swaps", &["payments", "--engines", "bohm"]));
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(
        stderr.contains("none of the engines bohm executes evm-swaps: that takes one of plain,"),
        "{stderr}"
    );
    let (code, stdout, stderr) = run(program(
        "evm-transfers",
        &[
            "--engines",
            "bohm,serial",
            "--mgas",
            "1",
            "--quick",
            "--json",
        ],
    ));
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let lines = objects(&stdout);
    assert!(
        lines
            .iter()
            .all(|line| line["engine"] == "plain" || line["engine"] == "serial")
    );
}

#[test]
fn what_was_measured_is_shown_again() {
    let folder = tempfile::tempdir().expect("there is room");
    let file = folder.path().join("rows.jsonl");
    let path = file.to_str().expect("it is text");
    let (code, stdout, stderr) = bench(&[&TINY[..], &["--json"]].concat());
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    std::fs::write(&file, &stdout).expect("there is room");
    let again = |arguments: &[&str]| {
        let (code, text, stderr) = bench(&[&["--from", path], arguments].concat());
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{arguments:?}");
        text
    };
    // Of numbers the last digit may be another one when they were read.
    let near = |one: &Value, other: &Value| match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => (one - other).abs() <= 1e-9 * one.abs(),
        _ => one == other,
    };
    let read = again(&["--json"]);
    assert_eq!(read.lines().count(), stdout.lines().count());
    for (line, before) in read.lines().zip(stdout.lines()) {
        let [line, before]: [Value; 2] =
            [line, before].map(|line| serde_json::from_str(line).expect("each line is JSON"));
        for name in [
            "workload", "params", "engine", "workers", "tps", "summary", "against", "ratio",
        ] {
            assert!(near(&line[name], &before[name]), "{line} was {before}");
        }
    }

    let text = again(&["--markdown"]);
    let mut lines = text.lines();
    let header = "| accounts | balances | plain, tx/s | serial | block-stm, 1 | block-stm, 2 | bohm, 1 | bohm, 2 | exact, 1 | exact, 2 \
                  | optimistic, 1 | optimistic, 2 | auto, 1 | auto, 2 |";
    assert_eq!(lines.next(), Some("#### payments"));
    assert!(text.contains("All: seed 7, txs 100"), "{text}");
    assert!(lines.any(|line| line == header), "{text}");
    let rows = lines.clone().skip(1).take_while(|line| !line.is_empty());
    let rows: Vec<_> = rows.collect();
    assert_eq!(rows.len(), 4, "{text}");
    assert!(rows[0].starts_with("| 10 | values | "), "{text}");
    let means = "| workload | blocks | serial | bohm, 1 | bohm, 2 | exact, 1 | exact, 2 | optimistic, 1 | optimistic, 2 | auto, 1 | \
                 auto, 2 |";
    assert!(lines.clone().any(|line| line == means), "{text}");
    let mean = lines.find(|line| line.starts_with("| all | 4 | "));
    assert_eq!(mean.map(|line| line.matches(" | ").count()), Some(12));

    let narrow = [
        "--accounts",
        "2",
        "--balances",
        "adds",
        "--engines",
        "bohm",
        "--workers",
        "2",
    ];
    let text = again(&[&narrow[..], &["--markdown=costs"]].concat());
    let rows: Vec<_> = text.lines().filter(|line| line.contains("k | ")).collect();
    let titles = text
        .lines()
        .filter(|line| line.starts_with("payments: accounts 2, balances adds"));
    assert_eq!((titles.count(), text.matches("bohm, 2 |").count()), (1, 1));
    assert!(rows.len() <= 2 && text.contains("| plain, 1 |"), "{text}");

    for (lines, message) in [
        ("{}", "line 1: missing field `workload`"),
        ("nothing", "line 1: expected"),
        ("{\"summary\":\"\"}\n", "has no such rows"),
    ] {
        std::fs::write(&file, lines).expect("there is room");
        let (code, text, stderr) = bench(&["--from", path, "--markdown"]);
        assert_eq!((code, text.as_str()), (Some(2), ""), "{lines}");
        assert!(stderr.contains(message), "{stderr}");
    }
    let (code, _, stderr) = bench(&["--from", path, "--quick"]);
    assert!(code == Some(2) && stderr.contains("--quick"), "{stderr}");
}

#[test]
fn limits_are_named() {
    for (arguments, message) in [
        (["--txs", "0"], "0 is not in 1..=1000000"),
        (["--txs", "1000001"], "1000001 is not in 1..=1000000"),
        (["--accounts", "10,1"], "1 is not in 2..=10000000"),
        (["--accounts", "many"], "invalid digit found in string"),
        (["--work", "1000001"], "1000001 is not in 0..=1000000"),
        (["--workers", "0"], "0 is not in 1..=256"),
        (["--workers", "1,257"], "257 is not in 1..=256"),
        (["--repeat", "0"], "0 is not in 1..=1000"),
        (["--zipf", "1"], "1 is not from 0 to below 1"),
        (["--zipf", "nan"], "nan is not from 0 to below 1"),
        (["--zipf", "0.5"], "--zipf means nothing for payments"),
        (["--hot", "101"], "101 is not in 0..=100"),
        (["--hot", "50"], "--hot means nothing for payments"),
        (["--latency-us", "1000001"], "1000001 is not in 0..=1000000"),
        (["--mgas", "5"], "--mgas means nothing for payments"),
        (["--kind", "odd"], "possible values: independent, uniform"),
        (["--balances", "both"], "it is `values` or `adds`"),
        (
            ["--engines", "fastest"],
            "possible values: plain, serial, block-stm",
        ),
    ] {
        let (code, stdout, stderr) = bench(&arguments);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(stderr.contains(message), "{arguments:?}: {stderr}");
        assert!(stderr.contains(arguments[0]), "{arguments:?}: {stderr}");
    }
    let (code, _, stderr) = run(program("ycsb", &["--accounts", "9"]));
    assert_eq!(code, Some(2));
    assert!(
        stderr.contains("--accounts is at least 10 for ycsb"),
        "{stderr}"
    );
    let (code, _, stderr) = run(program("nothing", &[]));
    assert!(
        code == Some(2) && stderr.contains("possible values: payments"),
        "{stderr}"
    );
}

#[test]
#[cfg(unix)]
fn ctrl_c_keeps_what_is_done() {
    use std::{
        io::{BufRead, BufReader, Read},
        process::Stdio,
    };

    // The first case is soon done, the second takes minutes.
    let mut child = command(&["--json", "--accounts", "10", "--work", "0,1000000"])
        .args(["--repeat", "2", "--workers", "1,2"])
        .args(["--balances", "values", "--txs", "10000"])
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
    assert_eq!(lines.len(), 12);
    assert!(lines.iter().all(|line| line["params"]["work"] == 0));
}
