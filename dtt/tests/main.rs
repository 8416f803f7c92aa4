//! Trees against a brute-force oracle, and against hand-worked examples.

mod blocks;
mod bytes;
mod oracle;
mod properties;
mod schedules;
