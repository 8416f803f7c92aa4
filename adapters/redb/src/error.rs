//! What can go wrong with a file.

use std::{error::Error, path::PathBuf};

/// The file cannot be read or written, or is not what it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedbError {
    /// It cannot be opened: there is no such folder, it is no database, somebody else has it open.
    #[error("cannot open {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the database says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The database failed.
    #[error("the database failed")]
    Database(#[source] Box<dyn Error + Send + Sync>),
    /// It was written by a version of this crate that this one does not know.
    #[error("the file has format {found}, and this version reads format {known}")]
    Format {
        /// What it says of itself.
        found: u64,
        /// What is known.
        known: u64,
    },
    /// Bytes that the codec does not know, or that are no record of a block: it was written with another codec, or damaged.
    #[error("{what} cannot be decoded")]
    Corrupt {
        /// Which bytes.
        what: String,
    },
    /// Something is to follow a height that it does not follow.
    #[error(
        "what comes after height {height} is to be written, but the file ends at height {latest}"
    )]
    Gap {
        /// The height that it should follow.
        height: u64,
        /// The latest height that is there.
        latest: u64,
    },
}

impl RedbError {
    /// What any operation of the database says.
    pub(crate) fn database(error: impl Into<redb::Error>) -> Self {
        Self::Database(Box::new(error.into()))
    }

    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into() }
    }
}
