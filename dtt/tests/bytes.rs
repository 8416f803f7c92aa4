//! Bytes and JSON that nobody should believe.

use pleach_dtt::{DecodeErrorKind, Dtt, Limits};
use proptest::prelude::*;

use crate::blocks::{block, open};

#[cfg(feature = "serde")]
pub(crate) fn through_json(tree: &Dtt) -> Dtt {
    let json = serde_json::to_string(tree).expect("a tree can be written");
    serde_json::from_str(&json).expect("it can be read")
}

#[cfg(not(feature = "serde"))]
pub(crate) fn through_json(tree: &Dtt) -> Dtt {
    tree.clone()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_an_error_or_the_one_encoding_of_a_tree(
        mut bytes in prop::collection::vec(any::<u8>(), 0..64),
        begins_right in any::<bool>(),
    ) {
        if begins_right && bytes.len() > 4 {
            bytes[..4].copy_from_slice(b"DTT\x01");
        }
        if let Ok(tree) = Dtt::decode(&bytes, Limits::default()) {
            prop_assert_eq!(tree.encode(), bytes);
        }
    }

    #[test]
    fn damaged_encodings_are_an_error_or_another_tree(
        block in block(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let tree = open(&block).into_tree();
        let mut bytes = tree.encode();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(decoded) = Dtt::decode(&bytes, Limits::default()) {
            prop_assert_eq!(decoded == tree, bytes == tree.encode());
            prop_assert_eq!(decoded.encode(), bytes);
        }
    }
}

#[test]
fn what_is_wrong_is_named() {
    use DecodeErrorKind as Kind;
    for (bytes, offset, kind) in [
        (&b""[..], 0, Kind::NoTree),
        (b"DTT", 3, Kind::Truncated),
        (b"tree!", 0, Kind::NoTree),
        (b"D", 0, Kind::NoTree),
        (b"DTT\x07", 4, Kind::Version(7)),
        (b"DTT\x01", 4, Kind::Truncated),
        (b"DTT\x01\x00\x00", 5, Kind::Trailing),
        // More transactions than bytes, before anything is reserved.
        (b"DTT\x01\xff\x3f", 6, Kind::Truncated),
        // One transaction whose trust is run of none, too long, unknown, and twice the same.
        (b"DTT\x01\x01\x00\x00", 6, Kind::Trust),
        (b"DTT\x01\x01\x08\x00", 6, Kind::Trust),
        (b"DTT\x01\x01\x07\x00", 6, Kind::Trust),
        (b"DTT\x01\x02\x04\x04\x00\x00", 7, Kind::Trust),
        // Numbers with a group too many, and beyond 32 bits.
        (b"DTT\x01\x80\x00", 6, Kind::Number),
        (b"DTT\x01\xff\xff\xff\xff\x1f", 9, Kind::Number),
        (b"DTT\x01\xff\xff\xff\xff\xff\x01", 9, Kind::Number),
        // The first transaction needs one before it.
        (b"DTT\x01\x01\x04\x02\x00", 8, Kind::Source),
        // The third needs a sum of one, a sum that is not there, and none of those that it makes.
        (
            b"DTT\x01\x03\x0c\x00\x00\x01\x01\x01\x00\x00\x01\x00",
            13,
            Kind::Sum,
        ),
        (b"DTT\x01\x03\x0c\x00\x00\x01\x00\x01\x00", 12, Kind::Source),
        (
            b"DTT\x01\x03\x0c\x00\x00\x01\x01\x02\x00\x00\x00\x00",
            15,
            Kind::Sum,
        ),
    ] {
        let error = Dtt::decode(bytes, Limits::default()).unwrap_err();
        assert_eq!((error.kind(), error.offset()), (kind, offset), "{bytes:?}");
    }
}

#[test]
fn callers_limit_what_they_accept() {
    let mut open = pleach_dtt::OpenTree::new();
    let mut set = pleach_dtt::AccessSet::new();
    set.update(7);
    for _ in 0..10 {
        open.push(&set, pleach_dtt::Trust::Exact).unwrap();
    }
    let bytes = open.tree().encode();
    let limits = Limits::default().transactions(10).edges(9);
    assert!(Dtt::decode(&bytes, limits).is_ok());
    let error = Dtt::decode(&bytes, limits.transactions(9)).unwrap_err();
    let (found, limit) = (10, 9);
    assert_eq!(error.kind(), DecodeErrorKind::Transactions { found, limit });
    let error = Dtt::decode(&bytes, limits.edges(8)).unwrap_err();
    assert_eq!(error.kind(), DecodeErrorKind::Edges { limit: 8 });
}
