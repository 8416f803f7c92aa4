//! The tests of the crate, in one binary.

mod awaiting;
mod basics;
mod calling_off;
mod control;
mod faults;
mod load;
mod random;
mod reports;
mod tools;
