//! Trees of blocks in a folder, one file each: what was found out about a block, for whoever executes it next.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::Context;
use pleach::{CancelToken, dtt::Dtt};
use pleach_dtt::Limits;
use pleach_evm::{EvmBlock, EvmState, PreparedBlock};

use crate::stopped::Stopped;

/// Where trees are kept, and where they come from.
#[derive(Debug, Default)]
pub(super) struct Folders {
    pub(super) record: Option<PathBuf>,
    pub(super) hints: Option<PathBuf>,
}

/// Larger files are none of ours: a tree takes a few bytes a transaction.
const MOST_BYTES: u64 = 64 << 20;

impl Folders {
    /// Makes the folder in which trees are kept, and sees whether that is there from which they come.
    pub(super) fn prepare(&self) -> anyhow::Result<()> {
        if let Some(folder) = &self.record {
            fs::create_dir_all(folder)
                .with_context(|| format!("{} cannot be made", folder.display()))?;
        }
        if let Some(folder) = &self.hints {
            let metadata = fs::metadata(folder)
                .with_context(|| format!("{} cannot be read", folder.display()))?;
            anyhow::ensure!(metadata.is_dir(), "{} is no folder", folder.display());
        }
        Ok(())
    }

    /// The tree of a block, if there is one.
    pub(super) fn read(&self, block: &EvmBlock) -> Result<Option<Dtt>, Stopped> {
        let Some(folder) = &self.hints else {
            return Ok(None);
        };
        let path = file(folder, block);
        let read = read(&path).map_err(|error| Stopped::Failed(format!("{error:#}")))?;
        Ok(read)
    }

    /// Executes a block once more, and keeps its tree.
    pub(super) fn write(
        &self,
        prepared: &PreparedBlock<'_>,
        state: &EvmState,
        cancel: &CancelToken,
    ) -> Result<(), Stopped> {
        let Some(folder) = &self.record else {
            return Ok(());
        };
        let (_, accesses) = prepared.record(state, cancel)?;
        let tree = prepared.tree(&accesses);
        let tree = tree.map_err(|error| Stopped::Failed(error.to_string()))?;
        let path = file(folder, prepared.block());
        fs::write(&path, tree.encode()).map_err(|error| {
            let path = path.display();
            Stopped::Failed(format!("{path} cannot be written: {error}"))
        })
    }
}

/// The file of a block. Its hash names it: two blocks of one number are not taken for each other.
fn file(folder: &Path, block: &EvmBlock) -> PathBuf {
    folder.join(format!("{}-{:x}.dtt", block.header.number, block.hash))
}

fn read(path: &Path) -> anyhow::Result<Option<Dtt>> {
    let length = match fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display()))?,
    };
    anyhow::ensure!(
        length <= MOST_BYTES,
        "{} is too large for a tree",
        path.display()
    );
    let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let tree = Dtt::decode(&bytes, Limits::default())
        .with_context(|| format!("{} is no tree", path.display()))?;
    Ok(Some(tree))
}
