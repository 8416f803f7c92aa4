// What each block of the chain contains.

import { BLOCK_GAS_LIMIT, GENESIS_TIME, SECONDS_PER_BLOCK } from './config.mjs';
import { fundingActions, poolActions } from './contracts.mjs';

export const BLOCKS = 24;
const EMPTY_BLOCK = 9;
const SINGLE_BLOCK = 14;
const DEPLOYING_BLOCKS = [11, 19];
const NEARLY_FULL_BLOCKS = [16, 21];
const NEARLY_FULL = 0.99;
/// The end of a nearly full block holds ether transfers only: their gas limit
/// is what they use, so the block has room for each of them.
const EXACT_SHARE = 0.08;
/// A block has to have room for the gas limit of its last transaction, which is
/// high for deployments.
const DEPLOYING_SHARE = 0.78;
/// Bytes which make an init code almost as large as EIP-3860 allows.
const LARGE_PADDING = 45_000;

/** Adds actions until their estimated gas reaches `share` of the block. */
function fill(list, share, next) {
  let cost = list.reduce((sum, action) => sum + action.cost, 0);
  while (cost < share * BLOCK_GAS_LIMIT) {
    for (const action of next()) {
      list.push(action);
      cost += action.cost;
    }
  }
  return list;
}

/** What the consensus layer and the proposer contribute to block `number`. */
export function planHeader(number, { accounts, actions, random }) {
  return {
    timestamp: GENESIS_TIME + number * SECONDS_PER_BLOCK,
    coinbase: accounts.coinbase.address,
    mixHash: random.hex(32),
    parentBeaconBlockRoot: random.hex(32),
    withdrawals: number === EMPTY_BLOCK ? [] : actions.withdrawals(),
  };
}

/** Plans the transactions of block `number`. */
export function planBlock(number, { accounts, contracts, actions, random }) {
  actions.startBlock();
  const share = random.integer(60, 92) / 100;
  if (number === EMPTY_BLOCK) return [];
  if (number === SINGLE_BLOCK) return actions.swap();
  if (number === 1) {
    return fill([...contracts.deployActions, ...poolActions(contracts, accounts)], share, actions.transfer);
  }
  if (number === 2) return fill(fundingActions(contracts, accounts), share, actions.transfer);
  if (DEPLOYING_BLOCKS.includes(number)) {
    return fill(fill(actions.deployBulk(LARGE_PADDING), DEPLOYING_SHARE, actions.deploying), share, actions.tokenTransfer);
  }
  if (NEARLY_FULL_BLOCKS.includes(number)) {
    return fill(fill([], NEARLY_FULL - EXACT_SHARE, actions.usual), NEARLY_FULL, actions.transfer);
  }
  return fill([], share, actions.usual);
}
