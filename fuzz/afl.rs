//! Blocks led by coverage, with AFL++: `cargo afl build --release --features afl`, `cargo afl fuzz -i in -o out
//! target/release/blocks-afl`.

mod common;

fn main() {
    // AFL's hook would take the panics of programs for crashes: it is put before ours.
    afl::fuzz!(|input: common::Input| {
        common::only_findings();
        common::check(&input);
    });
}
