//! Block files on disk: written whole or not at all, and tried out first.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::Context;
use flate2::{Compression, GzBuilder};
use pleach::{CancelToken, SerialExecutor};
use pleach_evm::{BlockFile, CheckResult, Content, check};
use serde_json::Value;

/// Where the file of a block belongs.
pub(super) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number}.json.gz"))
}

/// Writes a block file, so that nobody ever sees half of it.
pub(super) fn write(path: &Path, file: &Value) -> anyhow::Result<()> {
    let temporary = path.with_extension(format!("{}.part", std::process::id()));
    let written = (|| {
        let mut gzip = GzBuilder::new().write(File::create(&temporary)?, Compression::best());
        serde_json::to_writer(&mut gzip, file)?;
        gzip.flush()?;
        gzip.finish()?.sync_all()?;
        fs::rename(&temporary, path)
    })();
    if written.is_err() {
        // What is left of it is worth nothing, and may not even be there.
        let _ = fs::remove_file(&temporary);
    }
    written.with_context(|| format!("{} cannot be written", path.display()))
}

/// Decodes a captured block as `pleach replay` will.
pub(super) fn decode(file: &Value) -> anyhow::Result<BlockFile> {
    match Content::from_bytes(file.to_string().as_bytes())? {
        Content::Block(file) => Ok(*file),
        Content::Chain(_) => anyhow::bail!("this is a chain, not a block"),
    }
}

/// Executes a captured block and compares it with its header. Gives what does not match.
pub(super) fn verify(file: &BlockFile, cancel: &CancelToken) -> anyhow::Result<Vec<String>> {
    let prepared = file.block.prepare(&file.spec)?;
    let result = prepared.execute(&SerialExecutor::new(), &file.state, cancel)?;
    let failed = check(&prepared, &result, None)
        .into_iter()
        .filter_map(|check| match check.result {
            CheckResult::Failed { expected, found } => Some(format!(
                "{}: expected {expected}, found {found}",
                check.name
            )),
            _ => None,
        });
    Ok(failed.collect())
}
