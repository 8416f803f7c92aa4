//! What engines are told beforehand.

use std::{fmt, str::FromStr};

/// What an engine is told about the block, which was recorded before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hints {
    /// Nothing.
    None,
    /// Its tree.
    Tree,
    /// What each transaction touches.
    Accesses,
}

impl Hints {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::None, Self::Tree, Self::Accesses];

    /// How it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Tree => "tree",
            Self::Accesses => "accesses",
        }
    }
}

impl fmt::Display for Hints {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Hints {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|hints| hints.name() == name);
        found.ok_or_else(|| format!("there are no hints `{name}`"))
    }
}
