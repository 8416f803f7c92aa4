//! States by block height on disk: a [`Store`](pleach::Store) for [`VersionedState`](pleach::VersionedState) in one file, on
//! [redb](https://www.redb.org), a copy-on-write B-tree in pure Rust.
//!
//! | file | what |
//! | --- | --- |
//! | `store.rs` | [`RedbStore`]: reads, and the two transactions that change the file |
//! | `record.rs` | a block of changes as bytes |
//! | `codec.rs` | [`Codec`]: keys and values as bytes |
//! | `error.rs` | [`RedbError`] |
//!
//! The file holds three tables: the state at one height; for each height above it what its block changed, so that a node that
//! begins again can still go back; and the number of that height. Each change of it is one transaction of the database, so that
//! a process, or the machine, can end at any time: what is found afterwards is what one call of
//! [`persist`](pleach::VersionedState::persist) or [`prune`](pleach::VersionedState::prune) has left.
//!
//! # Examples
//!
//! ```
//! use pleach::testkit::histories::changes;
//! use pleach::{State, VersionedState};
//! use pleach_redb::{Integers, RedbStore};
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("state.redb");
//! let state = VersionedState::open(RedbStore::<u32, u64>::open(&path, Integers)?)?;
//! state.commit(changes(&[(1, Some(100))]));
//! state.commit(changes(&[(1, Some(70)), (2, Some(30))]));
//! assert_eq!(state.persist()?, 2);
//! drop(state);
//!
//! let state = VersionedState::open(RedbStore::<u32, u64>::open(&path, Integers)?)?;
//! assert_eq!(state.latest().get(&2)?, Some(30));
//! assert_eq!(state.at(1)?.get(&2)?, None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod codec;
#[cfg(test)]
mod crash;
mod error;
mod record;
mod store;

pub use codec::{Codec, Integer, Integers};
pub use error::RedbError;
pub use store::{Options, RedbStore};
