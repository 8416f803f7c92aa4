//! Bad input: one clear message, the right exit code, no panic, and all else still runs.

use serde_json::{Value, json};

use crate::support::{Folder, block_file, replay, replay_changed, sample, sample_bytes};

#[test]
fn the_block_file_that_is_spoilt_here_is_good() {
    let folder = Folder::new();
    let run = replay(&[&folder.gzip("1.json.gz", &block_file())]);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    run.says(&["The block matches its header in all that can be checked."]);
}

#[test]
fn missing_file() {
    let folder = Folder::new();
    let path = format!("{}/7.json", folder.path());
    let run = replay(&[&path]);
    assert_eq!(run.code, Some(2));
    run.says(&[
        &path,
        "cannot be read",
        "No block was run. 1 input could not be read.",
    ]);
}

#[test]
fn truncated_gzip() {
    let folder = Folder::new();
    let bytes = sample_bytes();
    let path = folder.write("1.json.gz", &bytes[..bytes.len() / 2]);
    let run = replay(&[&path]);
    assert_eq!(run.code, Some(2));
    run.says(&[&path, "is not whole gzip"]);
}

#[test]
fn broken_json() {
    let folder = Folder::new();
    let json = block_file().to_string();
    let path = folder.write("1.json", &json.as_bytes()[..json.len() / 2]);
    let run = replay(&[&path]);
    assert_eq!(run.code, Some(2));
    run.says(&[&path, "is not JSON: EOF while parsing", "line 1 column"]);
}

#[test]
fn other_json() {
    let folder = Folder::new();
    for other in [json!({}), json!({ "genesis": {} })] {
        let run = replay(&[&folder.json("1.json", &other)]);
        assert_eq!(run.code, Some(2));
        run.says(&["is neither a block file"]);
    }
    let run = replay(&[&folder.json("1.json", &json!([1, 2]))]);
    assert_eq!(run.code, Some(2));
    run.says(&["1.json"]);
}

#[test]
fn field_of_the_wrong_kind() {
    let run = replay_changed(|file| file["block"]["gasUsed"] = json!("many"));
    assert_eq!(run.code, Some(2));
    run.says(&["block.gasUsed"]);
    let run = replay_changed(|file| file["block"]["transactions"][1]["nonce"] = json!([]));
    assert_eq!(run.code, Some(2));
    run.says(&["block.transactions[1]"]);
    let run = replay_changed(|file| file["preState"] = json!({ "0x12": {} }));
    assert_eq!(run.code, Some(2));
    run.says(&["preState"]);
    let run = replay_changed(|file| file["hardfork"] = json!("atlantis"));
    assert_eq!(run.code, Some(2));
    run.says(&["atlantis"]);
}

#[test]
fn code_that_does_not_hash_to_its_key() {
    let mut keys = Vec::new();
    let run = replay_changed(|file| {
        let codes = file["codes"].as_object_mut().expect("an object");
        let (hash, code) = codes.iter_mut().next().expect("a contract");
        keys.push(hash.clone());
        *code = json!("0x00");
    });
    assert_eq!(run.code, Some(2));
    run.says(&[
        "code does not match its hash",
        "expected",
        "found",
        &keys[0],
    ]);
}

#[test]
fn forged_sender() {
    let forged = "0x00000000000000000000000000000000000000aa";
    let mut sender = String::new();
    let run = replay_changed(|file| {
        let from = &mut file["block"]["transactions"][2]["from"];
        sender = from.take().as_str().expect("a string").to_owned();
        *from = json!(forged);
    });
    assert_eq!(run.code, Some(1));
    run.says(&[
        "FAILED: block 1 of",
        "check failed: senders",
        "transaction 2",
        "1 of 1 block failed.",
    ]);
    let text = run.stdout.to_lowercase();
    assert!(text.contains(&sender) && text.contains(forged), "{text}");
}

#[test]
fn signature_without_a_sender() {
    let run = replay_changed(|file| {
        file["block"]["transactions"][2]["r"] = json!("0x0");
    });
    assert_eq!(run.code, Some(1));
    run.says(&[
        "FAILED: block 1 of",
        "transaction 2: its signature has no sender",
    ]);
}

#[test]
fn nonce_too_high() {
    let run = replay_changed(|file| {
        let transactions = file["block"]["transactions"]
            .as_array_mut()
            .expect("an array");
        // Without those before it, this one comes too early.
        let second = transactions.iter().position(|it| it["nonce"] == "0x1");
        transactions.drain(..second.expect("a sender of two transactions"));
    });
    assert_eq!(run.code, Some(1));
    run.says(&[
        "FAILED: block 1 of",
        "transaction 0",
        "nonce 1 too high, expected 0",
    ]);
}

#[test]
fn transaction_over_the_gas_limit() {
    let run = replay_changed(|file| file["block"]["gasLimit"] = json!("0x5207"));
    assert_eq!(run.code, Some(1));
    run.says(&[
        "FAILED: block 1 of",
        "transaction 0",
        "gas limit of",
        "more than the 20999",
    ]);
}

#[test]
fn header_with_another_gas_used() {
    let run = replay_changed(|file| file["block"]["gasUsed"] = json!("0x5208"));
    assert_eq!(run.code, Some(1));
    run.says(&[
        "FAILED: block 1 of",
        "check failed: gas_used",
        "expected 21000",
        "found    ",
    ]);
    // The hash of the header cannot be right either.
    run.says(&["check failed: block_hash"]);
}

#[test]
fn header_with_other_logs() {
    let run = replay_changed(|file| {
        file["block"]["logsBloom"] = json!(format!("0x{}", "0".repeat(512)));
    });
    assert_eq!(run.code, Some(1));
    run.says(&["check failed: logs_bloom", "expected ", "found    "]);
    assert!(
        run.stdout.lines().all(|line| line.chars().count() <= 100),
        "{}",
        run.stdout
    );
}

#[test]
fn state_without_needed_code() {
    let hash = format!("0x{}", "ab".repeat(32));
    let mut sender = String::new();
    let run = replay_changed(|file| {
        sender = file["block"]["transactions"][0]["from"]
            .as_str()
            .expect("a string")
            .to_owned();
        file["preState"][&sender]["codeHash"] = json!(hash);
    });
    assert_eq!(run.code, Some(1));
    run.says(&[
        "FAILED: block 1 of",
        "transaction 0: the state could not be read",
        &hash,
        "is missing",
    ]);
    assert!(run.stdout.to_lowercase().contains(&sender));
}

#[test]
fn good_files_beside_a_bad_one_still_run() {
    let folder = Folder::new();
    let mut failing = block_file();
    failing["block"]["gasUsed"] = json!("0x1");
    folder.json("10.json", &block_file());
    let bad = folder.write("9.json", b"{");
    let failing = folder.gzip("1.json.gz", &failing);
    folder.write("README.md", b"no block");

    let run = replay(&[folder.path()]);
    assert_eq!(run.code, Some(2));
    run.says(&[
        &bad,
        &failing,
        "1 of 2 blocks failed. 1 input could not be read.",
    ]);

    let run = replay(&["--json", folder.path()]);
    assert_eq!(run.code, Some(2));
    let (lines, summary) = run.lines();
    assert_eq!(lines[0]["header_ok"], false);
    assert_eq!(lines[0]["checks"]["gas_used"], false);
    assert_eq!(lines[0]["checks"]["receipts_root"], true);
    assert_eq!(lines[0]["mismatches"][1]["expected"], "1");
    assert!(
        lines[0]["error"]
            .as_str()
            .expect("a message")
            .contains("gas_used: expected 1, found")
    );
    assert_eq!(lines[1]["source"], bad);
    assert!(
        lines[1]["error"]
            .as_str()
            .expect("a message")
            .contains("is not JSON")
    );
    assert_eq!(lines[2]["header_ok"], true);
    assert_eq!(lines[2].get("error"), None);
    assert_eq!(
        (&summary["blocks"], &summary["failed"]),
        (&json!(2), &json!(1))
    );
}

#[test]
fn empty_folder() {
    let folder = Folder::new();
    let run = replay(&[folder.path()]);
    assert_eq!(run.code, Some(2));
    run.says(&[folder.path(), "is a folder without block or chain files"]);
}

#[test]
fn bad_usage() {
    for arguments in [
        &["--fast"] as &[_],
        &["--workers", "0"],
        &["--workers", "some"],
        &["--repeat", "0"],
        &["--repeat", "10001"],
        &["--strategy", "magic"],
    ] {
        let run = replay(arguments);
        assert_eq!(run.code, Some(2), "{arguments:?}");
        run.says(&["error: ", arguments[0]]);
        assert_eq!(run.stdout, "");
    }
}

#[test]
fn chain_whose_blocks_do_not_follow_each_other() {
    let mut chain = sample();
    let blocks = chain["blocks"].as_array_mut().expect("an array");
    let parent = blocks[1]["hash"].clone();
    blocks.remove(1);
    let folder = Folder::new();
    let path = folder.gzip("chain.json.gz", &chain);
    let run = replay(&[&path]);
    assert_eq!(run.code, Some(2));
    run.says(&[
        &path,
        "block 3 does not follow the one before it",
        parent.as_str().expect("a string"),
    ]);
}

#[test]
fn chain_without_blocks() {
    let mut chain = sample();
    chain["blocks"] = json!([]);
    let folder = Folder::new();
    let run = replay(&[&folder.json("chain.json", &chain)]);
    assert_eq!(run.code, Some(2));
    run.says(&["is a chain without blocks"]);
}

/// The fates of a chain's blocks, whose block at `index` was changed.
fn fates(index: usize, field: &str, value: Value) -> (Vec<Value>, Value) {
    let mut chain = sample();
    chain["blocks"][index][field] = value;
    let folder = Folder::new();
    let path = folder.gzip("chain.json.gz", &chain);
    let run = replay(&["--json", &path]);
    assert_eq!(run.code, Some(1));
    let (lines, summary) = run.lines();
    (
        lines
            .into_iter()
            .map(|mut line| line["header_ok"].take())
            .collect(),
        summary,
    )
}

#[test]
fn a_chain_goes_on_after_a_failed_check() {
    let (fates, summary) = fates(4, "gasUsed", json!("0x1"));
    assert_eq!(fates.len(), 24);
    for (index, fate) in fates.iter().enumerate() {
        assert_eq!(*fate, json!(index != 4));
    }
    assert_eq!(
        (&summary["failed"], &summary["not_run"]),
        (&json!(1), &json!(0))
    );
}

#[test]
fn a_chain_ends_where_a_block_cannot_be_executed() {
    let (fates, summary) = fates(4, "gasLimit", json!("0x1"));
    assert_eq!(fates.len(), 24);
    assert_eq!(fates[..4], [true; 4].map(Value::from));
    assert_eq!(fates[4], false);
    assert_eq!(fates[5..], vec![Value::Null; 19]);
    assert_eq!(
        (&summary["failed"], &summary["not_run"]),
        (&json!(1), &json!(19))
    );
}
