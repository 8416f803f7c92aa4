// The fixed choices that define the sample chain.

export const SEED = 'pleach-sample';
export const CHAIN_ID = 1337;
export const BLOCK_GAS_LIMIT = 30_000_000;
export const GENESIS_TIME = Date.UTC(2026, 0, 1) / 1000;
export const SECONDS_PER_BLOCK = 12;
export const GENESIS_BASE_FEE = 1_000_000_000n;

export const TRADERS = 300;
/// The first traders hold every token and swap; the others hold the hot token.
export const SWAPPERS = 100;
/// Accounts that use EIP-7702.
export const WALLETS = 40;

/// Tokens by index; token 0 is the hot one.
export const TOKENS = ['Coin', 'Stable', 'Gold', 'Meme', 'Points'];
/// Pools as pairs of token indices; pool 0 is the hot one.
export const POOLS = [[0, 1], [0, 2], [0, 3], [1, 2], [3, 4], [0, 4]];
