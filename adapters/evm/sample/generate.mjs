// Makes chain.json.gz: plans the blocks from a seed, lets the client build
// them, and writes genesis and blocks.

import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { createAccounts } from './src/accounts.mjs';
import { createActions } from './src/actions.mjs';
import { loadArtifacts } from './src/artifacts.mjs';
import { appendBlock, startChain } from './src/chain.mjs';
import { SEED } from './src/config.mjs';
import { createContracts } from './src/contracts.mjs';
import { createGenesis } from './src/genesis.mjs';
import { BLOCKS, planBlock, planHeader } from './src/plan.mjs';
import { createRandom } from './src/random.mjs';
import { formatBlock } from './src/rpc.mjs';
import { checkOutcome, countBy, printTable } from './src/summary.mjs';
import { signAction } from './src/transactions.mjs';

const OUTPUT = new URL('chain.json.gz', import.meta.url);

/** Plans and builds one block; returns it with a description of each transaction. */
async function produceBlock(chain, parentBlock, number, world) {
  const { withdrawals, ...header } = planHeader(number, world);
  const baseFee = parentBlock.header.calcNextBaseFee();
  const planned = planBlock(number, world);
  const signed = [];
  for (const action of planned) signed.push(await signAction(action, baseFee, world.random));
  const { block, outcomes, requests } = await appendBlock(chain, parentBlock, header, withdrawals, signed.map(({ raw }) => raw));
  planned.forEach((action, i) => checkOutcome(action, outcomes[i]));
  const entries = planned.map(({ kind }, i) => ({ kind, type: signed[i].type, ...outcomes[i] }));
  return { block, entries, requests: requests.filter(({ data }) => data.length > 0).length };
}

async function produceChain(chain, world) {
  const produced = [];
  for (let number = 1; number <= BLOCKS; number++) {
    const parentBlock = produced.at(-1)?.block ?? chain.genesisBlock;
    produced.push(await produceBlock(chain, parentBlock, number, world));
    console.log(`block ${number} of ${BLOCKS}`);
  }
  return produced;
}

function printSummary(produced) {
  printTable(produced.map(({ block: { header, transactions, withdrawals }, entries, requests }) => ({
    block: header.number,
    transactions: transactions.length,
    failed: entries.filter(({ failed }) => failed).length,
    'gas used': header.gasUsed,
    'share of limit': `${((100 * Number(header.gasUsed)) / Number(header.gasLimit)).toFixed(1)} %`,
    'base fee': header.baseFeePerGas,
    blobs: header.blobGasUsed >> 17n,
    withdrawals: withdrawals.length,
    'request kinds': requests,
  })));
  const entries = produced.flatMap((block) => block.entries);
  printTable(countBy(entries, ({ kind }) => kind));
  printTable(countBy(entries, ({ type }) => type));
  printTable(countBy(entries, () => 'all'));
}

const random = createRandom(SEED);
const accounts = createAccounts();
const contracts = createContracts(loadArtifacts(), accounts);
const actions = createActions(accounts, contracts, random);
const genesis = createGenesis(accounts);
const chain = await startChain(genesis);
const produced = await produceChain(chain, { accounts, contracts, actions, random });

const sample = {
  genesis,
  genesisBlock: formatBlock(chain.genesisBlock),
  blocks: produced.map(({ block }) => formatBlock(block)),
};
const file = gzipSync(JSON.stringify(sample), { level: 9 });
writeFileSync(OUTPUT, file);
printSummary(produced);
console.log(`chain.json.gz: ${file.length} bytes`);
