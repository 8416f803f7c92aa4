//! What both fuzzers do with an input.

use std::{panic, sync::Once};

use arbitrary::Arbitrary;
use pleach::{
    determinism::{Check, Failure, PANIC, Schedule},
    testkit::{ProgramVm, TestBlock},
};

/// A block, and how it is executed.
#[derive(Debug, Arbitrary)]
pub struct Input {
    schedule: Schedule,
    block: TestBlock,
}

/// Panics if the block does not come to the same as serially.
pub fn check(input: &Input) {
    let Input { schedule, block } = input;
    // More of them show nothing that fewer do not.
    if block.transactions.len() > 64 {
        return;
    }
    let check = Check::new(&ProgramVm, &block.state)
        .ask_again(false)
        .block(move |pleach| block.configure(pleach));
    match check.replay(&block.transactions, *schedule) {
        Ok(()) | Err(Failure::Threads(_)) => {}
        Err(failure) => panic!("{failure}"),
    }
}

/// Programs and their rules panic on purpose: fuzzers take only others for a finding.
pub fn only_findings() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let text = panic.payload_as_str();
            if !matches!(text, Some("a program panicked" | "a rule panicked" | PANIC)) {
                hook(panic);
            }
        }));
    });
}
