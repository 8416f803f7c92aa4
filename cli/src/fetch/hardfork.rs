//! Which rules hold on chains that are not mainnet.

use alloy_primitives::U256;
use anyhow::bail;
use pleach_evm::ChainSpec;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{failure::RpcError, prestate::number, rpc::Client};

/// What is known of a chain's rules.
pub(super) struct Rules {
    is_mainnet: bool,
    /// The rules that the user, or the node, says hold from the first block on.
    named: Option<String>,
    /// From when on the node has the rules of Osaka, which headers do not tell from those of Prague.
    osaka_since: Option<u64>,
}

impl Rules {
    /// What the user says, or what the node knows.
    pub(super) fn ask(
        client: &Client,
        chain_id: u64,
        asked_for: Option<&str>,
    ) -> anyhow::Result<Self> {
        let mut rules = Self {
            is_mainnet: chain_id == 1,
            named: asked_for.map(str::to_lowercase),
            osaka_since: None,
        };
        if rules.is_mainnet || rules.named.is_some() {
            return Ok(rules);
        }
        // Anvil has the same rules in all blocks, and names them.
        let anvil = optional(client.call("anvil_nodeInfo", json!([])))?;
        let name = anvil["hardFork"].as_str().map(str::to_lowercase);
        rules.named = name.and_then(|name| match name.as_str() {
            // They only change how many blobs there may be.
            bpo if bpo.starts_with("bpo") => Some("osaka".to_owned()),
            _ => ChainSpec::with_fork(chain_id, &name).map(|_| name),
        });
        if rules.named.is_none() {
            rules.osaka_since = osaka_since(&optional(client.call("eth_config", json!([])))?);
        }
        Ok(rules)
    }

    /// The rules to note in the file of the block with this header. `None` are mainnet's.
    pub(super) fn of(&self, header: &Value) -> anyhow::Result<Option<String>> {
        if self.named.is_some() || self.is_mainnet {
            return Ok(self.named.clone());
        }
        let has = |field: &str| !header[field].is_null();
        let is_staked =
            U256::deserialize(&header["difficulty"]).is_ok_and(|difficulty| difficulty.is_zero());
        let name = if has("blockAccessListHash") {
            "amsterdam"
        } else if has("requestsHash") {
            let time = number(&header["timestamp"])?;
            if self.osaka_since.is_some_and(|since| time >= since) {
                "osaka"
            } else {
                "prague"
            }
        } else if has("parentBeaconBlockRoot") {
            "cancun"
        } else if has("withdrawalsRoot") {
            "shanghai"
        } else if has("baseFeePerGas") {
            if is_staked { "paris" } else { "london" }
        } else {
            bail!("the header does not tell which rules hold; say it with --hardfork");
        };
        Ok(Some(name.to_owned()))
    }

    /// Whether the rules in files may be wrong.
    pub(super) fn are_guessed(&self) -> bool {
        self.named.is_none() && !self.is_mainnet
    }
}

/// The answer to a question that few nodes know. `null` from the others.
fn optional(answer: anyhow::Result<Value>) -> anyhow::Result<Value> {
    match answer {
        Err(error) if error.is::<RpcError>() => Ok(Value::Null),
        answer => answer,
    }
}

/// From when on P-256 signatures can be checked, which came with Osaka, as `eth_config` (EIP-7910) tells.
fn osaka_since(config: &Value) -> Option<u64> {
    let configs = ["last", "current", "next"].map(|name| &config[name]);
    let osaka = configs
        .into_iter()
        .find(|config| !config["precompiles"]["P256VERIFY"].is_null())?;
    number(&osaka["activationTime"]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFERRED: Rules = Rules {
        is_mainnet: false,
        named: None,
        osaka_since: Some(100),
    };

    #[test]
    fn headers_tell() {
        for (header, name) in [
            (json!({"requestsHash": "0x", "timestamp": "0x63"}), "prague"),
            (json!({"requestsHash": "0x", "timestamp": "0x64"}), "osaka"),
            (json!({"parentBeaconBlockRoot": "0x"}), "cancun"),
            (
                json!({"withdrawalsRoot": "0x", "difficulty": "0x0"}),
                "shanghai",
            ),
            (
                json!({"baseFeePerGas": "0x7", "difficulty": "0x0"}),
                "paris",
            ),
            (
                json!({"baseFeePerGas": "0x7", "difficulty": "0x2"}),
                "london",
            ),
        ] {
            let rules = INFERRED.of(&header).unwrap();
            assert_eq!(rules.as_deref(), Some(name));
            assert!(ChainSpec::with_fork(5, name).is_some());
        }
        let error = INFERRED.of(&json!({"difficulty": "0x2"})).unwrap_err();
        assert!(error.to_string().contains("--hardfork"), "{error}");
    }

    #[test]
    fn nodes_tell_when_osaka_began() {
        let with = json!({"activationTime": 7, "precompiles": {"P256VERIFY": "0x0100"}});
        let without = json!({"activationTime": 5, "precompiles": {}});
        for (config, since) in [
            (
                json!({"current": with, "next": null, "last": without}),
                Some(7),
            ),
            (json!({"current": without, "next": with}), Some(7)),
            (json!({"current": without, "next": null}), None),
            (json!(null), None),
            (json!([5]), None),
        ] {
            assert_eq!(osaka_since(&config), since, "{config}");
        }
    }
}
