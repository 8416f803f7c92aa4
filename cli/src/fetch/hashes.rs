//! The hashes of earlier blocks, each asked for once.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use alloy_primitives::B256;
use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    capture::quantity,
    rpc::{Client, Question},
};

/// How far back BLOCKHASH reaches.
const REACH: u64 = 256;

/// How many hashes are kept.
const KEPT: usize = 16 * REACH as usize;

/// The hashes of blocks that were asked for before.
#[derive(Default)]
pub(super) struct HashCache(Mutex<BTreeMap<u64, B256>>);

/// What a header says of itself.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Link {
    hash: B256,
    parent_hash: B256,
}

impl HashCache {
    /// The hashes of all blocks that BLOCKHASH reaches in block `number`, whose parent is `parent`.
    pub(super) fn reached(
        &self,
        client: &Client,
        number: u64,
        parent: B256,
    ) -> anyhow::Result<BTreeMap<u64, B256>> {
        // Others wait here: they will need the same hashes.
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = number.saturating_sub(1);
        if cache
            .insert(last, parent)
            .is_some_and(|hash| hash != parent)
        {
            // The chain was reorganized in between.
            cache.clear();
            cache.insert(last, parent);
        }
        let range = number.saturating_sub(REACH)..=last;
        let missing: Vec<u64> = range
            .clone()
            .filter(|earlier| !cache.contains_key(earlier))
            .collect();
        let questions = missing.iter().map(|earlier| Question {
            method: "eth_getBlockByNumber",
            params: json!([quantity(*earlier), false]),
        });
        let questions: Vec<_> = questions.collect();
        for (earlier, answer) in missing.into_iter().zip(client.ask(&questions)?) {
            let link: Option<Link> = answer.decode()?;
            let link = link.with_context(|| format!("the node has no block {earlier}"))?;
            cache.insert(earlier, link.hash);
            let before = earlier.checked_sub(1).and_then(|before| cache.get(&before));
            if before.is_some_and(|hash| *hash != link.parent_hash) {
                cache.clear();
                bail!("the chain changed while its hashes were asked for, at block {earlier}");
            }
        }
        let reached = cache.range(range).map(|(number, hash)| (*number, *hash));
        let reached = reached.collect();
        while cache.len() > KEPT {
            cache.pop_first();
        }
        Ok(reached)
    }
}

/// `blockHashes` of a block file.
pub(super) fn to_json(hashes: &BTreeMap<u64, B256>) -> Value {
    let hashes = hashes
        .iter()
        .map(|(number, hash)| (number.to_string(), json!(hash)));
    Value::Object(hashes.collect())
}
