//! The Deterministic Transaction Tree (DTT).
mod access;
mod branch;
mod cost;
mod error;
mod intern;
mod open;
mod ordered;
mod simulate;
mod tree;
mod verify;

pub use access::{Access, AccessSet, KeyRange, Trust};
pub use branch::Branches;
pub use cost::CriticalPath;
pub use error::TooLarge;
pub use open::{Carried, KeyId, OpenTree, Usage};
pub use simulate::{Schedule, Simulation, Span};
pub use tree::{Dtt, Source};
pub use verify::Difference;
