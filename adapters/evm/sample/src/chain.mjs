// The client: an EthereumJS blockchain and virtual machine which append blocks
// to a genesis. Each header is validated against its parent.

import { createBlock, createBlockHeader, genWithdrawalsTrieRoot } from '@ethereumjs/block';
import { createBlockchain } from '@ethereumjs/blockchain';
import { Hardfork, createCommonFromGethGenesis, parseGethGenesisState } from '@ethereumjs/common';
import { MerkleStateManager } from '@ethereumjs/statemanager';
import { createTxFromRLP } from '@ethereumjs/tx';
import { bytesToHex, createWithdrawal, hexToBytes } from '@ethereumjs/util';
import { createVM, runBlock } from '@ethereumjs/vm';

/// The client wants KZG functions before it accepts a blob transaction. None is
/// called: there are hashes of blobs here but no blobs.
const NO_KZG = new Proxy({}, {
  get(_, name) {
    throw new Error(`KZG function ${String(name)} is not available`);
  },
});

/** Starts a chain from a geth style genesis, to which it adds the state root. */
export async function startChain(genesis) {
  const common = createCommonFromGethGenesis(genesis, {
    chain: 'sample', hardfork: Hardfork.Osaka, customCrypto: { kzg: NO_KZG },
  });
  const stateManager = new MerkleStateManager({ common });
  await stateManager.generateCanonicalGenesis(parseGethGenesisState(genesis));
  const stateRoot = await stateManager.getStateRoot();
  const genesisBlock = createGenesisBlock(genesis, stateRoot, common);
  const blockchain = await createBlockchain({
    common, genesisBlock, genesisStateRoot: stateRoot, validateBlocks: true, validateConsensus: false,
  });
  const vm = await createVM({ common, blockchain, stateManager });
  genesis.stateRoot = bytesToHex(stateRoot);
  return { vm, common, genesisBlock };
}

function createGenesisBlock(genesis, stateRoot, common) {
  const { timestamp, extraData, gasLimit, difficulty, mixHash, coinbase, nonce, baseFeePerGas } = genesis;
  const header = createBlockHeader(
    { number: 0, timestamp, extraData, gasLimit, difficulty, mixHash, coinbase, nonce, baseFeePerGas, stateRoot },
    { common },
  );
  return createBlock({ header, withdrawals: [] }, { common });
}

/**
 * Executes raw transactions as the block after `parentBlock` and appends it to
 * the chain. Returns it with the outcome of each transaction.
 */
export async function appendBlock({ vm, common }, parentBlock, header, rawWithdrawals, rawTransactions) {
  const transactions = rawTransactions.map((raw) => createTxFromRLP(hexToBytes(raw), { common }));
  const withdrawals = rawWithdrawals.map(createWithdrawal);
  const { header: parent } = parentBlock;
  const headerData = {
    ...header,
    number: parent.number + 1n,
    parentHash: parentBlock.hash(),
    gasLimit: parent.gasLimit,
    baseFeePerGas: parent.calcNextBaseFee(),
    withdrawalsRoot: await genWithdrawalsTrieRoot(withdrawals),
    blobGasUsed: blobGas(transactions, common),
    excessBlobGas: parent.calcNextExcessBlobGas(common),
  };
  const draft = createBlock({ header: headerData, transactions, withdrawals }, { common });

  // The event has the block with the header fields that the execution fills in.
  let block;
  vm.events.once('afterBlock', (event) => {
    block = event.block;
  });
  const { results, requests } = await runBlock(vm, { block: draft, generate: true, skipBlockValidation: true });
  await vm.blockchain.putBlock(block);
  return { block, outcomes: results.map(describeOutcome), requests };
}

function blobGas(transactions, common) {
  const blobs = transactions.reduce((sum, { blobVersionedHashes = [] }) => sum + blobVersionedHashes.length, 0);
  return BigInt(blobs) * common.param('blobGasPerBlob');
}

function describeOutcome({ receipt, totalGasSpent }) {
  return { failed: Number(receipt.status) === 0, gas: Number(totalGasSpent) };
}
