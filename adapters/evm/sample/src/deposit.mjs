// Staking deposits, which the deposit contract accepts only with the right
// hash tree root over the deposit data.

import { concat, encodeFunctionData, numberToHex, parseAbi, parseEther, sha256, sliceHex } from 'viem';

const ABI = parseAbi([
  'function deposit(bytes pubkey, bytes withdrawalCredentials, bytes signature, bytes32 depositDataRoot) payable',
]);
const GWEI = 1_000_000_000n;

const zeros = (count) => numberToHex(0, { size: count });
const hashPair = (left, right) => sha256(concat([left, right]));

function littleEndian64(number) {
  const bytes = numberToHex(number, { size: 8 }).slice(2).match(/../g);
  return `0x${bytes.reverse().join('')}`;
}

/** The SSZ hash tree root of the deposit data. */
function depositDataRoot(pubkey, credentials, signature, amount) {
  const pubkeyRoot = hashPair(pubkey, zeros(16));
  const signatureRoot = hashPair(sha256(sliceHex(signature, 0, 64)), hashPair(sliceHex(signature, 64), zeros(32)));
  const amountLeaf = concat([littleEndian64(amount), zeros(24)]);
  return hashPair(hashPair(pubkeyRoot, credentials), hashPair(amountLeaf, signatureRoot));
}

/** A deposit of 1 to 32 ether with random keys. */
export function createDeposit(random) {
  const value = parseEther(String(random.integer(1, 32)));
  const pubkey = random.hex(48);
  const credentials = concat(['0x01', zeros(11), random.hex(20)]);
  const signature = random.hex(96);
  const root = depositDataRoot(pubkey, credentials, signature, value / GWEI);
  return { value, data: encodeFunctionData({ abi: ABI, args: [pubkey, credentials, signature, root] }) };
}
