//! Which rules hold in which block of a chain.

use alloy_eips::{eip7840::BlobParams, eip7892::BlobScheduleBlobParams};
use alloy_evm::eth::spec::EthExecutorSpec;
use alloy_genesis::ChainConfig;
use alloy_hardforks::{EthereumChainHardforks, EthereumHardfork, EthereumHardforks, ForkCondition};
use alloy_primitives::{Address, U256};

use EthereumHardfork as Fork;

/// The forks of a chain, with all else in which chains differ.
///
/// # Examples
///
/// ```
/// use pleach_evm::ChainSpec;
///
/// let mainnet = ChainSpec::mainnet();
/// assert_eq!(mainnet.chain_id(), 1);
/// assert_eq!(mainnet.fork_name(12_965_000, 0), "London");
/// assert_eq!(ChainSpec::with_fork(1337, "prague").unwrap().fork_name(0, 0), "Prague");
/// ```
#[derive(Clone, Debug)]
pub struct ChainSpec {
    chain_id: u64,
    forks: EthereumChainHardforks,
    blobs: BlobScheduleBlobParams,
    deposit_contract: Option<Address>,
}

/// The forks that change how blocks execute, oldest first, under the names that [`ChainSpec::with_fork`] takes.
const FORKS: [(&str, Fork); 16] = [
    ("frontier", Fork::Frontier),
    ("homestead", Fork::Homestead),
    ("tangerine", Fork::Tangerine),
    ("spuriousdragon", Fork::SpuriousDragon),
    ("byzantium", Fork::Byzantium),
    ("constantinople", Fork::Constantinople),
    ("petersburg", Fork::Petersburg),
    ("istanbul", Fork::Istanbul),
    ("berlin", Fork::Berlin),
    ("london", Fork::London),
    ("paris", Fork::Paris),
    ("shanghai", Fork::Shanghai),
    ("cancun", Fork::Cancun),
    ("prague", Fork::Prague),
    ("osaka", Fork::Osaka),
    ("amsterdam", Fork::Amsterdam),
];

impl ChainSpec {
    /// Ethereum mainnet, from Frontier on.
    #[must_use]
    pub fn mainnet() -> Self {
        let forks = EthereumChainHardforks::mainnet();
        let scheduled = [
            (Fork::Bpo1, BlobParams::bpo1()),
            (Fork::Bpo2, BlobParams::bpo2()),
        ];
        let scheduled = scheduled.into_iter().filter_map(|(fork, params)| {
            let timestamp = forks.ethereum_fork_activation(fork).as_timestamp()?;
            Some((timestamp, params))
        });
        Self {
            chain_id: 1,
            blobs: BlobScheduleBlobParams::mainnet().with_scheduled(scheduled),
            deposit_contract: Some(alloy_eips::eip6110::MAINNET_DEPOSIT_CONTRACT_ADDRESS),
            forks,
        }
    }

    /// A chain on which `fork` (a name such as `london`, case and spaces aside) and all before it hold from the first
    /// block on. `None` if there is no such fork.
    #[must_use]
    pub fn with_fork(chain_id: u64, fork: &str) -> Option<Self> {
        let fork = fork.to_lowercase().replace([' ', '-', '_'], "");
        let last = FORKS.iter().position(|(name, _)| *name == fork)?;
        let forks = FORKS[..=last].iter().map(|&(_, fork)| {
            let condition = if fork >= Fork::Shanghai {
                ForkCondition::Timestamp(0)
            } else {
                ForkCondition::ZERO_BLOCK
            };
            (fork, condition)
        });
        Some(Self {
            chain_id,
            forks: EthereumChainHardforks::new(forks),
            blobs: BlobScheduleBlobParams::mainnet(),
            deposit_contract: None,
        })
    }

    /// The chain that the `config` of a genesis file describes.
    #[must_use]
    pub fn from_config(config: &ChainConfig) -> Self {
        let blocks = [
            (Fork::Homestead, config.homestead_block),
            (
                Fork::Dao,
                config.dao_fork_block.filter(|_| config.dao_fork_support),
            ),
            (Fork::Tangerine, config.eip150_block),
            (Fork::SpuriousDragon, config.eip158_block),
            (Fork::Byzantium, config.byzantium_block),
            (Fork::Constantinople, config.constantinople_block),
            (Fork::Petersburg, config.petersburg_block),
            (Fork::Istanbul, config.istanbul_block),
            (Fork::Berlin, config.berlin_block),
            (Fork::London, config.london_block),
            (Fork::Paris, merge_block(config)),
        ];
        let times = [
            (Fork::Shanghai, config.shanghai_time),
            (Fork::Cancun, config.cancun_time),
            (Fork::Prague, config.prague_time),
            (Fork::Osaka, config.osaka_time),
            (Fork::Amsterdam, config.amsterdam_time),
        ];
        let blocks = blocks
            .into_iter()
            .filter_map(|(fork, block)| Some((fork, ForkCondition::Block(block?))));
        let times = times
            .into_iter()
            .filter_map(|(fork, time)| Some((fork, ForkCondition::Timestamp(time?))));
        let genesis = [(Fork::Frontier, ForkCondition::ZERO_BLOCK)];
        Self {
            chain_id: config.chain_id,
            forks: EthereumChainHardforks::new(genesis.into_iter().chain(blocks).chain(times)),
            blobs: config.blob_schedule_blob_params(),
            deposit_contract: config.deposit_contract_address,
        }
    }

    /// The id that transactions of the chain are signed for.
    #[must_use]
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The name of the newest fork that holds in the block with this number and timestamp.
    #[must_use]
    pub fn fork_name(&self, number: u64, timestamp: u64) -> &'static str {
        let active = |fork| {
            self.forks
                .ethereum_fork_activation(fork)
                .active_at_timestamp_or_number(timestamp, number)
        };
        let newest = FORKS.iter().rev().find(|(_, fork)| active(*fork));
        newest.map_or("Frontier", |(_, fork)| fork.name())
    }

    /// Whether a block without the contracts that collect requests is invalid, as their EIPs say. Development chains
    /// often have none; a chain that is not mainnet may do without.
    pub(crate) fn requires_system_contracts(&self) -> bool {
        self.chain_id == 1
    }

    /// Limits and price of blobs in a block, `None` before Cancun.
    #[must_use]
    pub fn blob_params(&self, timestamp: u64) -> Option<BlobParams> {
        if let Some(params) = self.blobs.active_scheduled_params_at_timestamp(timestamp) {
            Some(*params)
        } else if self.is_osaka_active_at_timestamp(timestamp) {
            Some(self.blobs.osaka)
        } else if self.is_prague_active_at_timestamp(timestamp) {
            Some(self.blobs.prague)
        } else if self.is_cancun_active_at_timestamp(timestamp) {
            Some(self.blobs.cancun)
        } else {
            None
        }
    }
}

/// The block from which on proof of stake holds, as far as a genesis configuration tells.
fn merge_block(config: &ChainConfig) -> Option<u64> {
    let from_genesis = config.terminal_total_difficulty == Some(U256::ZERO)
        || (config.terminal_total_difficulty.is_none() && config.shanghai_time.is_some());
    config.merge_netsplit_block.or(from_genesis.then_some(0))
}

impl EthereumHardforks for ChainSpec {
    fn ethereum_fork_activation(&self, fork: EthereumHardfork) -> ForkCondition {
        self.forks.ethereum_fork_activation(fork)
    }
}

impl EthExecutorSpec for ChainSpec {
    fn deposit_contract_address(&self) -> Option<Address> {
        self.deposit_contract
    }
}
