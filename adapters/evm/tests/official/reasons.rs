//! Why blocks must be rejected, and what is said when they are: a block may not be rejected for a reason of our own making.

/// Reasons as the tests have them, with words of which our rejection must have one.
const REASONS: [(&str, &[&str]); 41] = [
    (
        "BlockException.EXTRA_DATA_INVALID_DAO",
        &["extra data is not the DAO fork's"],
    ),
    (
        "BlockException.EXTRA_DATA_TOO_BIG",
        &["extra data is too long"],
    ),
    ("BlockException.GASLIMIT_TOO_BIG", &["gas limit is too big"]),
    (
        "BlockException.GAS_USED_OVERFLOW",
        &["gas used is over the limit"],
    ),
    (
        "BlockException.IMPORT_IMPOSSIBLE_DIFFICULTY_OVER_PARIS",
        &["proof of work in proof of stake"],
    ),
    (
        "BlockException.IMPORT_IMPOSSIBLE_PARIS_WRONG_POS",
        &["difficulty"],
    ),
    (
        "BlockException.IMPORT_IMPOSSIBLE_PARIS_WRONG_POW",
        &["proof of work in proof of stake"],
    ),
    (
        "BlockException.IMPORT_IMPOSSIBLE_UNCLES_OVER_PARIS",
        &[
            "proof of work in proof of stake",
            "uncles in proof of stake",
        ],
    ),
    (
        "BlockException.INCORRECT_BLOCK_FORMAT",
        &["rlp: ", "fields of a later fork", "fields of its fork"],
    ),
    (
        "BlockException.INCORRECT_EXCESS_BLOB_GAS",
        &["excess blob gas"],
    ),
    ("BlockException.INVALID_BASEFEE_PER_GAS", &["base fee"]),
    (
        "BlockException.INVALID_BLOCK_NUMBER",
        &["number does not follow"],
    ),
    (
        "BlockException.INVALID_BLOCK_TIMESTAMP_OLDER_THAN_PARENT",
        &["timestamp is not later"],
    ),
    (
        "BlockException.INVALID_DIFFICULTY",
        &["difficulty", "proof of work in proof of stake"],
    ),
    (
        "BlockException.INVALID_GASLIMIT",
        &["gas limit moves too far"],
    ),
    ("BlockException.INVALID_RECEIPTS_ROOT", &["receipts_root"]),
    ("BlockException.INVALID_STATE_ROOT", &["state_root"]),
    (
        "BlockException.INVALID_TRANSACTIONS_ROOT",
        &["transactions_root"],
    ),
    (
        "BlockException.INVALID_WITHDRAWALS_ROOT",
        &["withdrawals_root"],
    ),
    ("BlockException.RLP_INVALID_ADDRESS", &["rlp: "]),
    ("BlockException.RLP_INVALID_FIELD_OVERFLOW_64", &["rlp: "]),
    ("BlockException.RLP_STRUCTURES_ENCODING", &["rlp: "]),
    (
        "BlockException.RLP_WITHDRAWALS_NOT_READ",
        &["withdrawals_root"],
    ),
    ("BlockException.UNKNOWN_PARENT", &["unknown parent"]),
    ("BlockException.UNKNOWN_PARENT_ZERO", &["unknown parent"]),
    (
        "TransactionException.GAS_ALLOWANCE_EXCEEDED",
        &["its gas limit"],
    ),
    (
        "TransactionException.INITCODE_SIZE_EXCEEDED",
        &["create initcode size limit"],
    ),
    (
        "TransactionException.INSUFFICIENT_ACCOUNT_FUNDS",
        &["lack of funds"],
    ),
    (
        "TransactionException.INSUFFICIENT_MAX_FEE_PER_GAS",
        &["gas price is less than basefee"],
    ),
    (
        "TransactionException.INTRINSIC_GAS_TOO_LOW",
        &["call gas cost"],
    ),
    ("TransactionException.NONCE_IS_MAX", &["nonce overflow"]),
    (
        "TransactionException.NONCE_MISMATCH_TOO_LOW",
        &["too low, expected"],
    ),
    (
        "TransactionException.PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS",
        &["priority fee is greater than max fee"],
    ),
    ("TransactionException.RLP_INVALID_VALUE", &["rlp: "]),
    (
        "TransactionException.SENDER_NOT_EOA",
        &["senders with deployed code"],
    ),
    (
        "TransactionException.TYPE_3_TX_BLOB_COUNT_EXCEEDED",
        &["too many blobs", "its blob gas limit"],
    ),
    (
        "TransactionException.TYPE_3_TX_CONTRACT_CREATION",
        &["rlp: "],
    ),
    (
        "TransactionException.TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH",
        &["blob version not supported"],
    ),
    (
        "TransactionException.TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED",
        &["its blob gas limit"],
    ),
    (
        "TransactionException.TYPE_3_TX_PRE_FORK",
        &["Eip4844 is not supported", "its blob gas limit"],
    ),
    (
        "TransactionException.TYPE_3_TX_ZERO_BLOBS",
        &["empty blobs"],
    ),
];

/// Whether a block that must be rejected for one of the reasons `expected` was rejected for that.
pub(super) fn is_one_of(expected: &str, rejection: &str) -> bool {
    expected.split('|').any(|reason| {
        let known = REASONS.iter().find(|(name, _)| *name == reason);
        known.is_some_and(|(_, words)| words.iter().any(|word| rejection.contains(word)))
    })
}
