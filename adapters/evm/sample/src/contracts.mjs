// The contracts of the chain: where they will be deployed, the transactions
// that set them up, and how to call them.

import {
  concat, encodeAbiParameters, encodeDeployData, encodeFunctionData, getContractAddress, keccak256, maxUint256, numberToHex, parseEther,
} from 'viem';
import { POOLS, SWAPPERS, TOKENS } from './config.mjs';

const SUPPLY = parseEther('1000000000000');
const POOL_RESERVE = parseEther('20000000');
const AIRDROP = parseEther('200000');
const AIRDROP_BATCH = 50;

/// Single contracts and their deployment gas.
const SINGLES = {
  Factory: 2_600_000, Router: 900_000, Disperser: 300_000, Creator: 800_000, Faults: 400_000, Prober: 700_000,
  TransientVault: 600_000, Precompiles: 700_000, SmartWallet: 700_000,
};
/// Tokens are plain, except for the last one, which has roles and a pause.
const isMinterToken = (index) => index === TOKENS.length - 1;

/** Places all contracts; they are deployed by `deployActions` in this order. */
export function createContracts(artifacts, { deployer }) {
  const deployActions = [];
  let nonce = deployer.nonce;

  function deploy(name, args, gas) {
    const { abi, bytecode } = artifacts[name];
    const data = encodeDeployData({ abi, bytecode, args });
    deployActions.push({ kind: 'deploy', from: deployer, data, gas: Math.round(gas * 1.3), cost: gas });
    return getContractAddress({ from: deployer.address, nonce: BigInt(nonce++) }).toLowerCase();
  }

  const tokens = TOKENS.map((name, index) =>
    isMinterToken(index)
      ? deploy('MinterToken', [name, name.toUpperCase()], 2_000_000)
      : deploy('FixedToken', [name, name.toUpperCase(), SUPPLY, deployer.address], 800_000),
  );
  const single = {};
  for (const [name, gas] of Object.entries(SINGLES)) {
    single[name] = deploy(name, name === 'Factory' ? [deployer.address] : [], gas);
  }
  const pools = POOLS.map((indices) => placePool(artifacts.Pair, single.Factory, tokens, indices));
  const call = (name, functionName, args) => encodeFunctionData({ abi: artifacts[name].abi, functionName, args });
  return { artifacts, deployActions, tokens, pools, call, ...single };
}

function placePool({ bytecode }, factory, tokens, indices) {
  const [index0, index1] = [...indices].sort((a, b) => (BigInt(tokens[a]) < BigInt(tokens[b]) ? -1 : 1));
  const salt = keccak256(concat([tokens[index0], tokens[index1]]));
  const address = getContractAddress({ opcode: 'CREATE2', from: factory, salt, bytecode }).toLowerCase();
  return { address, indices: [index0, index1] };
}

/** Creates the pools and mints the token that starts without supply. */
export function poolActions({ tokens, pools, Factory, call }, { deployer }) {
  const mint = {
    kind: 'token transfer', from: deployer, to: tokens.at(-1), gas: 120_000, cost: 77_000,
    data: call('MinterToken', 'mint', [deployer.address, SUPPLY]),
  };
  const creations = pools.map(({ indices: [a, b] }) => ({
    kind: 'deploy', from: deployer, to: Factory, gas: 2_800_000, cost: 2_070_000,
    data: call('Factory', 'createPair', [tokens[a], tokens[b]]),
  }));
  return [mint, ...creations];
}

/** Fills the pools and spreads the tokens over their holders. */
export function fundingActions({ tokens, pools, Router, Disperser, call }, { deployer, traders, wallets }) {
  const approvals = tokens.flatMap((token) =>
    [Router, Disperser].map((spender) => ({
      kind: 'approve', from: deployer, to: token, gas: 60_000, cost: 46_500,
      data: call('FixedToken', 'approve', [spender, maxUint256]),
    })),
  );
  const liquidity = pools.map(({ address }) => ({
    kind: 'liquidity', from: deployer, to: Router, gas: 400_000, cost: 240_000,
    data: call('Router', 'addLiquidity', [address, POOL_RESERVE, POOL_RESERVE]),
  }));
  const airdrops = tokens.flatMap((token, index) => {
    const holders = index === 0 ? [...traders, ...wallets] : traders.slice(0, SWAPPERS);
    return batches(holders, AIRDROP_BATCH).map((batch) => ({
      kind: 'airdrop', from: deployer, to: Disperser, gas: 60_000 + 40_000 * batch.length, cost: 40_000 + 28_500 * batch.length,
      data: call('Disperser', 'disperse', [token, batch.map(({ address }) => address), AIRDROP]),
    }));
  });
  return [...approvals, ...liquidity, ...airdrops];
}

function batches(list, size) {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size));
}

/** The storage slot of a balance in a plain token. */
export function balanceSlot(holder) {
  return keccak256(encodeAbiParameters([{ type: 'address' }, { type: 'uint256' }], [holder, 0n]));
}

/// What a swap reads and writes in a pair: tokens, reserves, prices, lock.
export const PAIR_SLOTS = [6, 7, 8, 9, 10, 12].map((slot) => numberToHex(slot, { size: 32 }));
