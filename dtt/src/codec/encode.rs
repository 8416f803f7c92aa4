//! From the tree to bytes.

use super::{MAGIC, TRUSTS};
use crate::tree::{Code, Dtt, Source};

impl Dtt {
    /// The one byte string that stands for this tree. O(transactions + edges).
    ///
    /// It begins with `DTT` and the version, 1. `FORMAT.md` in the crate specifies the rest.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.encode_prefix(self.len())
    }

    /// The encoding of the tree of the first `transactions` alone.
    pub(crate) fn encode_prefix(&self, transactions: usize) -> Vec<u8> {
        // Most records take one byte, or one and one for each source.
        let mut bytes = Vec::with_capacity(16 + transactions + 2 * self.edges());
        bytes.extend_from_slice(&MAGIC);
        put(&mut bytes, transactions);
        for run in self.trusts[..transactions].chunk_by(|a, b| a == b) {
            let trust = TRUSTS.iter().position(|trust| *trust == run[0]);
            put(&mut bytes, run.len() << 2 | trust.unwrap_or_default());
        }
        let mut sums = 0;
        for transaction in 0..transactions {
            self.encode_record(transaction, &mut sums, &mut bytes);
        }
        bytes
    }

    /// What one transaction waits for. `sums` is how many sums came before, and then how many there are.
    fn encode_record(&self, transaction: usize, sums: &mut usize, bytes: &mut Vec<u8>) {
        let (plain, summed) = split(self.codes(transaction));
        put(bytes, plain.len() << 1 | usize::from(!summed.is_empty()));
        put_distances(bytes, transaction, plain);
        if summed.is_empty() {
            return;
        }
        let first = *sums;
        while self.sums.first.get(*sums) == Some(&(transaction as u32)) {
            *sums += 1;
        }
        put(bytes, *sums - first);
        for sum in first..*sums {
            let (plain, summed) = split(self.sums.inputs(sum));
            put(bytes, plain.len());
            put_distances(bytes, transaction, plain);
            put(bytes, summed.len());
            put_distances(bytes, sum, summed);
        }
        put(bytes, summed.len());
        put_distances(bytes, *sums, summed);
    }
}

/// The transactions and the sums of a list.
fn split(codes: &[Code]) -> (&[Code], &[Code]) {
    let plain = codes.partition_point(|code| matches!(code.source(), Source::Transaction(_)));
    codes.split_at(plain)
}

/// How far back each of `codes` is from `at`, the nearest first. Each is written as how much farther than the one before
/// it is, less the one that it is at least.
fn put_distances(bytes: &mut Vec<u8>, at: usize, codes: &[Code]) {
    let mut before = at;
    for code in codes.iter().rev() {
        let (Source::Transaction(index) | Source::Sum(index)) = code.source();
        put(bytes, before - index - 1);
        before = index;
    }
}

/// A number in groups of seven bits, the low ones first; all bytes but the last have their high bit set.
fn put(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}
