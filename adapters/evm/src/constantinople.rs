//! Constantinople as it was meant to be, before Petersburg took EIP-1283 back: net gas metering of SSTORE.
//!
//! Mainnet never had it, since both came with the same block; some test networks did. revm knows Petersburg alone, and net
//! metering as Istanbul brought it back (EIP-2200): the same, but for prices and for a stipend that is kept. What is here
//! are the prices, and an SSTORE that leaves the stipend alone.

use alloy_hardforks::EthereumHardforks;
use revm::{
    context::CfgEnv,
    context_interface::{
        cfg::{GasId, GasParams},
        host::Host,
    },
    interpreter::{InstructionResult, instructions::host::sstore_with_gas_accounting},
    primitives::hardfork::SpecId,
};

use crate::{engine::Step, spec::ChainSpec};

/// What an SSTORE costs at least.
const LEAST: u64 = 200;
/// What it costs beyond that to put something where nothing was, and to change something.
const SET: u64 = 20_000 - LEAST;
const RESET: u64 = 5_000 - LEAST;

/// Whether it holds in the block with this number.
pub(crate) fn is_active(spec: &ChainSpec, number: u64) -> bool {
    spec.is_constantinople_active_at_block(number) && !spec.is_petersburg_active_at_block(number)
}

/// Its rules, for blocks of these.
pub(crate) fn configure(cfg: &mut CfgEnv) {
    cfg.set_spec_and_mainnet_gas_params(SpecId::PETERSBURG);
    let mut gas: GasParams = cfg.gas_params.clone();
    gas.override_gas([
        (GasId::sstore_static(), LEAST),
        (GasId::sstore_set_without_load_cost(), SET),
        (GasId::sstore_reset_without_cold_load_cost(), RESET),
        (GasId::sstore_set_refund(), SET),
        (GasId::sstore_reset_refund(), RESET),
    ]);
    cfg.set_gas_params(gas);
}

/// SSTORE (EIP-1283).
pub(crate) fn sstore(step: Step<'_, '_>) -> Result<(), InstructionResult> {
    sstore_with_gas_accounting(step, |step, _, stored| {
        let prices = step.host.gas_params();
        let cost = prices.sstore_dynamic_gas(true, stored, stored.is_cold);
        let refund = prices.sstore_refund(true, stored);
        let gas = &mut step.interpreter.gas;
        if !gas.record_regular_cost(cost) {
            return Err(InstructionResult::OutOfGas);
        }
        gas.record_refund(refund);
        Ok(())
    })
}
