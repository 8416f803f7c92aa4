//! Blocks led by coverage, with libFuzzer: `fuzz/run`, or `cargo fuzz run blocks`.

#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: common::only_findings(), |input: common::Input| common::check(&input));
