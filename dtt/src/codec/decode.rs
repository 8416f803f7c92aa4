//! From bytes to the tree. They may come from anybody.

use super::{MAGIC, TRUSTS};
use crate::{
    error::TooLarge,
    tree::{Code, Dtt},
};

/// What a decoder accepts.
///
/// Memory is bounded by the length of the input in any case: at most about 20 bytes for each of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct Limits {
    transactions: usize,
    edges: usize,
}

impl Default for Limits {
    /// 2^20 transactions with 2^24 edges.
    fn default() -> Self {
        Self {
            transactions: 1 << 20,
            edges: 1 << 24,
        }
    }
}

impl Limits {
    /// The most transactions.
    pub const fn transactions(mut self, most: usize) -> Self {
        self.transactions = most;
        self
    }

    /// The most edges: sources of transactions, and inputs of sums.
    pub const fn edges(mut self, most: usize) -> Self {
        self.edges = most;
        self
    }
}

/// Why bytes are not a tree, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("byte {offset}: {kind}")]
pub struct DecodeError {
    offset: usize,
    kind: DecodeErrorKind,
}

impl DecodeError {
    /// How many bytes were read before.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// What is wrong there.
    #[must_use]
    pub fn kind(&self) -> DecodeErrorKind {
        self.kind
    }
}

/// Why bytes are not a tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// They do not begin with `DTT`.
    #[error("this is no encoded tree")]
    NoTree,
    /// They begin with `DTT` and another version.
    #[error("version {0} is not known")]
    Version(u8),
    /// They end too early.
    #[error("the end comes too early")]
    Truncated,
    /// There are bytes behind the tree.
    #[error("the tree ends here, and the bytes do not")]
    Trailing,
    /// A number takes more bytes than it needs, or more than 32 bits.
    #[error("a number is not written as it must be")]
    Number,
    /// Trust is none that is known, or its runs are not as long as they can be.
    #[error("the trusts of transactions are not written as they must be")]
    Trust,
    /// Something is needed from before the block.
    #[error("a source lies before the block")]
    Source,
    /// A sum has less than two inputs, is not needed, or is announced and missing.
    #[error("a sum is not as it must be")]
    Sum,
    /// There are more transactions than the caller allows.
    #[error("{found} transactions are more than the {limit} that are allowed")]
    Transactions {
        /// How many there are.
        found: usize,
        /// How many the caller allows.
        limit: usize,
    },
    /// There are more edges than the caller allows.
    #[error("there are more than the {limit} edges that are allowed")]
    Edges {
        /// How many the caller allows.
        limit: usize,
    },
    /// There is more than a tree can hold.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

impl Dtt {
    /// The tree that `bytes` stand for. O(bytes).
    ///
    /// # Errors
    ///
    /// If they stand for none, or for one beyond the limits. Every tree has one encoding: bytes that say the same
    /// in another way are an error.
    ///
    /// # Examples
    ///
    /// ```
    /// use pleach_dtt::{DecodeErrorKind, Dtt, Limits};
    ///
    /// let bytes = Dtt::new().encode();
    /// assert_eq!(Dtt::decode(&bytes, Limits::default()), Ok(Dtt::new()));
    ///
    /// let error = Dtt::decode(b"DTT\x02\x00", Limits::default()).unwrap_err();
    /// assert_eq!(error.kind(), DecodeErrorKind::Version(2));
    /// ```
    pub fn decode(bytes: &[u8], limits: Limits) -> Result<Self, DecodeError> {
        let mut reader = Reader { bytes, offset: 0 };
        let tree = decode(&mut reader, limits);
        tree.map_err(|kind| DecodeError {
            offset: reader.offset,
            kind,
        })
    }
}

type Result<T, E = DecodeErrorKind> = std::result::Result<T, E>;

fn decode(reader: &mut Reader<'_>, limits: Limits) -> Result<Dtt> {
    if !reader.bytes.starts_with(&MAGIC[..3]) {
        return Err(DecodeErrorKind::NoTree);
    }
    let [.., version] = reader.take::<4>()?;
    if version != MAGIC[3] {
        return Err(DecodeErrorKind::Version(version));
    }
    let transactions = reader.number()?;
    if transactions > limits.transactions {
        let limit = limits.transactions;
        let found = transactions;
        return Err(DecodeErrorKind::Transactions { found, limit });
    }
    // Each takes a byte at least: nothing is reserved that the input does not pay for.
    if transactions > reader.left() {
        return Err(DecodeErrorKind::Truncated);
    }
    let mut tree = Dtt::new();
    tree.reserve(transactions);
    decode_trusts(reader, transactions, &mut tree)?;
    let mut record = Record::default();
    for transaction in 0..transactions {
        record.decode(reader, transaction, &mut tree)?;
        if tree.edges() > limits.edges {
            let limit = limits.edges;
            return Err(DecodeErrorKind::Edges { limit });
        }
    }
    if reader.left() > 0 {
        return Err(DecodeErrorKind::Trailing);
    }
    Ok(tree)
}

fn decode_trusts(reader: &mut Reader<'_>, transactions: usize, tree: &mut Dtt) -> Result<()> {
    while tree.trusts.len() < transactions {
        let run = reader.number()?;
        let trust = TRUSTS.get(run & 3).ok_or(DecodeErrorKind::Trust)?;
        let length = run >> 2;
        let left = transactions - tree.trusts.len();
        if length == 0 || length > left || tree.trusts.last() == Some(trust) {
            return Err(DecodeErrorKind::Trust);
        }
        tree.trusts.resize(tree.trusts.len() + length, *trust);
    }
    Ok(())
}

/// Buffers for the record of a transaction.
#[derive(Default)]
struct Record {
    codes: Vec<Code>,
    /// Whether each sum that is new in this record is needed in it.
    needed: Vec<bool>,
}

impl Record {
    fn decode(
        &mut self,
        reader: &mut Reader<'_>,
        transaction: usize,
        tree: &mut Dtt,
    ) -> Result<()> {
        let head = reader.number()?;
        // Nearly all records: nothing, or some transactions.
        if head == 0 {
            tree.push_record([].into_iter())?;
            return Ok(());
        }
        self.codes.clear();
        if head & 1 == 0 {
            self.distances(reader, head >> 1, transaction, Code::transaction)?;
            tree.push_record(self.codes.iter().rev().copied())?;
            return Ok(());
        }
        self.distances(reader, head >> 1, transaction, Code::transaction)?;
        let plain = std::mem::take(&mut self.codes);

        let first = tree.sums();
        self.needed.clear();
        for _ in 0..reader.number()? {
            self.sum(reader, transaction, first, tree)?;
            self.needed.push(false);
        }
        self.codes.clear();
        let summed = reader.number()?;
        if summed == 0 {
            return Err(DecodeErrorKind::Sum);
        }
        self.distances(reader, summed, tree.sums(), Code::sum)?;
        self.note_needed(first);
        if self.needed.contains(&false) {
            return Err(DecodeErrorKind::Sum);
        }
        let sources = plain.iter().rev().chain(self.codes.iter().rev());
        tree.push_record(sources.copied())?;
        Ok(())
    }

    fn sum(
        &mut self,
        reader: &mut Reader<'_>,
        transaction: usize,
        first: usize,
        tree: &mut Dtt,
    ) -> Result<()> {
        self.codes.clear();
        let plain = reader.number()?;
        self.distances(reader, plain, transaction, Code::transaction)?;
        let mut inputs = std::mem::take(&mut self.codes);
        inputs.reverse();
        let summed = reader.number()?;
        self.distances(reader, summed, tree.sums(), Code::sum)?;
        self.note_needed(first);
        inputs.extend(self.codes.iter().rev());
        if inputs.len() < 2 {
            return Err(DecodeErrorKind::Sum);
        }
        tree.sums.push(transaction as u32, &inputs)?;
        Ok(())
    }

    /// Notes which of the sums from `first` on are among the codes.
    fn note_needed(&mut self, first: usize) {
        for code in &self.codes {
            let sum = (code.0 & !Code::sum(0).0) as usize;
            if let Some(needed) = sum
                .checked_sub(first)
                .and_then(|sum| self.needed.get_mut(sum))
            {
                *needed = true;
            }
        }
    }

    /// Reads so many distances back from `at`, the nearest first.
    fn distances(
        &mut self,
        reader: &mut Reader<'_>,
        count: usize,
        at: usize,
        code: impl Fn(u32) -> Code,
    ) -> Result<()> {
        // Also before anything is reserved: each takes a byte.
        if count > reader.left() {
            return Err(DecodeErrorKind::Truncated);
        }
        let mut before = at;
        for _ in 0..count {
            let farther = reader.number()?;
            before = before
                .checked_sub(farther)
                .and_then(|before| before.checked_sub(1))
                .ok_or(DecodeErrorKind::Source)?;
            self.codes.push(code(before as u32));
        }
        Ok(())
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl Reader<'_> {
    fn left(&self) -> usize {
        self.bytes.len() - self.offset
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let rest = &self.bytes[self.offset..];
        let Some(taken) = rest.first_chunk::<N>() else {
            self.offset = self.bytes.len();
            return Err(DecodeErrorKind::Truncated);
        };
        self.offset += N;
        Ok(*taken)
    }

    /// A number of at most 32 bits, in as few bytes as it needs.
    #[inline]
    fn number(&mut self) -> Result<usize> {
        let Some(&first) = self.bytes.get(self.offset) else {
            return Err(DecodeErrorKind::Truncated);
        };
        self.offset += 1;
        if first < 0x80 {
            return Ok(first.into());
        }
        self.long_number(first)
    }

    fn long_number(&mut self, first: u8) -> Result<usize> {
        let mut number = u64::from(first & 0x7f);
        for group in 1..5 {
            let [byte] = self.take::<1>()?;
            number |= u64::from(byte & 0x7f) << (7 * group);
            if byte < 0x80 {
                if byte == 0 {
                    break;
                }
                let number = u32::try_from(number).map_err(|_| DecodeErrorKind::Number)?;
                return Ok(number as usize);
            }
        }
        Err(DecodeErrorKind::Number)
    }
}
