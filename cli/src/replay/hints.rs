//! Trees and access lists of blocks in a folder, one file each: what was found out about a block, for whoever executes it next.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::ValueEnum;
use pleach::{CancelToken, dtt::Dtt};
use pleach_dtt::Limits;
use pleach_evm::{BlockAccessList, EvmBlock, EvmState, PreparedBlock};

use crate::stopped::Stopped;

/// What is kept of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(super) enum Form {
    /// Its tree.
    #[default]
    Tree,
    /// Its block-level access list (EIP-7928).
    AccessList,
}

impl Form {
    /// How the names of files end.
    const fn ending(self) -> &'static str {
        match self {
            Form::Tree => "dtt",
            Form::AccessList => "bal",
        }
    }
}

/// Where trees and access lists are kept, and where they come from.
#[derive(Debug, Default)]
pub(super) struct Folders {
    pub(super) record: Option<PathBuf>,
    pub(super) form: Form,
    pub(super) hints: Option<PathBuf>,
}

/// Larger files are none of ours: a tree takes a few bytes a transaction, an access list some hundred.
const MOST_BYTES: u64 = 64 << 20;

impl Folders {
    /// Makes the folder in which they are kept, and sees whether that is there from which they come.
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

    /// The tree of a block, if there is one, or else what its access list says about it.
    pub(super) fn read(&self, prepared: &PreparedBlock<'_>) -> Result<Option<Dtt>, Stopped> {
        let Some(folder) = &self.hints else {
            return Ok(None);
        };
        let tree = read_tree(&file(folder, prepared.block(), Form::Tree));
        let hints = tree.and_then(|tree| match tree {
            Some(tree) => Ok(Some(tree)),
            None => read_list(&file(folder, prepared.block(), Form::AccessList), prepared),
        });
        hints.map_err(|error| Stopped::Failed(format!("{error:#}")))
    }

    /// Executes a block once more, and keeps its tree or its access list.
    pub(super) fn write(
        &self,
        prepared: &PreparedBlock<'_>,
        state: &EvmState,
        cancel: &CancelToken,
    ) -> Result<(), Stopped> {
        let Some(folder) = &self.record else {
            return Ok(());
        };
        let bytes = match self.form {
            Form::Tree => {
                let (_, accesses) = prepared.record(state, cancel)?;
                let tree = prepared.tree(&accesses);
                tree.map_err(|error| Stopped::Failed(error.to_string()))?
                    .encode()
            }
            Form::AccessList => prepared.access_list(state, cancel)?.1.encode(),
        };
        let path = file(folder, prepared.block(), self.form);
        fs::write(&path, bytes).map_err(|error| {
            let path = path.display();
            Stopped::Failed(format!("{path} cannot be written: {error}"))
        })
    }
}

/// The file of a block. Its hash names it: two blocks of one number are not taken for each other.
fn file(folder: &Path, block: &EvmBlock, form: Form) -> PathBuf {
    let ending = form.ending();
    folder.join(format!("{}-{:x}.{ending}", block.header.number, block.hash))
}

fn read_tree(path: &Path) -> anyhow::Result<Option<Dtt>> {
    let Some(bytes) = read(path)? else {
        return Ok(None);
    };
    let tree = Dtt::decode(&bytes, Limits::default())
        .with_context(|| format!("{} is no tree", path.display()))?;
    Ok(Some(tree))
}

fn read_list(path: &Path, prepared: &PreparedBlock<'_>) -> anyhow::Result<Option<Dtt>> {
    let Some(bytes) = read(path)? else {
        return Ok(None);
    };
    let transactions = prepared.block().transactions.len();
    let list = BlockAccessList::decode(&bytes, transactions)
        .with_context(|| format!("{} is of no use", path.display()))?;
    Ok(Some(prepared.tree(&prepared.predict(&list))?))
}

/// What is in a file, if it is there and not too large.
fn read(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    let length = match fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display()))?,
    };
    anyhow::ensure!(
        length <= MOST_BYTES,
        "{} is too large for what is said of a block",
        path.display()
    );
    let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(Some(bytes))
}
