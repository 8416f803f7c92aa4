//! The sample chain: 24 blocks of a development chain, from its genesis on, made by a real client.
//!
//! It is embedded in the crate. How it was made, and what is in it, is told in `sample/README.md`.

use crate::file::{Chain, Content};

static BYTES: &[u8] = include_bytes!("../sample/chain.json.gz");

/// Decodes the sample chain.
///
/// # Panics
///
/// Never: the tests decode it too.
#[must_use]
pub fn chain() -> Chain {
    match Content::from_bytes(BYTES) {
        Ok(Content::Chain(chain)) => *chain,
        other => panic!("the embedded sample is a chain, not {other:?}"),
    }
}
