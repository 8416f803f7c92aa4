//! `pleach fetch` against a node that is not one: it answers what the test says, and misbehaves on demand.
//! `.ci/fetch-anvil` runs it against a real one.

mod node;
mod whole;

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use node::{Node, Reply};
use pleach_evm::Content;
use serde_json::{Value, json};

/// Answers as a node that knows one block, without transactions, on a chain of its own.
fn answer(method: &str, params: &Value) -> Reply {
    match method {
        "eth_chainId" => Reply::Result(json!("0x539")),
        "eth_blockNumber" => Reply::Result(json!("0x9")),
        "eth_getBlockByNumber" if params[0] == "0x9" => Reply::Result(empty_block()),
        "eth_getBlockByNumber" => Reply::Result(Value::Null),
        "eth_getBalance" | "eth_getTransactionCount" => Reply::Result(json!("0x0")),
        "eth_getCode" => Reply::Result(json!("0x")),
        _ => Reply::Error(-32601, "the method does not exist"),
    }
}

/// The empty block of the sample chain.
fn empty_block() -> Value {
    sample()["blocks"][8].take()
}

/// The sample chain, as its file holds it.
fn sample() -> Value {
    let packed = fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../adapters/evm/sample/chain.json.gz"
    ));
    let packed = packed.expect("the sample is there");
    serde_json::from_reader(flate2::read::GzDecoder::new(packed.as_slice()))
        .expect("the sample is JSON")
}

fn fetch(node: &Node, folder: &Path, arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_pleach"))
        .args(["fetch", "--rpc", &node.url, "--out"])
        .arg(folder)
        .args(arguments)
        .output()
        .expect("the program starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("panicked"), "{stderr}");
    output
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_block_is_captured_once_and_can_be_read() {
    let node = Node::start(answer);
    let folder = tempfile::tempdir().expect("a folder");
    let output = fetch(&node, folder.path(), &["9", "--no-verify"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let path = folder.path().join("9.json.gz");
    let Ok(Content::Block(file)) = Content::read(&path) else {
        panic!("it is a block file");
    };
    assert_eq!(file.block.header.number, 9);
    assert_eq!(file.spec.chain_id(), 0x539);
    assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1);

    let requests = node.requests();
    let again = fetch(&node, folder.path(), &["9", "--no-verify"]);
    assert!(
        stderr(&again).contains("0 blocks captured"),
        "{}",
        stderr(&again)
    );
    assert_eq!(node.requests() - requests, 3, "only the chain is asked for");

    fs::write(&path, "half of a fi").expect("written");
    let repaired = fetch(&node, folder.path(), &["9", "--no-verify"]);
    assert!(stderr(&repaired).contains("1 blocks captured"));
    let forced = fetch(
        &node,
        folder.path(),
        &["9..latest", "--no-verify", "--force"],
    );
    assert!(stderr(&forced).contains("1 blocks captured"));
}

#[test]
fn a_block_that_does_not_match_its_header_is_kept_and_counted() {
    let node = Node::start(answer);
    let folder = tempfile::tempdir().expect("a folder");
    // The node hides a request that this block takes out of a queue.
    let output = fetch(&node, folder.path(), &["9"]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = stderr(&output);
    assert!(
        stderr.contains("block 9 was written but does not match its header"),
        "{stderr}"
    );
    assert!(stderr.contains("requests_hash: expected 0x"), "{stderr}");
    assert!(folder.path().join("9.json.gz").exists());
}

#[test]
fn what_passes_is_asked_again() {
    for trouble in [
        Reply::Http(429),
        Reply::Http(503),
        Reply::CutOff,
        Reply::Garbage,
        Reply::Error(-32005, "busy"),
    ] {
        let node = Node::failing_first(2, trouble.clone(), answer);
        let folder = tempfile::tempdir().expect("a folder");
        let output = fetch(&node, folder.path(), &["9", "--no-verify"]);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{trouble:?}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn what_does_not_pass_is_given_up_and_named() {
    let node = Node::start(|_, _| Reply::Http(503));
    let folder = tempfile::tempdir().expect("a folder");
    let output = fetch(&node, folder.path(), &["9", "--retries", "1"]);
    assert_eq!(output.status.code(), Some(2));
    let stderr = stderr(&output);
    assert!(
        stderr.contains(
            "gives no answer: eth_chainId, asked 2 times: the node answers with HTTP 503"
        ),
        "{stderr}"
    );
    assert_eq!(node.requests(), 2);
}

#[test]
fn missing_blocks_and_methods_are_named() {
    let with_transactions = |method: &str, params: &Value| match method {
        "eth_getBlockByNumber" if params[0] == "0x9" => {
            let mut block = empty_block();
            block["transactions"] = json!([{"hash": format!("0x{:064x}", 7)}]);
            Reply::Result(block)
        }
        _ => answer(method, params),
    };
    let node = Node::start(with_transactions);
    let folder = tempfile::tempdir().expect("a folder");
    let output = fetch(&node, folder.path(), &["8..9"]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = stderr(&output);
    assert!(
        stderr.contains("FAILED: block 8: the node has no block 8"),
        "{stderr}"
    );
    assert!(
        stderr.contains("FAILED: block 9: the node does not offer debug_traceBlockByNumber"),
        "{stderr}"
    );
    assert!(stderr.contains("0 blocks captured"), "{stderr}");
    assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 0);
}

#[test]
fn odd_answers_are_errors_and_no_panics() {
    let odd = [
        json!(null),
        json!(7),
        json!("0xzz"),
        json!([]),
        json!({"number": "0x9"}),
        json!([[1]]),
    ];
    for value in odd {
        for method in [
            "eth_chainId",
            "eth_getBlockByNumber",
            "eth_getBalance",
            "eth_getCode",
            "eth_getTransactionCount",
        ] {
            let value = value.clone();
            let node = Node::start(move |asked, params| {
                if asked == method {
                    Reply::Result(value.clone())
                } else {
                    answer(asked, params)
                }
            });
            let folder = tempfile::tempdir().expect("a folder");
            let output = fetch(
                &node,
                folder.path(),
                &["9", "--no-verify", "--retries", "0"],
            );
            assert!(matches!(output.status.code(), Some(0..=2)), "{method}");
        }
    }
}

#[test]
fn json_that_answers_nothing_is_an_error_and_no_panic() {
    for body in [
        "7",
        "\"x\"",
        "true",
        "null",
        "[7]",
        "[[1]]",
        "[]",
        "{}",
        "{\"id\":0}",
    ] {
        let node = Node::start(move |_, _| Reply::Body(body));
        let folder = tempfile::tempdir().expect("a folder");
        let output = fetch(&node, folder.path(), &["9", "--retries", "0"]);
        assert_eq!(output.status.code(), Some(2), "{body}");
        assert!(
            stderr(&output).contains("eth_chainId, asked 1 times: the node's answer is "),
            "{body}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn another_block_than_asked_for_is_refused() {
    let node = Node::start(|method, params| match method {
        "eth_getBlockByNumber" => Reply::Result(empty_block()),
        _ => answer(method, params),
    });
    let folder = tempfile::tempdir().expect("a folder");
    let output = fetch(&node, folder.path(), &["8", "--no-verify"]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = stderr(&output);
    assert!(
        stderr.contains("block 8: eth_getBlockByNumber: the node answers with another block"),
        "{stderr}"
    );
}

#[test]
fn the_node_says_how_long_to_wait() {
    let node = Node::failing_first(1, Reply::Busy(2), answer);
    let folder = tempfile::tempdir().expect("a folder");
    let begin = Instant::now();
    let output = fetch(&node, folder.path(), &["9", "--no-verify"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(begin.elapsed() >= Duration::from_secs(2));
}

#[test]
fn an_address_that_is_none_is_told_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    for url in ["nonsense", "ftp://127.0.0.1"] {
        let node = Node::start(answer).at(url);
        // Asked again, it would take days.
        let output = fetch(&node, folder.path(), &["9", "--retries", "10000"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(
            stderr(&output).contains("--rpc: it is no URL"),
            "{}",
            stderr(&output)
        );
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_it_and_leaves_no_file() {
    let node = Node::start(|method, params| match method {
        "eth_getBalance" => Reply::Http(503),
        _ => answer(method, params),
    });
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = Command::new(env!("CARGO_BIN_EXE_pleach"))
        .args([
            "fetch",
            "--rpc",
            &node.url,
            "9",
            "--retries",
            "10000",
            "--out",
        ])
        .arg(folder.path())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    while node.requests() < 4 {
        thread::sleep(Duration::from_millis(10));
    }
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(sent.expect("kill is there").success());
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 0);
}

#[test]
fn wrong_usage_is_told() {
    let node = Node::start(answer);
    let folder = tempfile::tempdir().expect("a folder");
    for (arguments, message) in [
        (&["9..7"][..], "the range ends before it starts"),
        (&["nine"], "`nine` is no block number"),
        (
            &["12..latest"],
            "the newest block of the node is 9, before 12",
        ),
        (&["9", "--concurrency", "0"], "0 is not in 1..=256"),
        (
            &["9", "--hardfork", "thames"],
            "\"thames\" is no fork of Ethereum",
        ),
        (&[], "required"),
    ] {
        let output = fetch(&node, folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(message), "{}", stderr(&output));
    }
}
