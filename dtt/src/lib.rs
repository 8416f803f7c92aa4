//! The Deterministic Transaction Tree (DTT): what the transactions of a block need of each other.
//!
//! Put in the access sets of an ordered block, and get the tree of its dependencies: which transaction needs a value that
//! an earlier one produces, which branches share nothing with each other, how long the longest chain is, and which keys
//! are to blame. Two nodes that analyse the same sets get the same tree, bit for bit, whatever machine they run on.
//!
//! Only a read after a write orders two transactions. Adds to one key do not order each other; a read of the key comes
//! after the adds before it. So a hot balance that everybody pays into holds up nobody, and who looks at it waits for all
//! of them at once.
//!
//! ```
//! use pleach_dtt::{AccessSet, OpenTree, Simulation, Trust};
//!
//! // Three payments, and somebody who looks at what bob has.
//! let mut open = OpenTree::new();
//! for (from, to) in [("alice", "bob"), ("carol", "bob"), ("dave", "erin")] {
//!     let mut set = AccessSet::new();
//!     set.update(from).add(to);
//!     open.push(&set, Trust::Exact)?;
//! }
//! let mut set = AccessSet::new();
//! set.read("bob");
//! open.push(&set, Trust::Exact)?;
//!
//! let tree = open.tree();
//! assert_eq!(tree.parent(1), None);
//! assert_eq!(tree.parent(3), Some(1));
//! assert_eq!(tree.joins(3), [0]);
//! assert_eq!(tree.branches().len(), 2);
//!
//! let two = Simulation::new(2.try_into()?).run(tree, &[10, 10, 10, 10]);
//! assert_eq!(two.makespan(), 20);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Map
//!
//! | you want to | look at |
//! | --- | --- |
//! | say what transactions touch | [`AccessSet`], [`Trust`] |
//! | build a tree, transaction by transaction or many at once | [`OpenTree`] |
//! | know what is in a tree | [`Dtt`], [`Branches`], [`CriticalPath`], [`Dependents`] |
//! | know what conflicts | [`OpenTree::conflicts`], [`OpenTree::hottest`] |
//! | send a tree, and believe nobody | [`Dtt::encode`], [`Dtt::decode`], [`Dtt::verify`], [`RootHash`] |
//! | run petgraph's algorithms | [`Dtt::graph`] |
//! | know what more cores would give | [`Simulation`] |
//! | look at it | [`export`] |
//!
//! # Features
//!
//! `hash` (default): root hashes. `rayon`: [`OpenTree::par_extend`]. `serde`: the logical form of a tree. The crate has no
//! `unsafe`, starts no thread of its own, and knows nothing of virtual machines.
#![cfg_attr(
    not(all(feature = "hash", feature = "rayon")),
    allow(
        rustdoc::broken_intra_doc_links,
        reason = "the map names what features bring"
    )
)]

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
mod range;
mod simulate;
mod tree;
mod verify;

pub use access::{Access, AccessSet, Trust};
pub use branch::Branches;
pub use codec::{DecodeError, DecodeErrorKind, Limits};
pub use cost::CriticalPath;
pub use dependents::Dependents;
pub use error::TooLarge;
pub use explain::Usage;
pub use graph::{Graph, Node};
#[cfg(feature = "hash")]
pub use hash::RootHash;
pub use intern::Interner;
pub use open::{Carried, KeyId, OpenTree};
pub use range::KeyRange;
pub use simulate::{Schedule, Simulation, Span};
pub use tree::{Dtt, Source};
pub use verify::Difference;
