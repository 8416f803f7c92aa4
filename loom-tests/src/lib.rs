//! Loom models of every protocol of Pleach that crosses threads, run on the code that ships.
//!
//! `loom-tests/run` explores them all; `loom-tests/run ready` those of one protocol. `loom-tests/mutants` puts bugs back in,
//! one at a time, and shows that some model fails on each. README.md tells how to read a failure, and how to add a model.

#[cfg(all(feature = "models", not(pleach_loom)))]
compile_error!("the models need `RUSTFLAGS=\"--cfg pleach_loom\"`: use loom-tests/run");

#[cfg(all(pleach_loom, not(feature = "models")))]
compile_error!("the models need `--features models`: use loom-tests/run");
