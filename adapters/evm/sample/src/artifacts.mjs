// Contract code: compiled from ./contracts, or taken from the npm packages of
// OpenZeppelin and Uniswap.

import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import solc from 'solc';

const require = createRequire(import.meta.url);
const SOURCES = new URL('../contracts/', import.meta.url);

/** Loads every contract as `{ name: { abi, bytecode } }`. */
export function loadArtifacts() {
  return { ...compileSources(), ...loadPackages() };
}

function compileSources() {
  const names = readdirSync(SOURCES).filter((name) => name.endsWith('.sol')).sort();
  const sources = Object.fromEntries(
    names.map((name) => [name, { content: readFileSync(new URL(name, SOURCES), 'utf8') }]),
  );
  const settings = {
    evmVersion: 'osaka',
    optimizer: { enabled: true, runs: 200 },
    // No metadata in the code: it would change with every edit of a comment.
    metadata: { appendCBOR: false, bytecodeHash: 'none' },
    outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } },
  };
  const output = JSON.parse(solc.compile(JSON.stringify({ language: 'Solidity', sources, settings })));
  const errors = (output.errors ?? []).filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new Error(errors.map((error) => error.formattedMessage).join('\n'));

  const artifacts = {};
  for (const file of Object.values(output.contracts)) {
    for (const [name, { abi, evm }] of Object.entries(file)) {
      artifacts[name] = { abi, bytecode: `0x${evm.bytecode.object}` };
    }
  }
  return artifacts;
}

function loadPackages() {
  const files = {
    FixedToken: '@openzeppelin/contracts/build/contracts/ERC20PresetFixedSupply.json',
    MinterToken: '@openzeppelin/contracts/build/contracts/ERC20PresetMinterPauser.json',
    Factory: '@uniswap/v2-core/build/UniswapV2Factory.json',
    Pair: '@uniswap/v2-core/build/UniswapV2Pair.json',
  };
  return Object.fromEntries(
    Object.entries(files).map(([name, file]) => {
      const { abi, bytecode } = require(file);
      return [name, { abi, bytecode: bytecode.startsWith('0x') ? bytecode : `0x${bytecode}` }];
    }),
  );
}
