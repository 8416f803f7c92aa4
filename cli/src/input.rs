//! From paths to block and chain files. Files are read one at a time, when their turn comes.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use pleach_evm::{BlockFile, Chain, ChainSpec, Content, EvmBlock, EvmState, sample};
use serde::Serialize;

/// Where blocks come from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// The chain that is embedded in the binary.
    Sample,
    /// A file.
    File(Arc<Path>),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Sample => f.write_str("sample"),
            Source::File(path) => path.display().fmt(f),
        }
    }
}

/// What a source holds.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) source: Source,
    pub(crate) content: Content,
}

/// A file's blocks, and the state to execute the first one on.
pub(crate) struct Parts {
    pub(crate) spec: ChainSpec,
    pub(crate) state: EvmState,
    pub(crate) blocks: Vec<EvmBlock>,
    /// Whether the state is known as a whole.
    pub(crate) whole: bool,
}

impl From<Content> for Parts {
    fn from(content: Content) -> Self {
        match content {
            Content::Block(file) => {
                let BlockFile { spec, block, state } = *file;
                Self {
                    spec,
                    state,
                    blocks: vec![block],
                    whole: false,
                }
            }
            Content::Chain(chain) => {
                let Chain {
                    spec,
                    genesis,
                    blocks,
                } = *chain;
                Self {
                    spec,
                    state: genesis,
                    blocks,
                    whole: true,
                }
            }
        }
    }
}

/// A file or folder that gives no blocks.
#[derive(Debug, Serialize)]
pub(crate) struct Unreadable {
    pub(crate) source: String,
    /// Why.
    pub(crate) error: String,
}

impl Unreadable {
    fn new(path: &Path, error: &impl ToString) -> Self {
        Self {
            source: path.display().to_string(),
            error: error.to_string(),
        }
    }
}

impl Source {
    /// Reads and decodes it.
    pub(crate) fn load(self) -> Result<Loaded, Unreadable> {
        let content = match &self {
            Source::Sample => Content::Chain(Box::new(sample::chain())),
            Source::File(path) => {
                Content::read(path).map_err(|error| Unreadable::new(path, error.kind()))?
            }
        };
        match (&self, &content) {
            (Source::File(path), Content::Chain(chain)) if chain.blocks.is_empty() => {
                Err(Unreadable::new(path, &"is a chain without blocks"))
            }
            _ => Ok(Loaded {
                source: self,
                content,
            }),
        }
    }
}

/// The sources that paths stand for, in their order. Only folders are looked at so far.
pub(crate) struct Inputs(Vec<Result<Source, Unreadable>>);

impl Inputs {
    pub(crate) fn new(paths: &[PathBuf]) -> Self {
        if paths.is_empty() {
            return Self(vec![Ok(Source::Sample)]);
        }
        let mut sources = Vec::with_capacity(paths.len());
        for path in paths {
            if !path.is_dir() {
                sources.push(Ok(Source::File(path.as_path().into())));
                continue;
            }
            match files(path) {
                Ok(files) if files.is_empty() => sources.push(Err(Unreadable::new(
                    path,
                    &format!(
                        "is a folder without block or chain files (*.json, *.json.gz){}",
                        inside(path)
                    ),
                ))),
                Ok(files) => {
                    sources.extend(files.into_iter().map(|file| Ok(Source::File(file.into()))));
                }
                Err(error) => sources.push(Err(Unreadable::new(
                    path,
                    &format!("cannot be listed: {error}"),
                ))),
            }
        }
        Self(sources)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl IntoIterator for Inputs {
    type Item = Result<Source, Unreadable>;
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Where the files may be that a folder does not have: only its own are taken.
fn inside(folder: &Path) -> String {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let with_files = |path: &PathBuf| files(path).is_ok_and(|files| !files.is_empty());
    match paths.filter(|path| path.is_dir()).find(with_files) {
        Some(path) => format!("; {} has some", path.display()),
        None => String::new(),
    }
}

/// The files of a folder that can hold blocks: first those whose name is a block number, in order, then the others by
/// name.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in folder.read_dir()? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let stem = name.strip_suffix(".gz").unwrap_or(&name);
        let Some(stem) = stem.strip_suffix(".json") else {
            continue;
        };
        if path.is_dir() {
            continue;
        }
        let number = stem.parse().unwrap_or(u64::MAX);
        files.push((number, path));
    }
    files.sort();
    Ok(files.into_iter().map(|(_, path)| path).collect())
}
