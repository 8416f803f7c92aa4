//! Trees against a brute-force oracle, and against hand-worked examples.

mod blocks;
mod bytes;
mod hostile;
mod oracle;
mod properties;
mod schedules;
