//! Loom models of every protocol of Pleach that crosses threads, run on the code that ships.
//!
//! The parallel engine brings the protocols and, one model a protocol, the contents of this crate.
//! Serial execution shares nothing between threads but a cancellation flag, so there is nothing to
//! explore yet.
