//! Block-level access lists (EIP-7928): what the transactions of a block touch, and what each of them leaves there.
//!
//! | file | what |
//! | --- | --- |
//! | `access_list/build.rs` | the list of a block, by executing it |
//! | `access_list/difference.rs` | where two lists differ first |
//! | `access_list/hints.rs` | what a list says of each transaction |

mod build;
mod difference;
mod hints;

use std::ops::Deref;

use alloy_eips::eip7928::{
    AccountChanges, BlockAccessListValidationError, bal::Bal, bal::DecodedBal,
};
use alloy_primitives::{B256, Bytes};

pub use difference::{Changed, Difference, Left};

use crate::block::BlockError;

/// The access list of a block, in the order that EIP-7928 demands: accounts by address, slots by number, changes by the index
/// of who made them. Index 0 is what the protocol does before the transactions, transaction `i` has the index `i + 1`, and what the
/// protocol does after them comes last.
///
/// # Examples
///
/// ```
/// use pleach::CancelToken;
/// use pleach_evm::{BlockAccessList, sample};
///
/// let chain = sample::chain();
/// let prepared = chain.blocks[0].prepare(&chain.spec)?;
/// let (_, list) = prepared.access_list(&chain.genesis, &CancelToken::new())?;
///
/// // As it comes with a block.
/// let bytes = list.encode();
/// let carried = BlockAccessList::decode(&bytes, prepared.block().transactions.len())?;
/// assert_eq!(carried.hash(), list.hash());
/// prepared.verify_access_list(&carried, &chain.genesis, &CancelToken::new())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BlockAccessList(Bal);

/// The bytes of an access list are not one, or not one of this block.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessListError {
    /// The bytes are no access list in RLP.
    #[error("is no block access list in RLP: {0}")]
    Rlp(#[source] alloy_rlp::Error),
    /// Something is missing, twice there, or not in its place.
    #[error("is no valid block access list: {0}")]
    Structure(#[source] BlockAccessListValidationError),
}

/// A block does not come to what its access list says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessListMismatch {
    /// The block cannot be executed.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The list is not that of the block.
    #[error("the block access list is another: {0}")]
    Differs(#[source] Box<Difference>),
}

impl BlockAccessList {
    /// Sorts what is given, and takes it for a list.
    fn from_accounts(accounts: Vec<AccountChanges>) -> Self {
        let mut list = Bal::new(accounts);
        list.sort();
        Self(list)
    }

    /// Decodes the list of a block of so many transactions. Takes memory in proportion to the bytes.
    ///
    /// # Errors
    ///
    /// If the bytes are no list, not all of them are, or it is not in the order that the EIP demands.
    pub fn decode(bytes: &[u8], transactions: usize) -> Result<Self, AccessListError> {
        let bytes = Bytes::copy_from_slice(bytes);
        let decoded = DecodedBal::from_rlp_bytes(bytes).map_err(AccessListError::Rlp)?;
        let (list, _) = decoded.split();
        list.validate_structure(transactions)
            .map_err(AccessListError::Structure)?;
        Ok(Self(list))
    }

    /// The list in RLP.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        alloy_rlp::encode(&self.0)
    }

    /// What the header of a block commits to: the keccak hash of the encoding.
    #[must_use]
    pub fn hash(&self) -> B256 {
        self.0.compute_hash()
    }

    /// How many accounts and slots there are in all, which the EIP limits by a block's gas: one for each 2,000.
    #[must_use]
    pub fn items(&self) -> u64 {
        self.0.total_bal_items()
    }

    /// Where this list, which should be `expected`, differs from it first.
    #[must_use]
    pub fn difference(&self, expected: &Self) -> Option<Difference> {
        difference::first(&expected.0, &self.0)
    }
}

/// Its accounts, by address.
impl Deref for BlockAccessList {
    type Target = [AccountChanges];

    fn deref(&self) -> &[AccountChanges] {
        self.0.as_slice()
    }
}
