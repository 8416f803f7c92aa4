// Makes blocks of all kinds on a development node, with its own unlocked accounts.
// node make-blocks.mjs URL

const url = process.argv[2];
let id = 0;

async function call(method, ...params) {
  const body = JSON.stringify({ jsonrpc: "2.0", id: (id += 1), method, params });
  const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
  const { result, error } = await response.json();
  if (error) throw new Error(`${method}: ${error.message}`);
  return result;
}

async function until(ready) {
  for (let tries = 0; tries < 100; tries += 1) {
    try {
      return await ready();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  throw new Error("the node does not answer");
}

const accounts = await until(() => call("eth_accounts"));
const send = (from, rest) => call("eth_sendTransaction", { from: accounts[from], gas: "0x493e0", ...rest });
const mine = () => call("evm_mine");
const word = (number) => number.toString(16).padStart(64, "0");

// Code that runs `body` when called: a constructor that returns it.
const deploy = (body) => {
  const length = (body.length / 2).toString(16).padStart(2, "0");
  return `0x60${length}600c60003960${length}6000f3${body}`;
};
// Stores the word after the first one of the input at the slot that the first one names.
const store = deploy("6020356000355500");
// Stores the hash of the block before, and that of the one five before.
const hashes = deploy("600143034060005560054303406001550000");
// Creates a contract without code that gets one wei and keeps its address.
const factory = deploy("6000600060016000f0600055");
// Stores its own balance and that of the caller, then pays the caller one wei if it can.
const balances = deploy("4760005533316001556000600060006000600133610800f1600255");
// Destroys itself in favour of the caller.
const destroy = deploy("33ff");

const created = async (hash) => (await call("eth_getTransactionReceipt", hash)).contractAddress;

// Block 1: transfers, one to an account that nobody has seen.
await send(0, { to: accounts[1], value: "0x1234" });
await send(0, { to: "0x00000000000000000000000000000000000a11ce", value: "0x1" });
await send(1, { to: accounts[0], value: "0x1" });
await mine();

// Block 2: contracts.
const deployed = [];
for (const code of [store, hashes, factory, balances, destroy]) deployed.push(await send(2, { data: code }));
await mine();
const [storeAt, hashesAt, factoryAt, balancesAt, destroyAt] = await Promise.all(deployed.map(created));

// Blocks 3 to 7: calls, reads of earlier blocks, access lists, failures.
for (let block = 3; block <= 7; block += 1) {
  for (let slot = 0; slot < 4; slot += 1) {
    await send(3, { to: storeAt, data: `0x${word(slot)}${word(block % 2 === 0 ? 0 : block)}` });
  }
  await send(4, { to: hashesAt });
  await send(5, { to: factoryAt, value: "0x2" });
  await send(6, { to: balancesAt, value: "0x3" });
  await send(7, {
    to: storeAt,
    data: `0x${word(9)}${word(block)}`,
    accessList: [{ address: storeAt, storageKeys: [`0x${word(9)}`] }],
  });
  await send(8, { to: storeAt, data: `0x${word(block)}${word(1)}`, gas: "0x5300" });
  await mine();
}

// Block 8: a contract that is created and used in the same block, and one that destroys itself.
const nonce = Number(await call("eth_getTransactionCount", accounts[2], "latest"));
const inBlock = await send(2, { data: store, nonce: `0x${nonce.toString(16)}` });
await send(9, { to: destroyAt, value: "0x5" });
await mine();
const fresh = await created(inBlock);

// Block 9: empty. Block 10: what was made before, once more.
await mine();
await send(3, { to: fresh, data: `0x${word(1)}${word(2)}` });
await send(4, { to: destroyAt, value: "0x1" });
await mine();
console.log(`made ${Number(await call("eth_blockNumber"))} blocks`);
