//! Block files on disk: tried out first, and written whole or not at all.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process,
    sync::{PoisonError, RwLock, RwLockWriteGuard},
};

use alloy_primitives::hex;
use anyhow::{Context, bail};
use flate2::{Compression, GzBuilder};
use pleach::{CancelToken, SerialExecutor};
use pleach_evm::{BlockFile, CheckResult, Content, StateError, check};
use serde_json::Value;

/// Whoever writes holds it, so that the program does not end in the middle.
static WRITING: RwLock<()> = RwLock::new(());

/// Waits until nobody writes, and lets nobody begin.
pub(super) fn stop_writing() -> RwLockWriteGuard<'static, ()> {
    WRITING.write().unwrap_or_else(PoisonError::into_inner)
}

/// Where the file of a block belongs.
pub(super) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number}.json.gz"))
}

/// The block that a file holds. `None` if there is no file, or none that can be read.
pub(super) fn existing(
    path: &Path,
    number: u64,
    chain_id: u64,
) -> anyhow::Result<Option<Box<BlockFile>>> {
    let file = match Content::read(path) {
        Err(_) => return Ok(None),
        Ok(Content::Chain(_)) => bail!("{} is a chain; --force replaces it", path.display()),
        Ok(Content::Block(file)) => file,
    };
    let (found, chain) = (file.block.header.number, file.spec.chain_id());
    if (found, chain) != (number, chain_id) {
        bail!(
            "{} holds block {found} of chain {chain}, and the node's chain is {chain_id}; --force replaces it",
            path.display()
        );
    }
    Ok(Some(file))
}

/// A block file as bytes: keys are sorted, so the same block gives the same bytes.
pub(super) fn encode(file: &Value) -> Vec<u8> {
    file.to_string().into_bytes()
}

/// Decodes a captured block as `pleach replay` will.
pub(super) fn decode(bytes: &[u8]) -> anyhow::Result<BlockFile> {
    match Content::from_bytes(bytes).context("what the node answers is no block")? {
        Content::Block(file) => Ok(*file),
        Content::Chain(_) => bail!("what the node answers is a chain, not a block"),
    }
}

/// Writes a block file, so that nobody ever sees half of it.
pub(super) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut gzip = GzBuilder::new().write(Vec::new(), Compression::best());
    gzip.write_all(bytes)?;
    let packed = gzip.finish()?;

    let _writing = WRITING.read().unwrap_or_else(PoisonError::into_inner);
    let temporary = path.with_extension(format!("{}.part", process::id()));
    let written = write_through(&temporary, path, &packed);
    if written.is_err() {
        // What is left of it is worth nothing, and may not even be there.
        let _ = fs::remove_file(&temporary);
    }
    written.with_context(|| format!("{} cannot be written", path.display()))
}

fn write_through(temporary: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(temporary, path)?;
    // The name must be on the disk as well. Not every system can do that with a folder.
    if cfg!(unix)
        && let Some(folder) = path.parent()
    {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Executes a block and compares it with its header. Gives what does not match.
pub(super) fn verify(file: &BlockFile, cancel: &CancelToken) -> anyhow::Result<Vec<String>> {
    let prepared = file.block.prepare(&file.spec)?;
    let result = prepared.execute(&SerialExecutor::new(), &file.state, cancel)?;
    let failed = check(&prepared, &result, None)
        .into_iter()
        .filter_map(|check| match check.result {
            CheckResult::Failed { expected, found } => Some(format!(
                "{}: expected {}, found {}",
                check.name,
                shorten(&expected),
                shorten(&found)
            )),
            _ => None,
        });
    Ok(failed.collect())
}

/// Whether a block failed because it asked for the hash of an earlier block that was not there.
pub(super) fn lacks_block_hash(error: &anyhow::Error) -> bool {
    error.chain().any(|error| {
        let error = error.downcast_ref::<StateError>();
        matches!(error, Some(StateError::MissingBlockHash(_)))
    })
}

/// Blooms are too long to be read.
fn shorten(value: &str) -> String {
    const LONGEST: usize = 2 * 32 + 2;
    if value.len() > LONGEST && value.is_ascii() {
        let digest = alloy_primitives::keccak256(value.as_bytes());
        format!("{}… (digest {})", &value[..18], hex::encode(&digest[..4]))
    } else {
        value.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_sorted() {
        let file = json!({"b": {"z": 1, "a": 2}, "a": 3});
        assert_eq!(encode(&file), br#"{"a":3,"b":{"a":2,"z":1}}"#);
    }

    #[test]
    fn long_values_stay_readable_and_distinct() {
        let bloom = |last: char| format!("0x{}{last}", "0".repeat(511));
        assert_eq!(shorten("0x1234"), "0x1234");
        assert!(shorten(&bloom('0')).len() < 60);
        assert_ne!(shorten(&bloom('0')), shorten(&bloom('1')));
    }
}
