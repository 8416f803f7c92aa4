// Blocks in the form in which `eth_getBlockByNumber` returns them, with full
// transactions.

import { bigIntToHex, bytesToHex, intToHex } from '@ethereumjs/util';

/// Header fields whose names differ between EthereumJS and the JSON-RPC interface.
const HEADER_NAMES = {
  uncleHash: 'sha3Uncles', coinbase: 'miner', transactionsTrie: 'transactionsRoot', receiptTrie: 'receiptsRoot',
};

const rename = (object, names) =>
  Object.fromEntries(Object.entries(object).map(([name, value]) => [names[name] ?? name, value]));

/// EthereumJS writes the numbers of authorizations as bytes, with leading zeros
/// and with nothing for zero.
function formatAuthorization({ address, ...numbers }) {
  const quantities = Object.entries(numbers).map(([name, bytes]) => [name, bigIntToHex(bytes === '0x' ? 0n : BigInt(bytes))]);
  return { address, ...Object.fromEntries(quantities) };
}

function formatTransaction(tx, index, block) {
  const { gasLimit, data, v, ...fields } = tx.toJSON();
  const { baseFeePerGas, number } = block.header;
  const formatted = {
    blockHash: bytesToHex(block.hash()),
    blockNumber: bigIntToHex(number),
    transactionIndex: intToHex(index),
    hash: bytesToHex(tx.hash()),
    from: tx.getSenderAddress().toString(),
    ...fields,
    to: fields.to ?? null,
    type: intToHex(tx.type),
    gas: gasLimit,
    input: data,
    v,
  };
  if (fields.authorizationList) formatted.authorizationList = fields.authorizationList.map(formatAuthorization);
  if (tx.type > 0) formatted.yParity = v;
  if (tx.type === 0) formatted.chainId = bigIntToHex(tx.common.chainId());
  if (tx.type >= 2) formatted.gasPrice = bigIntToHex(baseFeePerGas + tx.getEffectivePriorityFee(baseFeePerGas));
  return formatted;
}

export function formatBlock(block) {
  return {
    hash: bytesToHex(block.hash()),
    ...rename(block.header.toJSON(), HEADER_NAMES),
    size: intToHex(block.serialize().length),
    uncles: [],
    transactions: block.transactions.map((tx, index) => formatTransaction(tx, index, block)),
    withdrawals: block.withdrawals.map((withdrawal) => withdrawal.toJSON()),
  };
}
