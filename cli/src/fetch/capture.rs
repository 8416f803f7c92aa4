//! One block, captured with all that it needs to be executed again.

use std::collections::BTreeMap;

use alloy_primitives::{B256, Bytes};
use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    accounts,
    hardfork::Rules,
    hashes::{self, HashCache},
    prestate::{PreState, Trace, has_block_hash, number},
    rpc::{Answer, Client, Question},
};

/// What is the same for all blocks.
pub(super) struct Capture<'a> {
    pub(super) client: &'a Client,
    pub(super) chain_id: u64,
    pub(super) rules: Rules,
    pub(super) hashes: HashCache,
}

impl Capture<'_> {
    /// Captures the block of this number as a block file.
    pub(super) fn block(&self, block_number: u64) -> anyhow::Result<Value> {
        ensure!(
            block_number > 0,
            "the genesis block has nothing before it to be executed on"
        );
        let at = quantity(block_number);
        let block: Value = self
            .client
            .call("eth_getBlockByNumber", json!([at, true]))?;
        if block.is_null() {
            bail!("the node has no block {block_number}");
        }
        if number(&block["number"]).ok() != Some(block_number) {
            bail!("eth_getBlockByNumber: the node answers with another block");
        }
        let parent = B256::deserialize(&block["parentHash"]).context("the block has no parent")?;
        let uncles = self.uncles(&block, block_number)?;
        let mut state = self.traced_state(&block, &at)?;
        // What the block itself created is gone from the state afterwards.
        let asks = asks_for_block_hashes(&block) || state.asks_for_block_hashes();
        accounts::complete(self.client, &mut state, &block, &uncles)?;
        let hashes = if asks || state.asks_for_block_hashes() {
            self.hashes.reached(self.client, block_number, parent)?
        } else {
            BTreeMap::from([(block_number - 1, parent)])
        };

        let hardfork = self.rules.of(&block)?;
        let (accounts, codes) = state.to_json();
        let mut file = json!({
            "block": block,
            "preState": accounts,
            "codes": codes,
            "blockHashes": hashes::to_json(&hashes),
        });
        if !uncles.is_empty() {
            file["uncles"] = Value::Array(uncles);
        }
        if self.chain_id != 1 {
            file["chainId"] = json!(quantity(self.chain_id));
        }
        if let Some(hardfork) = hardfork {
            file["hardfork"] = json!(hardfork);
        }
        Ok(file)
    }

    /// Adds the hashes of all blocks that BLOCKHASH reaches to a block file.
    pub(super) fn add_block_hashes(&self, file: &mut Value) -> anyhow::Result<()> {
        let parent = B256::deserialize(&file["block"]["parentHash"])?;
        let number = number(&file["block"]["number"])?;
        let hashes = self.hashes.reached(self.client, number, parent)?;
        file["blockHashes"] = hashes::to_json(&hashes);
        Ok(())
    }

    fn traced_state(&self, block: &Value, at: &str) -> anyhow::Result<PreState> {
        let transactions = block["transactions"].as_array();
        let transactions = transactions.context("the block has no list of transactions")?;
        if transactions.is_empty() {
            return Ok(PreState::default());
        }
        let hashes: Vec<B256> = transactions
            .iter()
            .map(|transaction| B256::deserialize(&transaction["hash"]))
            .collect::<Result<_, _>>()
            .context("a transaction has no hash")?;
        let params = json!([at, {"tracer": "prestateTracer"}]);
        let traces: Vec<Trace> = self.client.call("debug_traceBlockByNumber", params)?;
        PreState::from_traces(traces, &hashes).context("debug_traceBlockByNumber")
    }

    /// The headers of a block's uncles.
    fn uncles(&self, block: &Value, block_number: u64) -> anyhow::Result<Vec<Value>> {
        /// How many generations an uncle may be older: what it earns is reckoned from that.
        const GENERATIONS: u64 = 6;
        let hashes: Option<Vec<B256>> = Option::deserialize(&block["uncles"])
            .context("the block's `uncles` are no list of hashes")?;
        let hashes = hashes.unwrap_or_default();
        let questions = (0..hashes.len()).map(|index| Question {
            method: "eth_getUncleByBlockNumberAndIndex",
            params: json!([quantity(block_number), quantity(index as u64)]),
        });
        let questions: Vec<_> = questions.collect();
        let answers = self.client.ask(&questions)?;
        let uncles: Vec<Value> = answers
            .iter()
            .map(Answer::decode)
            .collect::<Result<_, _>>()?;
        for (index, (uncle, hash)) in uncles.iter().zip(hashes).enumerate() {
            let generations =
                block_number.checked_sub(number(&uncle["number"]).unwrap_or(u64::MAX));
            let is_ours = B256::deserialize(&uncle["hash"]).is_ok_and(|found| found == hash)
                && generations
                    .is_some_and(|generations| (1..=GENERATIONS + 1).contains(&generations));
            ensure!(
                is_ours,
                "eth_getUncleByBlockNumberAndIndex: the node does not answer with uncle {index}, {hash}"
            );
        }
        Ok(uncles)
    }
}

/// Whether a contract that the block creates can ask for the hash of an earlier block.
fn asks_for_block_hashes(block: &Value) -> bool {
    let transactions = block["transactions"].as_array().into_iter().flatten();
    transactions
        .filter(|transaction| transaction["to"].is_null())
        .filter_map(|transaction| Bytes::deserialize(&transaction["input"]).ok())
        .any(|code| has_block_hash(&code))
}

/// A number as JSON-RPC writes it.
pub(super) fn quantity(number: u64) -> String {
    format!("{number:#x}")
}
