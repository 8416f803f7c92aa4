//! The Deterministic Transaction Tree (DTT).
//!
//! This crate will turn the access sets of an ordered block of transactions into the tree of their
//! dependencies: which transaction needs a value that an earlier one produces, which branches share
//! nothing with each other, and how long the longest chain is. It will encode such trees in one
//! canonical form, so that a proposer can ship a tree with its block and a validator can compare it.
//!
//! It knows nothing of virtual machines or of threads that wait, and is meant to be useful alone.
//! Nothing is in it yet: the runtime in `pleach` executes serially until it is.
