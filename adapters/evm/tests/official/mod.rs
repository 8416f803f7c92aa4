//! The official Ethereum tests, where they lie beside the project: chains of valid and invalid blocks of all forks.
//!
//! | file | what |
//! | --- | --- |
//! | `archive.rs`, `fixture.rs` | the files, and what is in them |
//! | `run.rs` | when a test passes |
//! | `chain.rs` | when a block is accepted, and which chain counts |
//! | `network.rs`, `consensus.rs`, `work.rs` | what a consensus client knows and checks |
//! | `receipts.rs` | receipts before Byzantium |
//! | `engines.rs`, `meeting.rs` | all executors, which must agree |
//! | `reasons.rs` | why blocks are rejected |

mod archive;
mod chain;
mod consensus;
mod engines;
mod fixture;
mod meeting;
mod network;
mod reasons;
mod receipts;
mod run;
mod work;

use std::{collections::BTreeMap, env, ops::ControlFlow};

use alloy_primitives::{B256, Bytes};

use archive::Packed;
use engines::{Counts, Engines};
use fixture::{Test, Tests};
use run::{Passed, run};

/// Only tests with this in their path or name are run, if it is set.
const ONLY: &str = "PLEACH_OFFICIAL";

/// What one thread has found.
struct Found {
    engines: Engines,
    only: Option<String>,
    rows: BTreeMap<String, Row>,
    failures: Vec<String>,
}

/// What is counted for each network.
#[derive(Default)]
struct Row {
    tests: usize,
    passed: usize,
    blocks: Passed,
}

impl Found {
    fn new() -> Self {
        Self {
            engines: Engines::new(),
            only: env::var(ONLY).ok(),
            rows: BTreeMap::new(),
            failures: Vec::new(),
        }
    }

    fn run(&mut self, packed: &Packed) {
        let tests: Tests = match serde_json::from_slice(&packed.json) {
            Ok(tests) => tests,
            Err(error) => {
                self.failures.push(format!("{}: {error}", packed.name));
                return;
            }
        };
        for (name, test) in tests {
            let name = format!("{} {name}", packed.name);
            let only = self.only.as_ref();
            if only.is_some_and(|only| !name.contains(only)) {
                continue;
            }
            let row = self.rows.entry(test.network.clone()).or_default();
            row.tests += 1;
            match run(&test, &mut self.engines) {
                Ok(passed) => {
                    row.passed += 1;
                    row.blocks.accepted += passed.accepted;
                    row.blocks.rejected += passed.rejected;
                }
                Err(error) => self.failures.push(format!("{name}: {error}")),
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.engines.counts += other.engines.counts;
        self.failures.extend(other.failures);
        for (network, row) in other.rows {
            let sum = self.rows.entry(network).or_default();
            sum.tests += row.tests;
            sum.passed += row.passed;
            sum.blocks.accepted += row.blocks.accepted;
            sum.blocks.rejected += row.blocks.rejected;
        }
    }

    fn print(&self) {
        println!("| network | tests | passed | blocks accepted | blocks rejected |");
        println!("| --- | --- | --- | --- | --- |");
        for (network, row) in &self.rows {
            let Passed { accepted, rejected } = row.blocks;
            println!(
                "| {network} | {} | {} | {accepted} | {rejected} |",
                row.tests, row.passed
            );
        }
        let Counts {
            blocks,
            optimistic,
            shared,
            repeated,
        } = self.engines.counts;
        println!(
            "{blocks} blocks executed, {optimistic} times optimistically, {shared} times by several threads; \
             {repeated} attempts made again"
        );
    }
}

#[test]
fn all_of_them_pass_by_every_executor() {
    let threads = archive::share(Found::new, Found::run);
    let found = threads.into_iter().reduce(|mut sum, found| {
        sum.add(found);
        sum
    });
    let Some(mut found) = found else {
        return;
    };
    found.print();
    found.failures.sort();
    assert!(
        found.failures.is_empty(),
        "{} of them failed; `{ONLY}=name` runs one alone\n{}",
        found.failures.len(),
        found.failures.join("\n")
    );
    let tests: usize = found.rows.values().map(|row| row.tests).sum();
    if let Some(only) = found.only {
        assert!(tests > 0, "no test has {only:?} in its path or name");
    } else {
        assert!(tests > 9_000, "there were {tests} only");
        assert!(found.engines.counts.shared > 0, "several threads never met");
    }
}

/// The tests of one file; nothing if there is no archive.
fn tests_of(file: &str) -> Vec<Test> {
    let mut tests = Vec::new();
    let is_there = archive::visit(|packed| {
        if !packed.name.ends_with(file) {
            return ControlFlow::Continue(());
        }
        let found: Tests = serde_json::from_slice(&packed.json).expect("the file can be read");
        tests.extend(found.into_values());
        ControlFlow::Break(())
    });
    assert_eq!(is_there, !tests.is_empty(), "{file}");
    tests
}

/// What a test is made wrong by.
type Wrong = fn(&mut Test);

#[test]
fn a_wrong_test_does_not_pass() {
    let wrong: [(&str, Wrong); 7] = [
        ("the head is", |test| test.head = B256::ZERO),
        ("expected None, found Some", |test| {
            test.post_state = Some(serde_json::from_str("{}").expect("no accounts"));
        }),
        ("another root in the end", |test| {
            test.post_state_hash = Some(B256::ZERO);
        }),
        ("was accepted; expected", |test| {
            let reason = "BlockException.INVALID_STATE_ROOT".to_owned();
            test.blocks[0].expect_exception = Some(reason);
        }),
        ("was rejected: rlp", |test| {
            test.blocks[0].rlp = Bytes::from_static(b"\xc0");
        }),
        ("another state root", |test| {
            test.pre = serde_json::from_str("{}").expect("no accounts");
        }),
        ("no such network", |test| test.network.clear()),
    ];
    let file = "bcExample/mergeExample.json";
    for test in tests_of(file) {
        assert_eq!(run(&test, &mut Engines::new()).err(), None);
    }
    for (expected, make_wrong) in wrong {
        for mut test in tests_of(file) {
            make_wrong(&mut test);
            let error = run(&test, &mut Engines::new()).err();
            let error = error.expect("it is wrong");
            assert!(error.contains(expected), "{error}");
        }
    }
}

#[test]
fn a_block_must_be_rejected_for_the_right_reason() {
    for mut test in tests_of("bcInvalidHeaderTest/wrongStateRoot.json") {
        let engines = &mut Engines::new();
        let rejected = run(&test, engines).map(|passed| passed.rejected);
        assert_eq!(rejected, Ok(1));
        for block in &mut test.blocks {
            let reason = "BlockException.INVALID_RECEIPTS_ROOT".to_owned();
            block.expect_exception = block.expect_exception.take().map(|_| reason);
        }
        let error = run(&test, engines).expect_err("that is not the reason");
        assert!(error.contains("but not for"), "{error}");
    }
}
