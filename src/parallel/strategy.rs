//! The ways of executing a block.

/// How a block is executed. All ways give the same outcome.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Strategy {
    /// The one that is expected to be the fastest for the block. By a plan where all access sets are known, exactly or by
    /// prediction, unless they come to a chain, or the VM announces none and others have [said](crate::Block::predicted) all. Otherwise
    /// serially at first, for some microseconds that are measured, and optimistically, or in stretches if it is a large block, or in lanes if a
    /// [tree](crate::Block::tree) came with it, from there on if that seems to pay; a chain of exact sets serially to the end. A block that takes one thread about a millisecond
    /// or more, or half of that if it has a tree by which lanes win something, is not begun serially if blocks before it, on the same [`Runtime`](crate::Runtime), have
    /// shown what such transactions take.
    #[default]
    Auto,
    /// One transaction after another.
    Serial,
    /// By a plan that is made of exact access sets. Blocks in which one is not exact, or scans a range, are executed serially,
    /// and so are chains.
    Exact,
    /// By optimism: transactions run before it is certain what those before them leave, and again if that turns out to
    /// matter; but for those that [weigh](crate::Vm::weight) nothing, which run in turn. Access sets, exact or predicted, say who had better wait for whom.
    Optimistic,
    /// In stretches: each worker executes transactions that follow each other one after another, on what those before them probably
    /// leave, and then all of it is put together. That costs hardly more than serial execution, however small transactions are; but those
    /// that touch what one of their stretch has looked at and an earlier stretch has written are executed again, one after another. Of a large
    /// block a few go first, and if these look at what they change, twice as many each time from there on until some are executed again, so
    /// that little is lost. If too many are, the rest is executed serially, as it is from a scan of a range on.
    Split,
    /// In lanes: each worker executes transactions that probably depend on each other (by [`Vm::affinity`](crate::Vm::affinity), access sets, or a
    /// tree), one after another, on a table of its own, wherever in the block they are, and then all of it is put together. As in stretches, that costs hardly more than serial
    /// execution; those that depend on what another worker has executed are executed again, one after another.
    Lanes,
}
