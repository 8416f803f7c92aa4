//! The chains of the tests, by the names that they give to them.

use alloy_genesis::ChainConfig;
use alloy_primitives::U256;
use pleach_evm::ChainSpec;

/// The rules of a chain, which may change at some total difficulty: that is how proof of work ended.
#[derive(Debug)]
pub(crate) struct Network {
    rules: ChainSpec,
    merge: Option<(U256, ChainSpec)>,
}

/// Everything up to Homestead.
fn homestead() -> ChainConfig {
    ChainConfig {
        chain_id: 1,
        homestead_block: Some(0),
        ..ChainConfig::default()
    }
}

/// Everything up to Spurious Dragon.
fn spurious_dragon() -> ChainConfig {
    ChainConfig {
        eip150_block: Some(0),
        eip155_block: Some(0),
        eip158_block: Some(0),
        ..homestead()
    }
}

/// Everything up to Shanghai.
fn shanghai() -> ChainConfig {
    ChainConfig {
        byzantium_block: Some(0),
        constantinople_block: Some(0),
        petersburg_block: Some(0),
        istanbul_block: Some(0),
        berlin_block: Some(0),
        london_block: Some(0),
        merge_netsplit_block: Some(0),
        shanghai_time: Some(0),
        ..spurious_dragon()
    }
}

impl Network {
    /// The chain with this name; `None` if there is no such chain.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let fork = |name| ChainSpec::with_fork(1, name);
        let config = match name {
            "ArrowGlacierToParisAtDiffC0000" => {
                return Some(Self {
                    rules: fork("london")?,
                    merge: Some((U256::from(0xc_0000), fork("paris")?)),
                });
            }
            "FrontierToHomesteadAt5" => ChainConfig {
                homestead_block: Some(5),
                ..homestead()
            },
            "HomesteadToDaoAt5" => ChainConfig {
                dao_fork_block: Some(5),
                dao_fork_support: true,
                ..homestead()
            },
            "EIP158ToByzantiumAt5" => ChainConfig {
                byzantium_block: Some(5),
                ..spurious_dragon()
            },
            "ShanghaiToCancunAtTime15k" => ChainConfig {
                cancun_time: Some(15_000),
                ..shanghai()
            },
            "ConstantinopleFix" => return fork("petersburg").map(Self::from),
            name => return fork(name).map(Self::from),
        };
        Some(Self::from(ChainSpec::from_config(&config)))
    }

    /// The rules of a block, on a chain with this total difficulty before it.
    pub(crate) fn rules(&self, total_difficulty: U256) -> &ChainSpec {
        match &self.merge {
            Some((end, rules)) if total_difficulty >= *end => rules,
            _ => &self.rules,
        }
    }
}

impl From<ChainSpec> for Network {
    fn from(rules: ChainSpec) -> Self {
        Self { rules, merge: None }
    }
}
