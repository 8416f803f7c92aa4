// Turns planned actions into signed transactions: nonces, transaction types,
// fees, EIP-7702 authorizations.

import { CHAIN_ID } from './config.mjs';

const GWEI = 1_000_000_000n;
const TIPS = [0n, GWEI / 10n, GWEI / 2n, GWEI, GWEI, (3n * GWEI) / 2n, 2n * GWEI, 5n * GWEI];

const BLOB_FEES = { maxFeePerBlobGas: GWEI };

function pickType(action, random) {
  if (action.authorize) return 'eip7702';
  if (action.blobs) return 'eip4844';
  return random.weighted([
    [58, 'eip1559'],
    [27, 'legacy'],
    [15, 'eip2930'],
  ]);
}

function pickFees(type, baseFee, random) {
  const tip = random.pick(TIPS);
  if (type === 'legacy' || type === 'eip2930') return { gasPrice: baseFee + tip };
  // A tight fee cap cuts the tip; a generous one leaves it as it is.
  const headroom = random.chance(0.15) ? tip / 2n : baseFee + tip;
  const maxFeePerGas = baseFee + headroom;
  return { maxFeePerGas, maxPriorityFeePerGas: tip < maxFeePerGas ? tip : maxFeePerGas, ...(type === 'eip4844' && BLOB_FEES) };
}

/** Access lists come with most EIP-2930 and with some EIP-1559 transactions. */
function pickAccessList(type, action, random) {
  if (type === 'legacy' || !action.touches) return undefined;
  return random.chance(type === 'eip2930' ? 0.9 : 0.1) ? action.touches : undefined;
}

/**
 * Signs the authorizations of an action and moves the nonces of those accounts
 * whose authorization takes effect.
 */
async function signAuthorizations(authorize) {
  const list = [];
  for (const { wallet, delegate, chainId = CHAIN_ID, nonceGap = 0 } of authorize) {
    const nonce = wallet.nonce + nonceGap;
    list.push(await wallet.signer.signAuthorization({ contractAddress: delegate, chainId, nonce }));
    const valid = nonceGap === 0 && (chainId === CHAIN_ID || chainId === 0);
    if (valid) wallet.nonce += 1;
  }
  return list;
}

/** Signs an action; returns the raw transaction and its type. */
export async function signAction(action, baseFee, random) {
  const { from, to, value, data, gas, blobs } = action;
  const type = pickType(action, random);
  const fees = pickFees(type, baseFee, random);
  const accessList = pickAccessList(type, action, random);
  // The sender's nonce counts first: it may be an authorizing account as well.
  const nonce = from.nonce++;
  const authorizationList = action.authorize && (await signAuthorizations(action.authorize));
  const raw = await from.signer.signTransaction({
    chainId: CHAIN_ID, type, nonce, to, value, data, gas: BigInt(gas), accessList, authorizationList, blobVersionedHashes: blobs, ...fees,
  });
  return { raw, type };
}
