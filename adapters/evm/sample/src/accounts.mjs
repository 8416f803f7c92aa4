// The accounts of the chain, all with keys derived from the seed.

import { keccak256, parseEther, toBytes } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { SEED, TRADERS, WALLETS } from './config.mjs';

/** An account with a key, its balance at genesis and its next nonce. */
function createAccount(label, ether) {
  const signer = privateKeyToAccount(keccak256(toBytes(`${SEED}${label}`)));
  return { address: signer.address.toLowerCase(), signer, balance: parseEther(String(ether)), nonce: 0 };
}

function createMany(prefix, count, etherOf) {
  return Array.from({ length: count }, (_, i) => createAccount(`${prefix}${i}`, etherOf(i)));
}

export function createAccounts() {
  return {
    coinbase: createAccount('coinbase', 5),
    deployer: createAccount('deployer', 1000),
    exchange: createAccount('exchange', 250_000),
    bridge: createAccount('bridge', 0),
    /// Posts blobs and calldata.
    rollup: createAccount('rollup', 1000),
    traders: createMany('', TRADERS, (i) => 200 + (i % 17) * 10),
    wallets: createMany('wallet', WALLETS, () => 30),
  };
}

/** The accounts that exist at genesis. */
export function fundedAccounts({ traders, wallets, ...single }) {
  return [...Object.values(single), ...traders, ...wallets].filter(({ balance }) => balance > 0n);
}
