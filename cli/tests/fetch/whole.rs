//! A block with transactions, captured from a node, executed and replayed: the first of the sample chain, whose state
//! before is its genesis.

use std::process::Command;

use serde_json::{Map, Value, json};

use super::{
    fetch,
    node::{Node, Reply},
    sample, stderr,
};

/// A node that knows the first block of the sample chain. `trace` may change what it says of the transactions.
fn node(trace: fn(&mut Vec<Value>)) -> impl Fn(&str, &Value) -> Reply + Send {
    let mut sample = sample();
    let block = sample["blocks"][0].take();
    let accounts = sample["genesis"]["alloc"].take();
    let mut traces = traces(&block, &accounts);
    trace(&mut traces);
    move |method, params| {
        let account = |field: &str, absent: &str| {
            assert_eq!(params[1], "0x0", "what was before the block");
            let address = params[0].as_str().unwrap_or_default().to_lowercase();
            let value = &accounts[address][field];
            Reply::Result(if value.is_null() {
                json!(absent)
            } else {
                value.clone()
            })
        };
        match method {
            "eth_chainId" => Reply::Result(json!("0x539")),
            "eth_getBlockByNumber" if params[0] == "0x1" => Reply::Result(block.clone()),
            "debug_traceBlockByNumber" => Reply::Result(json!(traces)),
            "eth_getBalance" => account("balance", "0x0"),
            "eth_getTransactionCount" => account("nonce", "0x0"),
            "eth_getCode" => account("code", "0x"),
            // The queues are empty in the beginning.
            "eth_getStorageAt" => Reply::Result(json!(format!("0x{:064x}", 0))),
            _ => Reply::Error(-32601, "the method does not exist"),
        }
    }
}

/// What a tracer might say: the first transaction finds everything, and the others find nothing more that matters.
fn traces(block: &Value, accounts: &Value) -> Vec<Value> {
    let transactions = block["transactions"].as_array().expect("a list");
    let mut traces = vec![json!({ "result": accounts })];
    let sender = transactions[0]["from"].as_str().expect("an address");
    // Seen again with other values, which are those after transactions of the block.
    let later: Map<String, Value> = [(sender.to_owned(), json!({"balance": "0x0", "nonce": 77}))]
        .into_iter()
        .collect();
    traces.resize(transactions.len(), json!({ "result": later }));
    traces
}

#[test]
fn what_is_captured_can_be_replayed() {
    for node in [
        Node::start(node(|_| ())),
        Node::without_batches(node(|_| ())),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let output = fetch(&node, folder.path(), &["1"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(stderr(&output).contains("block 1: 21 transactions\n1 blocks captured"));
        let replay = Command::new(env!("CARGO_BIN_EXE_pleach"))
            .arg("replay")
            .arg(folder.path())
            .output()
            .expect("the program starts");
        assert_eq!(replay.status.code(), Some(0), "{}", stderr(&replay));
    }
}

#[test]
fn what_a_later_transaction_finds_does_not_count() {
    // Were it for the last trace, the first transaction would have a wrong nonce; so it has if it finds that first.
    let node = Node::start(node(|traces| {
        let last = traces.len() - 1;
        traces.swap(0, last);
    }));
    let folder = tempfile::tempdir().expect("a folder");
    let output = fetch(&node, folder.path(), &["1"]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = stderr(&output);
    assert!(
        stderr.contains("transaction 0 is not valid here"),
        "{stderr}"
    );
}

#[test]
fn traces_that_are_not_whole_are_refused() {
    for (trace, message) in [
        (
            (|traces| traces.truncate(5)) as fn(&mut Vec<Value>),
            "the node traced 5 transactions of a block of 21",
        ),
        (
            |traces| traces[3] = json!({"error": "execution timeout"}),
            "the node cannot trace transaction 3: \"execution timeout\"",
        ),
    ] {
        let node = Node::start(node(trace));
        let folder = tempfile::tempdir().expect("a folder");
        let output = fetch(&node, folder.path(), &["1"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(message), "{}", stderr(&output));
    }
}
