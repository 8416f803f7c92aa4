//! Loom models of every protocol of Pleach that crosses threads, run on the code that ships.
//!
//! `loom-tests/run` explores them all; `loom-tests/run ready` those of one protocol. `loom-tests/mutants` puts bugs back in,
//! one at a time, and shows that some model fails on each. README.md tells how to read a failure, and how to add a model.
//!
//! Without `--cfg pleach_loom`, which `loom-tests/run` sets, there is nothing here.
