//! `pleach bench evm-...` as a user runs it.

use crate::{objects, program, run};

const TINY: [&str; 6] = ["--mgas", "1", "--workers", "1,2", "--repeat", "2"];

const ENGINES: [(&str, usize); 6] = [
    ("plain", 1),
    ("serial", 1),
    ("pleach-optimistic", 1),
    ("pleach-optimistic", 2),
    ("pleach-auto", 1),
    ("pleach-auto", 2),
];

#[test]
fn blocks_are_measured_as_all_else_is() {
    let arguments = [
        &TINY[..],
        &["evm-swaps", "payments", "--kind", "independent,chained"],
        &[
            "--hints",
            "none,accesses",
            "--txs",
            "30",
            "--accounts",
            "20",
        ],
        &["--balances", "values", "--json"],
    ];
    let (code, stdout, stderr) = run(program("evm-erc20", &arguments.concat()));
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let lines = objects(&stdout);
    let blocks = lines.iter().filter(|line| line["workload"] != "payments");
    let blocks: Vec<_> = blocks.collect();
    assert_eq!((blocks.len(), lines.len()), (2 * 2 * 2 * 6, 48 + 12));
    for (index, line) in blocks.iter().enumerate() {
        let number = |name: &str| line[name].as_f64().expect("a number");
        let (engine, workers) = ENGINES[index % 6];
        assert_eq!(line["workload"], ["evm-erc20", "evm-swaps"][index / 24]);
        assert_eq!(
            (&line["engine"], &line["workers"]),
            (&engine.into(), &workers.into())
        );
        let params = &line["params"];
        assert_eq!(params["kind"], ["independent", "chained"][index / 12 % 2]);
        assert_eq!(params["hints"], ["none", "accesses"][index / 6 % 2]);
        assert_eq!(
            (&params["mgas"], &params["latency_us"]),
            (&1.into(), &0.into())
        );
        assert_eq!(line["runs"], 2);
        let transactions = number("transactions");
        // Blocks of a million gas have just as many as go in.
        let gas = number("mgas_per_s") * 1e6 / number("tps") * transactions;
        assert!((1e6..1.2e6).contains(&gas), "{line}");
        assert!(number("attempts_per_tx") >= 1.0, "{line}");
        assert!(
            number("peak_alloc_mb") > 0.0,
            "the allocator counts: {line}"
        );
        assert!(number("commit_p50_us") <= number("commit_p99_us"), "{line}");
        assert!(
            number("efficiency") > 0.0 && number("bound") >= 1.0,
            "{line}"
        );
    }
}

#[test]
fn the_page_and_the_table_have_blocks_too() {
    let folder = tempfile::tempdir().expect("there is room");
    let file = folder.path().join("page.html");
    let path = file.to_str().expect("it is text");
    let more = [
        "--kind",
        "hot",
        "--accounts",
        "40",
        "--hot",
        "60",
        "--html",
        path,
    ];
    let mut command = program("evm-hybrid", &[&TINY[..], &more].concat());
    command.env("COLUMNS", "200");
    let (code, stdout, stderr) = run(command);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(stdout.starts_with("evm-hybrid: "), "{stdout}");
    assert!(stdout.contains("hot 60, kind hot"), "{stdout}");
    let header = stdout.lines().find(|line| line.starts_with("engine"));
    assert!(
        header.is_some_and(|line| line.ends_with("Mgas/s")),
        "{stdout}"
    );
    let page = std::fs::read_to_string(&file).expect("it was written");
    for text in [
        "evm-hybrid",
        "simulated",
        "pleach-optimistic, measured",
        "Its tree",
    ] {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn a_slow_store_is_slow() {
    let more = ["--kind", "independent", "--latency-us", "0,200", "--json"];
    let engines = ["--engines", "serial"];
    let arguments = [&TINY[..], &more, &engines, &["--hints", "none"]].concat();
    let (code, stdout, stderr) = run(program("evm-transfers", &arguments));
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let lines = objects(&stdout);
    assert_eq!(lines.len(), 4);
    assert!(lines[0].get("read_us").is_none());
    let read = lines[2]["read_us"].as_f64();
    assert!(read >= Some(200.0), "{stdout}");
    // Each of 48 payments has two accounts of its own.
    let seconds = |line: &serde_json::Value| 1.0 / line["tps"].as_f64().expect("a number");
    assert!(
        seconds(&lines[2]) > 400e-6 && seconds(&lines[3]) > 400e-6,
        "{stdout}"
    );
}

#[test]
fn what_there_is_not_is_refused() {
    for (workload, arguments, message) in [
        (
            "evm-hybrid",
            ["--kind", "chained"],
            "there are no chained blocks of evm-hybrid",
        ),
        (
            "evm-erc20",
            ["--txs", "5"],
            "--txs means nothing for evm-erc20",
        ),
        ("evm-erc20", ["--mgas", "0"], "0 is not in 1..=10000"),
        (
            "evm-erc20",
            ["--hints", "all"],
            "possible values: none, tree, accesses",
        ),
        ("evm-erc20", ["--accounts", "1"], "1 is not in 2..=10000000"),
    ] {
        let (code, stdout, stderr) = run(program(workload, &arguments));
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(stderr.contains(message), "{arguments:?}: {stderr}");
    }
}
