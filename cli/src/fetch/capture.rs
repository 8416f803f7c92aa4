//! One block, captured with all that it needs to be executed again.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use alloy_primitives::{Address, B256, Bytes, U256, address};
use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    prestate::{Account, PreState, has_block_hash, number},
    rpc::{Client, RpcError},
};

/// The contracts that the protocol calls: EIP-4788, EIP-2935, EIP-7002, EIP-7251.
const SYSTEM_CONTRACTS: [Address; 4] = [
    address!("000F3df6D732807Ef1319fB7B8bB8522d0Beac02"),
    address!("0000F90827F1C53a10cb7A02335B175320002935"),
    WITHDRAWAL_REQUESTS,
    CONSOLIDATION_REQUESTS,
];
const WITHDRAWAL_REQUESTS: Address = address!("00000961Ef480Eb55e80D19ad83579A64c007002");
const CONSOLIDATION_REQUESTS: Address = address!("0000BBdDc7CE488642fb579F8B00f3a590007251");

/// The queues that the protocol empties after the transactions: the contract, the slots that one request takes, and
/// how many requests a block takes at most.
const QUEUES: [(Address, u64, u64); 2] =
    [(WITHDRAWAL_REQUESTS, 3, 16), (CONSOLIDATION_REQUESTS, 4, 2)];

/// How far back BLOCKHASH reaches.
const BLOCK_HASHES: u64 = 256;

/// The hashes of blocks that were asked for before.
pub(super) type HashCache = Mutex<BTreeMap<u64, B256>>;

/// What is the same for all blocks.
pub(super) struct Capture<'a> {
    pub(super) client: &'a Client,
    pub(super) chain_id: u64,
    /// The rules that hold, for chains that are not mainnet; found out from each header if not given.
    pub(super) hardfork: Option<String>,
    pub(super) hashes: &'a HashCache,
}

impl Capture<'_> {
    /// Captures the block of this number as a block file.
    pub(super) fn block(&self, block_number: u64, all_hashes: bool) -> anyhow::Result<Value> {
        if block_number == 0 {
            bail!("the genesis block has nothing before it to be executed on");
        }
        let at = quantity(block_number);
        let block = self
            .client
            .call("eth_getBlockByNumber", &json!([at, true]))?;
        if block.is_null() {
            bail!("the node has no block {block_number}");
        }
        let mut state = self.traced_state(&at, &block)?;
        let before = quantity(block_number - 1);
        self.correct_later_codes(&mut state, &before)?;
        self.add_protocol_accounts(&mut state, &block, &before)?;
        self.add_queues(&mut state, &block, &before)?;

        let created = block["transactions"].as_array().into_iter().flatten();
        let initcode_asks = created
            .filter(|transaction| transaction["to"].is_null())
            .filter_map(|transaction| Bytes::deserialize(&transaction["input"]).ok())
            .any(|code| has_block_hash(&code));
        let reach = if all_hashes || initcode_asks || state.asks_for_block_hashes() {
            BLOCK_HASHES
        } else {
            1
        };
        let hashes = self.block_hashes(&block, block_number, reach)?;
        let uncles = self.uncles(&block, &at)?;

        let (accounts, codes) = state.to_json();
        let mut file = json!({
            "block": block,
            "preState": accounts,
            "codes": codes,
            "blockHashes": hashes,
        });
        if !uncles.is_empty() {
            file["uncles"] = Value::Array(uncles);
        }
        if self.chain_id != 1 {
            file["chainId"] = json!(self.chain_id);
            let hardfork = match &self.hardfork {
                Some(hardfork) => hardfork.as_str(),
                None => infer_hardfork(&file["block"])?,
            };
            file["hardfork"] = json!(hardfork);
        }
        Ok(file)
    }

    fn traced_state(&self, at: &str, block: &Value) -> anyhow::Result<PreState> {
        if block["transactions"].as_array().is_none_or(Vec::is_empty) {
            return Ok(PreState::default());
        }
        let params = json!([at, {"tracer": "prestateTracer"}]);
        let traces = self
            .client
            .call("debug_traceBlockByNumber", &params)
            .map_err(|error| match error.downcast_ref::<RpcError>() {
                Some(rpc) if rpc.is_unknown_method() => error.context(
                    "the node does not offer debug_traceBlockByNumber; enable its `debug` API",
                ),
                _ => error,
            })?;
        PreState::from_traces(&traces)
    }

    /// A contract that a transaction creates has code when a later one finds it. Before the block it had none.
    fn correct_later_codes(&self, state: &mut PreState, before: &str) -> anyhow::Result<()> {
        let later: Vec<Address> = state
            .0
            .iter()
            .filter(|(_, account)| account.first_seen > 0 && !account.code.is_empty())
            .map(|(address, _)| *address)
            .collect();
        let params: Vec<_> = later
            .iter()
            .map(|address| json!([address, before]))
            .collect();
        let codes = self.client.call_many("eth_getCode", &params)?;
        for (address, code) in later.iter().zip(codes) {
            let code = Bytes::deserialize(&code).context("eth_getCode: no code")?;
            if state.0[address].code != code {
                let found = self.account(*address, before)?;
                let account = state.0.entry(*address).or_default();
                let storage = std::mem::take(&mut account.storage);
                *account = found;
                // What it holds was written after it came into being.
                if !account.code.is_empty() {
                    account.storage = storage;
                }
            }
        }
        Ok(())
    }

    /// Accounts that the protocol itself pays or calls need not appear in any trace, or only after they were paid.
    fn add_protocol_accounts(
        &self,
        state: &mut PreState,
        block: &Value,
        before: &str,
    ) -> anyhow::Result<()> {
        let withdrawals = block["withdrawals"].as_array().into_iter().flatten();
        let paid = withdrawals
            .map(|withdrawal| &withdrawal["address"])
            .chain([&block["miner"]])
            .filter_map(|address| Address::deserialize(address).ok());
        let called = SYSTEM_CONTRACTS
            .into_iter()
            .filter(|_| !block["parentBeaconBlockRoot"].is_null());
        let mut addresses: Vec<_> = paid.chain(called).collect();
        addresses.sort_unstable();
        addresses.dedup();
        for address in addresses {
            let found = self.account(address, before)?;
            let account = state.0.entry(address).or_default();
            let storage = std::mem::take(&mut account.storage);
            *account = Account { storage, ..found };
        }
        Ok(())
    }

    /// An account before the block, without its storage.
    fn account(&self, address: Address, before: &str) -> anyhow::Result<Account> {
        let params = json!([address, before]);
        let balance = self.client.call("eth_getBalance", &params)?;
        let nonce = self.client.call("eth_getTransactionCount", &params)?;
        let code = self.client.call("eth_getCode", &params)?;
        Ok(Account {
            balance: U256::deserialize(balance).context("eth_getBalance: no number")?,
            nonce: number(&nonce).context("eth_getTransactionCount")?,
            code: Bytes::deserialize(code).context("eth_getCode: no code")?,
            ..Account::default()
        })
    }

    /// What the protocol reads of the queues of requests: counters, and the requests that it takes out.
    fn add_queues(&self, state: &mut PreState, block: &Value, before: &str) -> anyhow::Result<()> {
        if block["requestsHash"].is_null() {
            return Ok(());
        }
        for (contract, width, most) in QUEUES {
            if state
                .0
                .get(&contract)
                .is_none_or(|account| account.code.is_empty())
            {
                continue;
            }
            let counters = self.words(contract, 0..4, before)?;
            let (head, tail) = (counters[2], counters[3]);
            let waiting = tail.saturating_sub(head).min(U256::from(most)).to::<u64>();
            let first = 4 + head.saturating_to::<u64>().saturating_mul(width);
            let requests = self.words(contract, first..first + waiting * width, before)?;
            let slots = (0..4).chain(first..).map(U256::from);
            let account = state.0.entry(contract).or_default();
            for (slot, word) in slots.zip(counters.into_iter().chain(requests)) {
                account.storage.insert(slot, word);
            }
        }
        Ok(())
    }

    fn words(
        &self,
        contract: Address,
        slots: std::ops::Range<u64>,
        before: &str,
    ) -> anyhow::Result<Vec<U256>> {
        let params: Vec<_> = slots
            .map(|slot| json!([contract, U256::from(slot), before]))
            .collect();
        let words = self.client.call_many("eth_getStorageAt", &params)?;
        let words = words.iter().map(U256::deserialize);
        words
            .collect::<Result<_, _>>()
            .context("eth_getStorageAt: no number")
    }

    fn uncles(&self, block: &Value, at: &str) -> anyhow::Result<Vec<Value>> {
        let count = block["uncles"].as_array().map_or(0, Vec::len);
        let params: Vec<_> = (0..count as u64)
            .map(|index| json!([at, quantity(index)]))
            .collect();
        self.client
            .call_many("eth_getUncleByBlockNumberAndIndex", &params)
    }

    /// The hashes of the `reach` blocks before this one.
    fn block_hashes(
        &self,
        block: &Value,
        block_number: u64,
        reach: u64,
    ) -> anyhow::Result<BTreeMap<String, B256>> {
        let parent = B256::deserialize(&block["parentHash"]).context("the block has no parent")?;
        let mut hashes = BTreeMap::from([(block_number - 1, parent)]);
        let mut missing = Vec::new();
        {
            let cache = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
            for earlier in block_number.saturating_sub(reach)..block_number - 1 {
                match cache.get(&earlier) {
                    Some(hash) => {
                        hashes.insert(earlier, *hash);
                    }
                    None => missing.push(earlier),
                }
            }
        }
        let params: Vec<_> = missing
            .iter()
            .map(|earlier| json!([quantity(*earlier), false]))
            .collect();
        let headers = self.client.call_many("eth_getBlockByNumber", &params)?;
        for (earlier, header) in missing.into_iter().zip(headers) {
            let hash = B256::deserialize(&header["hash"])
                .with_context(|| format!("the node has no block {earlier}"))?;
            hashes.insert(earlier, hash);
        }
        let mut cache = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        cache.extend(hashes.iter().map(|(number, hash)| (*number, *hash)));
        let hashes = hashes.into_iter();
        Ok(hashes
            .map(|(number, hash)| (number.to_string(), hash))
            .collect())
    }
}

/// A number as JSON-RPC writes it.
pub(super) fn quantity(number: u64) -> String {
    format!("{number:#x}")
}

/// The newest rules whose fields a header has. From Prague on headers no longer tell.
fn infer_hardfork(header: &Value) -> anyhow::Result<&'static str> {
    let has = |field: &str| !header[field].is_null();
    let is_staked =
        U256::deserialize(&header["difficulty"]).is_ok_and(|difficulty| difficulty.is_zero());
    Ok(if has("requestsHash") {
        "prague"
    } else if has("parentBeaconBlockRoot") {
        "cancun"
    } else if has("withdrawalsRoot") {
        "shanghai"
    } else if has("baseFeePerGas") {
        if is_staked { "paris" } else { "london" }
    } else {
        bail!("the header does not tell which rules hold; say it with --hardfork")
    })
}
