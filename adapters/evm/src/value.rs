//! The values of Ethereum's state.

use alloy_primitives::{B256, U256};
use pleach::Amount;
use revm::bytecode::Bytecode;

/// What a [`Key`](crate::Key) holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// A balance, a nonce, a word of storage or an incarnation; never zero, which is absence.
    Number(U256),
    /// The code of a contract, or of an account that delegates to one.
    Code(Code),
    /// The account exists without code.
    ///
    /// Since EIP-161 an account exists if any of its parts is not empty, and only an empty account that is left from
    /// before holds this. Until then accounts existed once touched, and every account without code holds it.
    Existing,
    /// The hash of a block, as the number that `BLOCKHASH` gives. Values pass from hand to hand at every access: whatever a variant holds
    /// begins at a multiple of eight bytes, so they are copied in whole words.
    Hash(U256),
}

impl Value {
    /// The value of a number, absent if zero.
    pub(crate) fn from_number(number: U256) -> Option<Self> {
        (!number.is_zero()).then_some(Value::Number(number))
    }

    /// The number that a value is, zero if absent.
    pub(crate) fn into_number(value: Option<&Self>) -> U256 {
        match value {
            Some(Value::Number(number)) => *number,
            _ => U256::ZERO,
        }
    }
}

impl pleach::Value for Value {
    type Amount = Wei;

    fn amount(&self) -> Option<Wei> {
        match self {
            Value::Number(number) => Some(Wei(*number)),
            _ => None,
        }
    }

    fn from_amount(amount: Wei) -> Option<Self> {
        Self::from_number(amount.0)
    }
}

/// A number of 256 bits that can be added to without being looked at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Wei(pub U256);

impl Amount for Wei {
    const ZERO: Self = Wei(U256::ZERO);
    const MAX: Self = Wei(U256::MAX);

    fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Wei)
    }

    fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Wei)
    }
}

/// The code of an account, analysed once and shared from then on. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct Code {
    pub(crate) bytecode: Bytecode,
    pub(crate) hash: B256,
}

impl Code {
    /// Analyses `bytes`, whose keccak hash is `hash`: O(length).
    pub(crate) fn new(bytes: alloy_primitives::Bytes, hash: B256) -> Self {
        // What only looks like a delegation designator is code of its time that halts at its first byte.
        let bytecode = Bytecode::new_raw_checked(bytes.clone())
            .unwrap_or_else(|_| Bytecode::new_legacy(bytes));
        Self { bytecode, hash }
    }

    /// The keccak hash of the code.
    #[must_use]
    pub fn hash(&self) -> B256 {
        self.hash
    }

    /// The code as it was deployed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytecode.original_byte_slice()
    }
}

// The hash stands for the code.
impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl Eq for Code {}
