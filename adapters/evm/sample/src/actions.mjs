// The kinds of actions of which ordinary blocks are made. Each function here
// returns a list of actions `{ kind, from, to, value, data, gas, cost, fails,
// touches, authorize, blobs }`: `gas` is the limit, `cost` the estimated use, and
// `fails` tells that the transaction is meant to be included and to fail.

import {
  concat, encodeDeployData, getContractAddress, keccak256, maxUint256, numberToHex, parseEther, parseGwei, zeroAddress,
} from 'viem';
import { SWAPPERS } from './config.mjs';
import { PAIR_SLOTS, balanceSlot } from './contracts.mjs';
import { createDeposit } from './deposit.mjs';
import { SYSTEM_CONTRACTS } from './genesis.mjs';

const ETHER_COST = 21_000;
const MAX_CODE_SIZE = 24_576;
const HISTORY_READS = 6;
const MAX_BLOBS = 9;
const MAX_WITHDRAWALS = 16;
/// The children that flash creations make again and again at the same address.
const FLASH_SALTS = 4;

/** Makes the actions over the given accounts and contracts; keeps what they have done so far. */
export function createActions(accounts, contracts, random) {
  const { coinbase, exchange, bridge, rollup, traders, wallets } = accounts;
  const { artifacts, tokens, pools, call } = contracts;
  const swappers = traders.slice(0, SWAPPERS);
  const approved = new Set();
  const children = [];
  const usedSalts = [];
  let creatorNonce = 1;
  let blobsLeft = MAX_BLOBS;
  let withdrawalIndex = 0;

  const trader = () => random.pickSkewed(traders);
  const freshAddress = () => random.hex(20);
  const smallEther = () => parseGwei(String(random.integer(1_000, 200_000_000)));
  const tokenAmount = () => parseEther(String(random.integer(1, 50)));

  // Ether

  const pay = (kind, from, to, value) => ({
    kind, from, to, value, gas: ETHER_COST, cost: ETHER_COST,
  });

  function transfer() {
    const to = random.weighted([
      [60, () => random.pick(traders).address],
      [20, freshAddress],
      [12, () => bridge.address],
      [8, () => coinbase.address],
    ])();
    return [pay('ether transfer', trader(), to, random.chance(0.05) ? 0n : smallEther())];
  }

  function deposit() {
    return [pay('exchange deposit', trader(), exchange.address, smallEther())];
  }

  /** The exchange pays many customers: a chain of nonces. */
  function payout() {
    const receiver = () => (random.chance(0.3) ? freshAddress() : random.pick(traders).address);
    return Array.from({ length: random.integer(3, 25) }, () => pay('exchange payout', exchange, receiver(), smallEther()));
  }

  function coinbasePays() {
    return [pay('coinbase sends', coinbase, trader().address, parseGwei(String(random.integer(1, 1_000_000))))];
  }

  /** Data posted to a plain account, charged by the calldata floor of EIP-7623. */
  function postData() {
    const bytes = random.integer(200, 1200);
    const gas = ETHER_COST + 40 * bytes;
    return [{ kind: 'calldata', from: rollup, to: bridge.address, data: random.hex(bytes), gas, cost: gas }];
  }

  /** Blobs, of which the block holds the hashes only; the receiver reads the first of them. */
  function postBlobs() {
    if (blobsLeft === 0) return postData();
    const count = Math.min(blobsLeft, random.integer(1, 4));
    blobsLeft -= count;
    const blobs = Array.from({ length: count }, () => concat(['0x01', random.hex(31)]));
    return [{ kind: 'blobs', from: rollup, to: contracts.Prober, data: call('Prober', 'probeBlock', [1n]), blobs, gas: 120_000, cost: 45_000 }];
  }

  // Tokens

  function tokenCall(kind, from, index, data, gas, cost, others = []) {
    const touches = [{ address: tokens[index], storageKeys: [from.address, ...others].map(balanceSlot) }];
    return { kind, from, to: tokens[index], data, gas, cost, touches };
  }

  function tokenTransfer() {
    const index = random.chance(0.6) ? 0 : random.integer(1, tokens.length - 1);
    const from = index === 0 ? trader() : random.pickSkewed(swappers);
    const to = random.weighted([
      [65, () => random.pick(traders).address],
      [15, freshAddress],
      [20, () => exchange.address],
    ])();
    const data = call('FixedToken', 'transfer', [to, tokenAmount()]);
    return [tokenCall('token transfer', from, index, data, 75_000, 39_900, [to])];
  }

  function approve(from, index) {
    approved.add(`${from.address} ${index}`);
    const amount = random.chance(0.5) ? maxUint256 : parseEther('1000000');
    const data = call('FixedToken', 'approve', [contracts.Router, amount]);
    return [tokenCall('approve', from, index, data, 60_000, 47_200)];
  }

  /** Runs `action` if the account has approved the router, else approves first. */
  function whenApproved(from, indices, action) {
    const missing = indices.find((index) => !approved.has(`${from.address} ${index}`));
    return missing === undefined ? [action()] : approve(from, missing);
  }

  // Pools

  const pickPool = () => (random.chance(0.55) ? pools[0] : random.pick(pools));
  const swapTouches = (used) => used.map(({ address }) => ({ address, storageKeys: PAIR_SLOTS }));

  function swap() {
    const from = random.pickSkewed(swappers);
    const pool = pickPool();
    const index = random.pick(pool.indices);
    const amount = parseEther(String(random.integer(1, 200)));
    return whenApproved(from, [index], () => {
      const fails = random.chance(0.04);
      const minOut = fails ? amount * 1000n : 1n;
      const data = call('Router', 'swap', [pool.address, tokens[index], amount, minOut]);
      const kind = fails ? 'swap refused' : 'swap';
      return { kind, from, to: contracts.Router, data, gas: 220_000, cost: 88_500, fails, touches: swapTouches([pool]) };
    });
  }

  /** A swap over the hot pool and another one that shares a token with it. */
  function swapVia() {
    const from = random.pickSkewed(swappers);
    const [first] = pools;
    const second = random.pick(pools.slice(1).filter(({ indices }) => indices.some((index) => first.indices.includes(index))));
    const start = first.indices.find((index) => !second.indices.includes(index));
    return whenApproved(from, [start], () => {
      const data = call('Router', 'swapVia', [first.address, second.address, tokens[start], tokenAmount(), 1n]);
      return { kind: 'swap', from, to: contracts.Router, data, gas: 350_000, cost: 134_000, touches: swapTouches([first, second]) };
    });
  }

  function addLiquidity() {
    const from = random.pickSkewed(swappers);
    const pool = pickPool();
    return whenApproved(from, pool.indices, () => {
      const data = call('Router', 'addLiquidity', [pool.address, tokenAmount(), tokenAmount()]);
      return { kind: 'liquidity', from, to: contracts.Router, data, gas: 300_000, cost: 122_000, touches: swapTouches([pool]) };
    });
  }

  // Creation and destruction

  const callCreator = (kind, functionName, args, gas, more = {}) => ({
    kind, from: trader(), to: contracts.Creator, data: call('Creator', functionName, args), gas: Math.round(gas * 1.4), cost: gas, ...more,
  });

  function spawn(count = random.integer(1, 5)) {
    for (let i = 0; i < count; i++) {
      children.push(getContractAddress({ from: contracts.Creator, nonce: BigInt(creatorNonce++) }));
    }
    return [callCreator('create', 'spawn', [BigInt(count)], 26_000 + 100_000 * count, { value: smallEther() })];
  }

  const childAt = (salt) =>
    getContractAddress({ opcode: 'CREATE2', from: contracts.Creator, salt, bytecode: artifacts.Child.bytecode });

  function spawn2() {
    if (usedSalts.length > 0 && random.chance(0.1)) {
      return [callCreator('create2 collision', 'spawn2', [random.pick(usedSalts)], 277_000, { fails: true })];
    }
    const salt = random.hex(32);
    usedSalts.push(salt);
    children.push(childAt(salt));
    creatorNonce++;
    return [callCreator('create2', 'spawn2', [salt], 122_000, { value: smallEther() })];
  }

  function flash() {
    const salt = keccak256(numberToHex(random.integer(1, FLASH_SALTS)));
    const beneficiary = random.weighted([[2, zeroAddress], [3, trader().address], [2, coinbase.address], [1, freshAddress()]]);
    creatorNonce++;
    return [callCreator('destroy at once', 'flash', [salt, beneficiary], 134_000, { value: smallEther() })];
  }

  /** Destroys a child of an earlier transaction: it keeps its code and loses its ether. */
  function destroyLater() {
    if (children.length === 0) return spawn();
    const beneficiary = random.chance(0.7) ? trader().address : freshAddress();
    const data = call('Child', 'destroy', [beneficiary]);
    return [{ kind: 'destroy later', from: trader(), to: random.pick(children), data, gas: 90_000, cost: 34_500 }];
  }

  function payChild() {
    if (children.length === 0) return spawn();
    return [{ kind: 'contract payment', from: trader(), to: random.pick(children), value: smallEther(), gas: 50_000, cost: 26_200 }];
  }

  // Deployments by transactions without a receiver

  const deployment = (name, args, cost) => {
    const { abi, bytecode } = artifacts[name];
    return [{ kind: 'deploy', from: trader(), data: encodeDeployData({ abi, bytecode, args }), gas: Math.round(cost * 1.2), cost }];
  };

  function deployToken() {
    const name = `Token${random.integer(1, 9999)}`;
    if (random.chance(0.4)) return deployment('MinterToken', [name, name], 1_950_000);
    return deployment('FixedToken', [name, name, parseEther('1000'), trader().address], 790_000);
  }

  const deployFactory = () => deployment('Factory', [trader().address], 2_600_000);
  const deployWallet = () => deployment('SmartWallet', [], 620_000);

  /** Large runtime code, and with `padding` a large init code. */
  function deployBulk(padding = 0) {
    const size = random.integer(MAX_CODE_SIZE / 2, MAX_CODE_SIZE);
    const execution = 90_000 + 203 * size;
    return deployment('BulkCode', [BigInt(random.integer(0, 1e9)), BigInt(size), random.hex(padding)], execution + 17 * padding);
  }

  // Failures

  const callFaults = (kind, functionName, gas, cost, fails) => ({
    kind, from: trader(), to: contracts.Faults, data: call('Faults', functionName, []), gas, cost, fails,
  });

  function revert() {
    return random.weighted([
      [4, () => [{ ...callFaults('revert', 'refuse', 100_000, 26_000, true), value: random.chance(0.5) ? smallEther() : 0n }]],
      [3, () => [callFaults('revert contained', 'contain', 150_000, 28_000, false)]],
      [3, tokenOverdraft],
    ])();
  }

  function tokenOverdraft() {
    const data = call('FixedToken', 'transfer', [trader().address, parseEther('999999999')]);
    return [{ ...tokenCall('revert', trader(), 0, data, 75_000, 25_000), fails: true }];
  }

  function outOfGas() {
    const gas = random.integer(50_000, 250_000);
    return random.weighted([
      [3, () => [callFaults('out of gas', 'exhaust', gas, gas, true)]],
      [1, () => [callFaults('out of gas', 'invalid', gas, gas, true)]],
      // The intrinsic cost is covered, the transfer itself is not.
      [2, () => tokenTransfer().map((action) => ({ ...action, kind: 'out of gas', gas: 27_000, cost: 27_000, touches: undefined, fails: true }))],
    ])();
  }

  // Reads and features of single forks

  function probeAccounts() {
    const candidates = [
      coinbase.address, exchange.address, bridge.address, trader().address, trader().address, random.pick(wallets).address,
      random.pick(tokens), random.pick(pools).address, children.at(-1) ?? zeroAddress, childAt(keccak256(numberToHex(1))), freshAddress(),
    ];
    const watched = candidates.filter(() => random.chance(0.6));
    const data = call('Prober', 'probeAccounts', [watched]);
    const value = random.chance(0.3) ? smallEther() : 0n;
    return [{ kind: 'probe', from: trader(), to: contracts.Prober, data, value, gas: 180_000, cost: 65_000 }];
  }

  function probeBlock() {
    const data = call('Prober', 'probeBlock', [BigInt(random.integer(1, HISTORY_READS))]);
    return [{ kind: 'probe', from: trader(), to: contracts.Prober, data, gas: 120_000, cost: 50_000 }];
  }

  function useVault() {
    const [functionName, args, value, cost] = random.weighted([
      [3, ['deposit', [], smallEther(), 35_000]],
      [2, ['withdrawHalf', [], 0n, 40_000]],
      [2, ['depositOften', [3n], smallEther(), 55_000]],
    ]);
    const data = call('TransientVault', functionName, args);
    return [{ kind: 'transient storage', from: trader(), to: contracts.TransientVault, data, value, gas: 160_000, cost }];
  }

  function usePrecompiles() {
    const data = call('Precompiles', 'run', [random.hex(32)]);
    return [{ kind: 'precompiles', from: trader(), to: contracts.Precompiles, data, gas: 250_000, cost: 97_000 }];
  }

  // Delegation by EIP-7702

  const pickWallet = (delegated) => random.pick(wallets.filter((wallet) => Boolean(wallet.delegated) === delegated));

  function authorize(wallet, delegate, more = {}) {
    wallet.delegated = delegate !== zeroAddress;
    return { wallet, delegate, chainId: random.chance(0.2) ? 0 : undefined, ...more };
  }

  /** Authorizations that are skipped: a wrong nonce or a wrong chain. */
  const brokenAuthorization = (wallet) => ({
    wallet, delegate: contracts.SmartWallet, ...random.pick([{ nonceGap: 3 }, { chainId: 5 }]),
  });

  const walletBatch = () =>
    call('SmartWallet', 'execute', [[
      { target: random.chance(0.5) ? freshAddress() : exchange.address, value: smallEther(), data: '0x' },
      { target: tokens[0], value: 0n, data: call('FixedToken', 'transfer', [trader().address, tokenAmount()]) },
    ]]);

  /** A sponsor sets the delegation of up to three wallets and calls the first. */
  function sponsorDelegation() {
    const chosen = Array.from({ length: random.integer(1, 3) }, () => random.pick(wallets));
    const list = chosen.map((wallet) => authorize(wallet, contracts.SmartWallet));
    if (random.chance(0.3)) list.push(brokenAuthorization(random.pick(wallets)));
    const cost = 30_000 + 26_000 * list.length;
    const data = call('SmartWallet', 'note', [7n]);
    return [{ kind: 'delegation set', from: trader(), to: chosen[0].address, data, authorize: list, gas: 30_000 + cost * 2, cost }];
  }

  /** A wallet delegates itself and runs a batch in the same transaction. */
  function delegateSelf() {
    const wallet = pickWallet(false);
    if (!wallet) return sponsorDelegation();
    const list = [authorize(wallet, contracts.SmartWallet)];
    return [{ kind: 'delegation set', from: wallet, to: wallet.address, data: walletBatch(), authorize: list, gas: 300_000, cost: 100_000 }];
  }

  function useDelegation() {
    const wallet = pickWallet(true);
    if (!wallet) return delegateSelf();
    const use = random.chance(0.6)
      ? { from: wallet, data: walletBatch(), gas: 250_000, cost: 75_000 }
      : { from: trader(), value: smallEther(), gas: 60_000, cost: 23_000 };
    return [{ kind: 'delegation used', to: wallet.address, ...use }];
  }

  function clearDelegation() {
    const wallet = pickWallet(true);
    if (!wallet) return delegateSelf();
    const from = random.chance(0.5) ? wallet : trader();
    return [{
      kind: 'delegation cleared', from, to: trader().address, value: 1n, authorize: [authorize(wallet, zeroAddress)], gas: 80_000, cost: 36_800,
    }];
  }

  // Requests to the consensus layer

  /** Requests of EIP-7002 or EIP-7251; without the fee they are refused. */
  function request(to, data, cost) {
    const fails = random.chance(0.1);
    const value = fails ? 0n : 10n;
    return [{ kind: fails ? 'request refused' : 'request', from: trader(), to, data, value, fails, gas: 200_000, cost }];
  }

  const requestWithdrawal = () => request(SYSTEM_CONTRACTS.withdrawalRequests, random.hex(56), 60_000);
  const requestConsolidation = () => request(SYSTEM_CONTRACTS.consolidationRequests, random.hex(96), 80_000);

  function stakingDeposit() {
    const { value, data } = createDeposit(random);
    return [{ kind: 'staking deposit', from: exchange, to: SYSTEM_CONTRACTS.deposits, value, data, gas: 200_000, cost: 60_000 }];
  }

  /** Withdrawals from the consensus layer, some of them of nothing. */
  function withdrawals() {
    return Array.from({ length: random.integer(1, MAX_WITHDRAWALS) }, () => ({
      index: withdrawalIndex++,
      validatorIndex: random.integer(0, 1_000_000),
      address: random.weighted([[6, trader().address], [2, freshAddress()], [1, coinbase.address], [1, exchange.address], [1, contracts.Prober]]),
      amount: random.chance(0.1) ? 0 : random.integer(1, 30_000_000),
    }));
  }

  const usual = [
    [17, transfer], [8, deposit], [1, payout], [0.5, coinbasePays], [0.5, postData], [0.6, postBlobs],
    [26, tokenTransfer], [18, swap], [2.5, swapVia], [1.5, addLiquidity],
    [1.2, spawn], [1.2, spawn2], [1, flash], [1.2, destroyLater], [1, payChild], [0.15, deployToken],
    [2.2, revert], [1, outOfGas],
    [1.5, probeAccounts], [1, probeBlock], [1.2, useVault], [0.7, usePrecompiles],
    [0.35, requestWithdrawal], [0.3, requestConsolidation], [0.3, stakingDeposit],
    [0.7, sponsorDelegation], [0.5, delegateSelf], [1.2, useDelegation], [0.4, clearDelegation],
  ];
  const deploying = [
    [6, deployToken], [1.5, deployFactory], [2, deployWallet], [0.7, deployBulk], [1, () => spawn(12)], [1, spawn2], [6, transfer], [4, tokenTransfer],
  ];

  return {
    startBlock: () => {
      blobsLeft = MAX_BLOBS;
    },
    usual: () => random.weighted(usual)(),
    deploying: () => random.weighted(deploying)(),
    withdrawals,
    deployBulk,
    transfer,
    tokenTransfer,
    swap,
  };
}
