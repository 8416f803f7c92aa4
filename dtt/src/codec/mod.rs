//! The wire format: one byte string for each tree. `FORMAT.md` beside this folder specifies it.
//!
//! | file | what |
//! | --- | --- |
//! | `encode.rs` | from the tree to bytes |
//! | `decode.rs` | back, from anybody |
//! | `logical.rs` | the form for people, through serde |

mod decode;
mod encode;
#[cfg(feature = "serde")]
mod logical;

pub use decode::{DecodeError, DecodeErrorKind, Limits};

use crate::access::Trust;

/// What every encoding begins with. The last byte is the version.
const MAGIC: [u8; 4] = *b"DTT\x01";

/// How trust is written, in two bits.
const TRUSTS: [Trust; 3] = [Trust::Exact, Trust::Predicted, Trust::Unknown];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dtt, tree::Code};

    /// Three transactions add, the fourth needs their sum and the second, the fifth needs the sum again.
    pub(super) fn tree() -> Dtt {
        let mut tree = Dtt::new();
        for trust in [Trust::Exact, Trust::Exact, Trust::Predicted] {
            tree.push(trust, [].into_iter()).unwrap();
        }
        let adds = [0, 1, 2].map(Code::transaction);
        let sum = tree.sums.push(3, &adds).unwrap();
        let sources = [Code::transaction(1), sum];
        tree.push(Trust::Predicted, sources.into_iter()).unwrap();
        tree.push(Trust::Unknown, [].into_iter()).unwrap();
        tree.push(Trust::Exact, [sum].into_iter()).unwrap();
        tree
    }

    #[test]
    fn bytes_are_those_of_the_specification() {
        let bytes = tree().encode();
        let expected = [
            &b"DTT\x01\x06"[..],
            // Two exact, two predicted, one unknown, one exact.
            &[2 << 2, 2 << 2 | 1, 1 << 2 | 2, 1 << 2],
            // Nothing three times.
            &[0, 0, 0],
            // One transaction, two back, and sums: one new, of the three before, and that.
            &[1 << 1 | 1, 1, 1, 3, 0, 0, 0, 0, 1, 0],
            &[0],
            // No transaction, but sums: none new, one, the latest.
            &[1, 0, 1, 0],
        ];
        assert_eq!(bytes, expected.concat());
        assert_eq!(Dtt::decode(&bytes, Limits::default()), Ok(tree()));
    }

    #[test]
    fn every_truncation_is_an_error() {
        let bytes = tree().encode();
        for end in 0..bytes.len() {
            let error = Dtt::decode(&bytes[..end], Limits::default()).unwrap_err();
            assert!(error.offset() <= end, "{error}");
        }
    }

    #[test]
    fn every_changed_byte_is_an_error_or_another_tree() {
        let tree = tree();
        let bytes = tree.encode();
        for at in 0..bytes.len() {
            for byte in 0..=u8::MAX {
                let mut changed = bytes.clone();
                changed[at] = byte;
                if let Ok(decoded) = Dtt::decode(&changed, Limits::default()) {
                    assert_eq!(decoded.encode(), changed);
                    assert_eq!(decoded == tree, changed == bytes);
                }
            }
        }
    }
}
