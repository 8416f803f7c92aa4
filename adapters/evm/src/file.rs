//! Blocks and chains in files: gzip-compressed or plain JSON.
//!
//! A *block file* holds one block and as much of the state before it as it needs, see the format in the repository's
//! `docs/block-files.md`. A *chain file* holds a genesis and the blocks that follow it.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use alloy_consensus::Header;
use alloy_genesis::Genesis;
use alloy_primitives::{Address, B256, Bytes, U64, U256, map::HashMap};
use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    block::{DecodeError, EvmBlock},
    spec::ChainSpec,
    state::{Account, EvmState, StateError},
};

/// What a file may hold when it is decompressed, in bytes. Far more than any real block or sample chain.
const LIMIT: u64 = 1 << 30;

/// What a file holds.
#[derive(Debug)]
pub enum Content {
    /// A block with its state.
    Block(Box<BlockFile>),
    /// A chain from its genesis on.
    Chain(Box<Chain>),
}

/// A block, and as much of the state before it as it needs.
#[derive(Debug)]
pub struct BlockFile {
    /// The rules of its chain.
    pub spec: ChainSpec,
    /// The block.
    pub block: EvmBlock,
    /// The accounts that it touches, as they were before it.
    pub state: EvmState,
}

/// A genesis state and the blocks that follow it, one after another.
#[derive(Debug)]
pub struct Chain {
    /// The rules of the chain.
    pub spec: ChainSpec,
    /// The whole state before the first block.
    pub genesis: EvmState,
    /// The blocks, in order.
    pub blocks: Vec<EvmBlock>,
}

/// A file cannot be read as a block or a chain.
#[derive(Debug, thiserror::Error)]
#[error("{}", .path.display())]
pub struct FileError {
    path: PathBuf,
    #[source]
    kind: FileErrorKind,
}

impl FileError {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong with it.
    #[must_use]
    pub fn kind(&self) -> &FileErrorKind {
        &self.kind
    }
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileErrorKind {
    /// It cannot be opened or read.
    #[error("cannot be read: {0}")]
    Read(#[source] io::Error),
    /// It begins like gzip, but cannot be decompressed: damaged, or cut off.
    #[error("is not whole gzip: {0}")]
    Gzip(#[source] io::Error),
    /// It holds more than [`Content`] may.
    #[error("holds more than {LIMIT} bytes")]
    TooLarge,
    /// It is not JSON.
    #[error("is not JSON: {0}")]
    Json(#[source] serde_json::Error),
    /// It is JSON, but neither a block nor a chain.
    #[error(
        "is neither a block file (`block`, `preState`, `codes`) nor a chain file (`genesis`, `blocks`)"
    )]
    Unknown,
    /// A field is missing or of the wrong kind.
    #[error(transparent)]
    Decode(DecodeError),
    /// A code does not have the hash that it stands under.
    #[error(transparent)]
    Code(StateError),
    /// It names a fork that does not exist.
    #[error("`hardfork` is {0:?}, which is no fork of Ethereum")]
    Hardfork(String),
    /// The blocks of a chain do not follow each other.
    #[error(
        "block {number} does not follow the one before it: its parent is {expected}, found {found}"
    )]
    Order {
        /// The number of the block.
        number: u64,
        /// The hash that it gives as its parent's.
        expected: B256,
        /// The hash of the block before it.
        found: B256,
    },
}

/// An account in `preState`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PreAccount {
    #[serde(default)]
    balance: U256,
    #[serde(default)]
    nonce: U64,
    code_hash: Option<B256>,
    #[serde(default)]
    storage: HashMap<U256, U256>,
}

type Fields<'a> = BTreeMap<String, &'a RawValue>;

impl Content {
    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// [`FileError`] names the file and what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let fail = |kind| FileError {
            path: path.to_owned(),
            kind,
        };
        let file = File::open(path).map_err(|error| fail(FileErrorKind::Read(error)))?;
        let json = decompress(BufReader::new(file)).map_err(fail)?;
        Self::decode(&json).map_err(fail)
    }

    /// Decodes the content of a file, which may be compressed.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FileErrorKind> {
        Self::decode(&decompress(bytes)?)
    }

    fn decode(json: &[u8]) -> Result<Self, FileErrorKind> {
        let fields: Fields<'_> = serde_json::from_slice(json).map_err(FileErrorKind::Json)?;
        if fields.contains_key("block") {
            Ok(Content::Block(Box::new(BlockFile::decode(&fields)?)))
        } else if fields.contains_key("genesis") && fields.contains_key("blocks") {
            Ok(Content::Chain(Box::new(Chain::decode(&fields)?)))
        } else {
            Err(FileErrorKind::Unknown)
        }
    }
}

/// Reads `source`, and decompresses it if it is gzip.
fn decompress(mut source: impl Read) -> Result<Vec<u8>, FileErrorKind> {
    let mut magic = Vec::with_capacity(2);
    source
        .by_ref()
        .take(2)
        .read_to_end(&mut magic)
        .map_err(FileErrorKind::Read)?;
    let is_gzip = magic == [0x1f, 0x8b];
    let whole = io::Cursor::new(magic).chain(source);
    if is_gzip {
        read_limited(MultiGzDecoder::new(whole), FileErrorKind::Gzip)
    } else {
        read_limited(whole, FileErrorKind::Read)
    }
}

fn read_limited(
    source: impl Read,
    fail: fn(io::Error) -> FileErrorKind,
) -> Result<Vec<u8>, FileErrorKind> {
    let mut bytes = Vec::new();
    let read = source
        .take(LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(fail)?;
    if read as u64 > LIMIT {
        return Err(FileErrorKind::TooLarge);
    }
    Ok(bytes)
}

/// Decodes a field; `None` if it is not there.
fn field<'a, T: Deserialize<'a>>(
    fields: &Fields<'a>,
    name: &str,
) -> Result<Option<T>, FileErrorKind> {
    let raw = fields.get(name);
    raw.map(|raw| DecodeError::decode(name, raw.get()).map_err(FileErrorKind::Decode))
        .transpose()
}

impl BlockFile {
    fn decode(fields: &Fields<'_>) -> Result<Self, FileErrorKind> {
        let ommers: Option<Vec<Header>> = field(fields, "uncles")?;
        let block = EvmBlock::from_rpc(fields["block"].get(), ommers.unwrap_or_default())
            .map_err(FileErrorKind::Decode)?;

        let accounts: Option<BTreeMap<Address, PreAccount>> = field(fields, "preState")?;
        let codes: Option<BTreeMap<B256, Bytes>> = field(fields, "codes")?;
        let hashes: Option<BTreeMap<String, B256>> = field(fields, "blockHashes")?;
        let mut state = EvmState::default();
        for (address, account) in accounts.unwrap_or_default() {
            let account = Account {
                balance: account.balance,
                nonce: account.nonce.to(),
                code: account.code_hash,
                storage: account.storage,
            };
            state.insert_account(address, account);
        }
        for (hash, code) in codes.unwrap_or_default() {
            state.insert_code(hash, code).map_err(FileErrorKind::Code)?;
        }
        for (number, hash) in hashes.unwrap_or_default() {
            // JSON has no numbers as keys.
            let number = DecodeError::decode(&format!("blockHashes.{number}"), &number);
            state.insert_block_hash(number.map_err(FileErrorKind::Decode)?, hash);
        }
        Ok(Self {
            spec: spec(fields)?,
            block,
            state,
        })
    }
}

/// The rules that a block file asks for: mainnet's, unless it names a chain.
fn spec(fields: &Fields<'_>) -> Result<ChainSpec, FileErrorKind> {
    let chain_id: Option<U64> = field(fields, "chainId")?;
    let hardfork: Option<String> = field(fields, "hardfork")?;
    let chain_id = chain_id.map_or(1, |id| id.to::<u64>());
    match hardfork {
        None if chain_id == 1 => Ok(ChainSpec::mainnet()),
        None => Ok(ChainSpec::with_fork(chain_id, "osaka").expect("there is such a fork")),
        Some(name) => ChainSpec::with_fork(chain_id, &name).ok_or(FileErrorKind::Hardfork(name)),
    }
}

impl Chain {
    fn decode(fields: &Fields<'_>) -> Result<Self, FileErrorKind> {
        let genesis: Genesis = DecodeError::decode("genesis", fields["genesis"].get())
            .map_err(FileErrorKind::Decode)?;
        let raw: Vec<&RawValue> =
            DecodeError::decode("blocks", fields["blocks"].get()).map_err(FileErrorKind::Decode)?;
        let mut blocks: Vec<EvmBlock> = Vec::with_capacity(raw.len());
        for raw in raw {
            let block = EvmBlock::from_rpc(raw.get(), Vec::new()).map_err(FileErrorKind::Decode)?;
            if let Some(parent) = blocks.last()
                && parent.hash != block.header.parent_hash
            {
                return Err(FileErrorKind::Order {
                    number: block.header.number,
                    expected: block.header.parent_hash,
                    found: parent.hash,
                });
            }
            blocks.push(block);
        }
        let mut state = EvmState::from_genesis(&genesis);
        if let Some(first) = blocks.first() {
            let number = first.header.number.saturating_sub(1);
            state.insert_block_hash(number, first.header.parent_hash);
        }
        Ok(Self {
            spec: ChainSpec::from_config(&genesis.config),
            genesis: state,
            blocks,
        })
    }
}
