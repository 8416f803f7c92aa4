//! What happens around the execution of a transaction: its sender pays, its beneficiary earns.
//!
//! revm's handler does it on whole accounts. These are the few steps that touch balances, over
//! [`LazyJournal`](crate::journal::LazyJournal) instead; everything else is revm's.

use std::marker::PhantomData;

use alloy_primitives::U256;
use revm::{
    context::{
        Block, BlockEnv, Cfg, CfgEnv, Context, ContextTr, JournalTr, LocalContext, Transaction,
        TxEnv,
        result::{EVMError, HaltReason, InvalidTransaction},
    },
    handler::{
        EvmTr, FrameResult, Handler,
        pre_execution::{calculate_caller_fee, validate_account_nonce_and_code_with_components},
    },
    interpreter::InitialAndFloorGas,
    primitives::hardfork::SpecId,
    state::Account,
};

use crate::{
    database::{LARGE, Mode, ViewDatabase, ViewError},
    engine::Engine,
    journal::LazyJournal,
};

/// revm's context over borrowed environments and a Pleach view.
pub(crate) type EvmContext<'a> = Context<
    &'a BlockEnv,
    &'a TxEnv,
    &'a CfgEnv,
    ViewDatabase<'a>,
    LazyJournal<'a>,
    (),
    LocalContext,
>;

/// Why a transaction has no result.
pub(crate) type EvmError = EVMError<ViewError, InvalidTransaction>;

/// Mainnet's handler with lazy balances.
pub(crate) struct LazyHandler<'a>(PhantomData<&'a ()>);

impl LazyHandler<'_> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<'a> Handler for LazyHandler<'a> {
    type Evm = Engine<'a>;
    type Error = EvmError;
    type HaltReason = HaltReason;

    fn validate_against_state_and_deduct_caller(
        &self,
        evm: &mut Engine<'a>,
        _: &mut InitialAndFloorGas,
    ) -> Result<(), EvmError> {
        let (block, tx, cfg, journal, ..) = evm.ctx().all_mut();
        let caller = tx.caller();
        journal.load_account_with_code(caller)?;
        journal.expect_nonce(caller, tx.nonce())?;
        validate_account_nonce_and_code_with_components(
            &journal.account_mut(caller).info,
            tx,
            cfg,
        )?;

        // A sum that overflows is refused below, whatever the balance.
        let needed = tx.max_balance_spending().unwrap_or(LARGE);
        journal.can_pay(caller, needed)?;
        let balance = journal.account_mut(caller).info.balance;
        let balance = calculate_caller_fee(balance, tx, block, cfg)?;

        // No journal entries: the fee and the nonce stand even if the transaction is reverted.
        let account = journal.account_mut(caller);
        account.mark_touch();
        account.info.balance = balance;
        if tx.kind().is_call() {
            account.info.nonce = account.info.nonce.saturating_add(1);
        }
        Ok(())
    }

    fn reimburse_caller(
        &self,
        evm: &mut Engine<'a>,
        result: &mut FrameResult,
    ) -> Result<(), EvmError> {
        let (block, tx, _, journal, ..) = evm.ctx().all_mut();
        let gas = result.gas();
        let unused = gas.remaining() + gas.reservoir() + gas.refunded().cast_unsigned();
        let price = tx.effective_gas_price(u128::from(block.basefee()));
        let amount = U256::from(price.saturating_mul(u128::from(unused)));
        earn(journal.account_mut(tx.caller()), amount);
        Ok(())
    }

    fn reward_beneficiary(
        &self,
        evm: &mut Engine<'a>,
        result: &mut FrameResult,
    ) -> Result<(), EvmError> {
        let (block, tx, cfg, journal, ..) = evm.ctx().all_mut();
        let gas = result.gas();
        let base_fee = u128::from(block.basefee());
        let mut price = tx.effective_gas_price(base_fee);
        if cfg.spec().is_enabled_in(SpecId::LONDON) {
            price = price.saturating_sub(base_fee);
        }
        let used = gas.used().saturating_sub(gas.reservoir());
        let amount = U256::from(price * u128::from(used));
        let beneficiary = block.beneficiary();
        let is_loaded = journal.inner.state.contains_key(&beneficiary);
        let lazy = journal.database.mode == Mode::Lazy;
        if !is_loaded && lazy && journal.database.clearing && !amount.is_zero() {
            journal.fees = amount;
            return Ok(());
        }
        // Being paid nothing still touches it: it may come into existence, or cease to exist.
        journal.load_account(beneficiary)?;
        earn(journal.account_mut(beneficiary), amount);
        Ok(())
    }
}

/// Adds to a balance as revm's `incr_balance` does, which leaves one that would overflow as it is.
fn earn(account: &mut Account, amount: U256) {
    account.mark_touch();
    if let Some(balance) = account.info.balance.checked_add(amount) {
        account.info.balance = balance;
    }
}
