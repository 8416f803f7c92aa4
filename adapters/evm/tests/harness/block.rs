//! Whole blocks: with real signatures, and with what the protocol itself does around the transactions.

use alloy_consensus::{
    Header, SignableTransaction, Signed, TxEnvelope, TxLegacy, crypto::secp256k1,
};
use alloy_primitives::{Address, B256, Signature, TxKind, U256};
use pleach::{CancelToken, SerialExecutor};
use pleach_evm::{Account, BlockError, BlockResult, ChainSpec, EvmBlock, EvmState};

use super::{CHAIN_ID, key, signer};

/// A block without anything in it, of a chain with the rules of `fork`.
#[derive(Clone, Debug)]
pub(crate) struct Whole {
    pub(crate) spec: ChainSpec,
    pub(crate) block: EvmBlock,
    pub(crate) state: EvmState,
}

impl Whole {
    /// A block on an empty state.
    pub(crate) fn new(fork: &str) -> Self {
        Self::on_chain(CHAIN_ID, fork)
    }

    pub(crate) fn on_chain(chain_id: u64, fork: &str) -> Self {
        let spec = ChainSpec::with_fork(chain_id, fork).expect("there is such a fork");
        Self::of_spec(spec)
    }

    /// A block with all fields that a header may have.
    pub(crate) fn of_spec(spec: ChainSpec) -> Self {
        let header = Header {
            number: 1_000,
            timestamp: 1_000_000,
            gas_limit: 30_000_000,
            beneficiary: Address::repeat_byte(0xcb),
            base_fee_per_gas: Some(0),
            excess_blob_gas: Some(0),
            parent_hash: B256::repeat_byte(0x77),
            parent_beacon_block_root: Some(B256::repeat_byte(0x88)),
            ..Header::default()
        };
        let block = EvmBlock {
            header,
            hash: B256::ZERO,
            transactions: Vec::new(),
            senders: Vec::new(),
            ommers: Vec::new(),
            withdrawals: None,
        };
        Self {
            spec,
            block,
            state: EvmState::default(),
        }
    }

    pub(crate) fn account(&mut self, address: Address, account: Account) {
        self.state.insert_account(address, account);
    }

    pub(crate) fn balance(&mut self, address: Address, wei: u64) {
        let balance = U256::from(wei);
        self.account(
            address,
            Account {
                balance,
                ..Account::default()
            },
        );
    }

    pub(crate) fn code(&mut self, address: Address, code: &[u8]) {
        let hash = alloy_primitives::keccak256(code);
        let bytes = code.to_vec().into();
        self.state
            .insert_code(hash, bytes)
            .expect("that is its hash");
        self.account(
            address,
            Account {
                nonce: 1,
                code: Some(hash),
                ..Account::default()
            },
        );
    }

    pub(crate) fn push(&mut self, transaction: impl Into<TxEnvelope>) {
        self.block.transactions.push(transaction.into());
    }

    pub(crate) fn execute(&self) -> Result<BlockResult, BlockError> {
        self.block.prepare(&self.spec)?.execute(
            &SerialExecutor::new(),
            &self.state,
            &CancelToken::new(),
        )
    }

    /// The state after the block, which is valid.
    #[track_caller]
    pub(crate) fn after(&self) -> EvmState {
        let result = self.execute().expect("the block is valid");
        let mut state = self.state.clone();
        let prepared = self.block.prepare(&self.spec);
        prepared
            .expect("it was prepared before")
            .apply(&result, &mut state);
        state
    }
}

/// A payment of one wei at a price of ten, to be signed by this signer.
pub(crate) fn payment(to: Address, nonce: u64, gas_limit: u64) -> TxLegacy {
    TxLegacy {
        chain_id: Some(CHAIN_ID),
        nonce,
        gas_price: 10,
        gas_limit,
        to: TxKind::Call(to),
        value: U256::ONE,
        ..TxLegacy::default()
    }
}

/// Signs a transaction with the key of a signer.
pub(crate) fn sign<T>(from: usize, transaction: T) -> TxEnvelope
where
    T: SignableTransaction<Signature>,
    TxEnvelope: From<Signed<T>>,
{
    let hash = transaction.signature_hash();
    let signature = secp256k1::sign_message(key(from), hash).expect("the key is valid");
    assert_eq!(
        secp256k1::recover_signer(&signature, hash).ok(),
        Some(signer(from))
    );
    transaction.into_signed(signature).into()
}

/// The balance of an account, `None` if it does not exist.
pub(crate) fn balance(state: &EvmState, address: Address) -> Option<U256> {
    state.account(address).map(|account| account.balance)
}
