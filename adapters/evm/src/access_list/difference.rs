//! Where two lists differ first.

use std::cmp::Ordering;

use alloy_eips::eip7928::{
    AccountChanges, BalanceChange, BlockAccessIndex, CodeChange, NonceChange, StorageChange,
};
use alloy_primitives::{Address, B256, U256, keccak256};

/// Where an access list differs from what the block really comes to.
///
/// What is in the block alone is missing from the list, and the other way round.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Difference {
    /// The block touches an account, and the list does not have it.
    #[error("account {0} is missing")]
    MissingAccount(Address),
    /// The list has an account that the block does not touch.
    #[error("account {0} is not touched")]
    SurplusAccount(Address),
    /// A slot is read alone, and the list does not say so.
    #[error("slot {slot:#x} of {address} is read, which is missing")]
    MissingRead {
        /// The account.
        address: Address,
        /// The slot.
        slot: U256,
    },
    /// The list says that a slot is read alone, and it is changed or not touched.
    #[error("slot {slot:#x} of {address} is not read, or it is changed")]
    SurplusRead {
        /// The account.
        address: Address,
        /// The slot.
        slot: U256,
    },
    /// Something is left in another state than the list says, or by another transaction.
    #[error("{what} of {address}: {expected:?} by execution, {found:?} in the list")]
    Change {
        /// The account.
        address: Address,
        /// What it is.
        what: Changed,
        /// Who leaves what by execution, if somebody does.
        expected: Option<(BlockAccessIndex, Left)>,
        /// Who leaves what by the list, if somebody does.
        found: Option<(BlockAccessIndex, Left)>,
    },
}

/// What of an account was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Changed {
    /// A word of its storage.
    Slot(U256),
    /// Its balance.
    Balance,
    /// Its nonce.
    Nonce,
    /// Its code.
    Code,
}

impl std::fmt::Display for Changed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Slot(slot) => write!(f, "slot {slot:#x}"),
            Self::Balance => f.write_str("balance"),
            Self::Nonce => f.write_str("nonce"),
            Self::Code => f.write_str("code"),
        }
    }
}

/// What a change leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Left {
    /// A balance, a nonce or a word.
    Number(U256),
    /// Code with this hash.
    Code(B256),
}

/// Where `found` differs first from `expected`, both in order.
pub(super) fn first(expected: &[AccountChanges], found: &[AccountChanges]) -> Option<Difference> {
    let mut pairs = pair_up(expected, found, |account| account.address);
    pairs.find_map(|pair| match pair {
        (Some(expected), Some(found)) => in_account(expected, found),
        (Some(expected), None) => Some(Difference::MissingAccount(expected.address)),
        (None, Some(found)) => Some(Difference::SurplusAccount(found.address)),
        (None, None) => None,
    })
}

fn in_account(expected: &AccountChanges, found: &AccountChanges) -> Option<Difference> {
    if expected == found {
        return None;
    }
    let address = expected.address;
    let both = [expected, found];
    in_slots(expected, found)
        .or_else(|| {
            let mut reads = pair_up(&expected.storage_reads, &found.storage_reads, |slot| *slot);
            reads.find_map(|pair| match pair {
                (Some(&slot), None) => Some(Difference::MissingRead { address, slot }),
                (None, Some(&slot)) => Some(Difference::SurplusRead { address, slot }),
                _ => None,
            })
        })
        .or_else(|| {
            let of = |change: &BalanceChange| {
                (change.block_access_index, Left::Number(change.post_balance))
            };
            change(
                address,
                Changed::Balance,
                both.map(|account| &account.balance_changes[..]),
                of,
            )
        })
        .or_else(|| {
            let of = |change: &NonceChange| {
                let nonce = U256::from(change.new_nonce);
                (change.block_access_index, Left::Number(nonce))
            };
            change(
                address,
                Changed::Nonce,
                both.map(|account| &account.nonce_changes[..]),
                of,
            )
        })
        .or_else(|| {
            let of = |change: &CodeChange| {
                let hash = keccak256(&change.new_code);
                (change.block_access_index, Left::Code(hash))
            };
            change(
                address,
                Changed::Code,
                both.map(|account| &account.code_changes[..]),
                of,
            )
        })
}

fn in_slots(expected: &AccountChanges, found: &AccountChanges) -> Option<Difference> {
    let of = |change: &StorageChange| (change.block_access_index, Left::Number(change.new_value));
    let mut slots = pair_up(
        &expected.storage_changes,
        &found.storage_changes,
        |changes| changes.slot,
    );
    slots.find_map(|(one, other)| {
        let slot = one.or(other)?.slot;
        let both = [one, other].map(|slot| slot.map_or(&[][..], |slot| &slot.changes));
        change(expected.address, Changed::Slot(slot), both, of)
    })
}

/// The first place in which two lists of changes differ: what is expected, and what was found.
fn change<T>(
    address: Address,
    what: Changed,
    [expected, found]: [&[T]; 2],
    of: impl Fn(&T) -> (BlockAccessIndex, Left),
) -> Option<Difference> {
    let at = |changes: &[T], place| changes.get(place).map(&of);
    let mut places =
        (0..expected.len().max(found.len())).map(|place| (at(expected, place), at(found, place)));
    let (expected, found) = places.find(|(expected, found)| expected != found)?;
    Some(Difference::Change {
        address,
        what,
        expected,
        found,
    })
}

/// Walks two lists in order side by side.
fn pair_up<'a, T, K: Ord>(
    one: &'a [T],
    other: &'a [T],
    key: impl Fn(&T) -> K,
) -> impl Iterator<Item = (Option<&'a T>, Option<&'a T>)> {
    let (mut one, mut other) = (one.iter().peekable(), other.iter().peekable());
    std::iter::from_fn(move || {
        let order = match (one.peek(), other.peek()) {
            (Some(one), Some(other)) => key(one).cmp(&key(other)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return None,
        };
        Some(match order {
            Ordering::Less => (one.next(), None),
            Ordering::Equal => (one.next(), other.next()),
            Ordering::Greater => (None, other.next()),
        })
    })
}
