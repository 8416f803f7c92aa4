//! The Deterministic Transaction Tree (DTT).
mod access;
mod block;
mod branch;
mod codec;
mod cost;
mod dependents;
mod error;
mod explain;
pub mod export;
mod graph;
#[cfg(feature = "hash")]
mod hash;
mod intern;
mod open;
mod ordered;
#[cfg(feature = "rayon")]
mod parallel;
mod simulate;
mod tree;
mod verify;

pub use access::{Access, AccessSet, KeyRange, Trust};
pub use branch::Branches;
pub use codec::{DecodeError, DecodeErrorKind, Limits};
pub use cost::CriticalPath;
pub use dependents::Dependents;
pub use error::TooLarge;
pub use explain::Usage;
pub use graph::{Graph, Node};
#[cfg(feature = "hash")]
pub use hash::RootHash;
pub use open::{Carried, KeyId, OpenTree};
pub use simulate::{Schedule, Simulation, Span};
pub use tree::{Dtt, Source};
pub use verify::Difference;
