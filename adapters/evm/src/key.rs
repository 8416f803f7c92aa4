//! The keys of Ethereum's state, as fine as conflicts between transactions really are.
//!
//! A transaction that pays an account touches its balance and nothing else; one that calls it reads its code; only its
//! owner's transactions look at its nonce. Each of these is a key of its own, and so is every storage slot.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
};

use alloy_primitives::{Address, U256};

/// One location of Ethereum's state.
///
/// Keys are ordered by account, so that all that a block changed of one account stands together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key {
    /// A part of an account.
    Account(Address, Part),
    /// The hash of the block with this number, one of the 256 before the block that is executed.
    BlockHash(u64),
}

/// A part of an account.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Part {
    /// Its balance in wei: a number, absent if zero.
    Balance,
    /// Its nonce: a number, absent if zero.
    Nonce,
    /// Its code and its life-cycle, see [`Value::Code`](crate::Value::Code) and
    /// [`Value::Existing`](crate::Value::Existing).
    Code,
    /// How often its storage was wiped, as far as the state knows: a number, absent if never. See [`Slot`](Part::Slot).
    Incarnation,
    /// One word of its storage: a number, absent if zero.
    ///
    /// Wiping a storage, however large, moves the account to the next incarnation, in which all slots are absent.
    Slot {
        /// The incarnation in which the word was written.
        incarnation: u32,
        /// The position.
        slot: U256,
    },
    /// The incarnation of a storage that was there before the block without code and nonce, and one more: a number, or absent if
    /// it was not like that. No contract can be created on top of it (EIP-7610). Only made-up states have such accounts, and no
    /// block writes this.
    Orphan,
}

impl Key {
    pub(crate) const fn balance(address: Address) -> Self {
        Key::Account(address, Part::Balance)
    }

    pub(crate) const fn nonce(address: Address) -> Self {
        Key::Account(address, Part::Nonce)
    }

    pub(crate) const fn code(address: Address) -> Self {
        Key::Account(address, Part::Code)
    }

    pub(crate) const fn incarnation(address: Address) -> Self {
        Key::Account(address, Part::Incarnation)
    }

    pub(crate) const fn orphan(address: Address) -> Self {
        Key::Account(address, Part::Orphan)
    }

    pub(crate) const fn slot(address: Address, incarnation: u32, slot: U256) -> Self {
        Key::Account(address, Part::Slot { incarnation, slot })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (address, part) = match self {
            Key::BlockHash(number) => return write!(f, "hash of block {number}"),
            Key::Account(address, part) => (address, part),
        };
        match part {
            Part::Balance => write!(f, "balance of {address}"),
            Part::Nonce => write!(f, "nonce of {address}"),
            Part::Code => write!(f, "code of {address}"),
            Part::Incarnation => write!(f, "life of the storage of {address}"),
            Part::Slot { slot, .. } => write!(f, "slot {slot:#x} of {address}"),
            Part::Orphan => write!(f, "storage without code of {address}"),
        }
    }
}

impl Ord for Key {
    // As derived, but with numbers instead of byte strings: changes are sorted once a block.
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Key::Account(a, p), Key::Account(b, q)) => {
                let ((a_high, a_low), (b_high, b_low)) = (number(a), number(b));
                a_high
                    .cmp(&b_high)
                    .then(a_low.cmp(&b_low))
                    .then_with(|| p.cmp(q))
            }
            (Key::BlockHash(a), Key::BlockHash(b)) => a.cmp(b),
            (Key::Account(..), Key::BlockHash(_)) => Ordering::Less,
            (Key::BlockHash(_), Key::Account(..)) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// An address as a number, in two parts.
fn number(address: &Address) -> (u128, u32) {
    let (high, low) = address.split_at(16);
    (
        u128::from_be_bytes(high.try_into().expect("sixteen bytes")),
        u32::from_be_bytes(low.try_into().expect("four bytes")),
    )
}

impl Hash for Key {
    // Whole words instead of the derived byte strings: this is the one hash that every access to the state costs.
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        match self {
            Key::Account(address, part) => {
                let word = |at: usize| {
                    u64::from_le_bytes(address[at..at + 8].try_into().expect("eight bytes"))
                };
                hasher.write_u64(word(0));
                hasher.write_u64(word(8));
                let tail = u32::from_le_bytes(address[16..].try_into().expect("four bytes"));
                let (tag, incarnation) = match part {
                    Part::Balance => (0, 0),
                    Part::Nonce => (1, 0),
                    Part::Code => (2, 0),
                    Part::Incarnation => (3, 0),
                    Part::Slot { incarnation, .. } => (4, *incarnation),
                    Part::Orphan => (5, 0),
                };
                hasher.write_u64(u64::from(tail) << 32 | u64::from(incarnation) << 3 | tag);
                if let Part::Slot { slot, .. } = part {
                    for limb in slot.as_limbs() {
                        hasher.write_u64(*limb);
                    }
                }
            }
            Key::BlockHash(number) => hasher.write_u64(*number),
        }
    }
}
