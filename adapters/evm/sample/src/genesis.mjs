// The genesis as a geth style object.

import { getGenesis } from '@ethereumjs/genesis';
import { keccak256, numberToHex, padHex, stringToHex } from 'viem';
import { fundedAccounts } from './accounts.mjs';
import { BLOCK_GAS_LIMIT, CHAIN_ID, GENESIS_BASE_FEE, GENESIS_TIME, SEED } from './config.mjs';

/// The Hoodi test network has all system contracts in its genesis.
const HOODI_CHAIN_ID = 560048;

export const SYSTEM_CONTRACTS = {
  deposits: '0x00000000219ab540356cbb839cbe05303d7705fa', // EIP-6110
  beaconRoots: '0x000f3df6d732807ef1319fb7b8bb8522d0beac02', // EIP-4788
  blockHashes: '0x0000f90827f1c53a10cb7a02335b175320002935', // EIP-2935
  withdrawalRequests: '0x00000961ef480eb55e80d19ad83579a64c007002', // EIP-7002
  consolidationRequests: '0x0000bbddc7ce488642fb579f8b00f3a590007251', // EIP-7251
};

function systemAccount(address) {
  const [balance, code, storage, nonce] = getGenesis(HOODI_CHAIN_ID)[address];
  const slots = storage.map(([slot, value]) => [padHex(slot, { size: 32 }), padHex(value, { size: 32 })]);
  return { balance, nonce, code, storage: Object.fromEntries(slots) };
}

function createAlloc(accounts) {
  const alloc = {};
  for (const address of Object.values(SYSTEM_CONTRACTS)) alloc[address] = systemAccount(address);
  for (const { address, balance } of fundedAccounts(accounts)) alloc[address] = { balance: numberToHex(balance) };
  return alloc;
}

function createConfig() {
  const blockForks = [
    'homestead', 'eip150', 'eip155', 'eip158', 'byzantium', 'constantinople', 'petersburg', 'istanbul', 'berlin', 'london',
  ];
  const config = { chainId: CHAIN_ID };
  for (const fork of blockForks) config[`${fork}Block`] = 0;
  return {
    ...config,
    terminalTotalDifficulty: 0,
    terminalTotalDifficultyPassed: true,
    shanghaiTime: 0,
    cancunTime: 0,
    pragueTime: 0,
    osakaTime: 0,
    depositContractAddress: SYSTEM_CONTRACTS.deposits,
    blobSchedule: {
      cancun: { target: 3, max: 6, baseFeeUpdateFraction: 3338477 },
      prague: { target: 6, max: 9, baseFeeUpdateFraction: 5007716 },
      osaka: { target: 6, max: 9, baseFeeUpdateFraction: 5007716 },
    },
  };
}

export function createGenesis(accounts) {
  return {
    config: createConfig(),
    timestamp: numberToHex(GENESIS_TIME),
    extraData: stringToHex(SEED),
    gasLimit: numberToHex(BLOCK_GAS_LIMIT),
    difficulty: '0x0',
    mixHash: keccak256(stringToHex(SEED)),
    coinbase: accounts.coinbase.address,
    nonce: '0x0000000000000000',
    baseFeePerGas: numberToHex(GENESIS_BASE_FEE),
    alloc: createAlloc(accounts),
  };
}
