//! The tests of the Ethereum adapter, in one binary.

mod access_lists;
mod cases;
mod differential;
mod harness;
mod limits;
mod mainnet;
mod official;
mod pipeline;
mod protocol;
mod recording;
mod rlp;
mod sample;
