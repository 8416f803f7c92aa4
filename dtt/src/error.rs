//! What can go wrong.

/// A tree cannot hold so much. Only numbers far beyond any block reach this.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TooLarge {
    /// It can hold 2^31 - 2 transactions.
    #[error("a tree holds at most {} transactions", crate::tree::MOST)]
    Transactions,
    /// It can hold 2^28 - 1 keys.
    #[error("a tree holds at most {} keys", crate::intern::MOST_KEYS)]
    Keys,
    /// It can hold 2^31 - 2 sums, and 2^32 - 1 dependencies.
    #[error("a tree holds at most {} dependencies", u32::MAX)]
    Dependencies,
}
