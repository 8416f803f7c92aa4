//! Who does something in a block, and with whom.

use alloy_primitives::Address;

use super::Kind;
use crate::payments::Numbers;

/// How much of what there is is hot, in per cent.
const HOT_SHARE: u64 = 10;

/// Draws things by number: people, or pairs to trade on.
#[derive(Debug)]
pub(super) struct Draw {
    kind: Kind,
    /// How many there are to draw from. One where each depends on the one before, and of no meaning where nothing is shared.
    count: u64,
    /// How many of a hundred draws are among the hot ones, where there are such.
    hot: u8,
}

impl Draw {
    pub(super) fn new(kind: Kind, count: u64, hot: u8) -> Self {
        Self { kind, count, hot }
    }

    /// One thing, for the transaction at `index`.
    pub(super) fn one(&self, index: u64, numbers: &mut Numbers) -> u64 {
        match self.kind {
            Kind::Independent | Kind::Chained => index,
            Kind::Uniform => numbers.below(self.count),
            Kind::Hot => {
                let hot = (self.count * HOT_SHARE / 100).max(1);
                if self.count == hot || numbers.below(100) < self.hot.into() {
                    numbers.below(hot)
                } else {
                    hot + numbers.below(self.count - hot)
                }
            }
        }
    }

    /// Two different people, for the transaction at `index`. There are at least two.
    pub(super) fn two(&self, index: u64, numbers: &mut Numbers) -> [u64; 2] {
        match self.kind {
            Kind::Independent => [2 * index, 2 * index + 1],
            Kind::Chained => [index, index + 1],
            Kind::Uniform | Kind::Hot => {
                let from = self.one(index, numbers);
                loop {
                    let to = self.one(index, numbers);
                    if to != from {
                        return [from, to];
                    }
                }
            }
        }
    }
}

/// What there are many of, each with an address of its own.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    Person,
    Token,
    Pair,
    Router,
}

/// The address of a thing with a number.
pub(super) fn address(what: What, number: u64) -> Address {
    let mut numbers = Numbers::new((what as u64 + 1) << 56 | number);
    let mut bytes = [0; 24];
    for chunk in bytes.chunks_exact_mut(8) {
        chunk.copy_from_slice(&numbers.below(u64::MAX).to_le_bytes());
    }
    Address::from_slice(&bytes[..20])
}
