//! Reads, and the two transactions that change the file.

use std::{
    fmt::{self, Debug},
    marker::PhantomData,
    ops::{Bound, ControlFlow},
    path::Path,
    sync::Arc,
};

use parking_lot::RwLock;
use pleach::{RangeSupport, State, Store, Writes};
use redb::{Database, ReadOnlyTable, ReadableDatabase, ReadableTable, TableDefinition};

use crate::{
    codec::{Codec, Integers},
    error::RedbError,
    record,
};

/// The state at [`HEIGHT`].
const STATE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("state");
/// What each block above that changed, by height, without a gap.
const RECORD: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("record");
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");
const HEIGHT: &str = "height";
const FORMAT: &str = "format";
const KNOWN_FORMAT: u64 = 1;

/// A [`Store`] in a file.
///
/// Any number of threads read at the same time; a read is one descent of a B-tree, from a cache of pages if these are in it.
/// Changes are on disk when [`record`](Store::record) and [`advance`](Store::advance) return.
pub struct RedbStore<K, V, C = Integers> {
    database: Database,
    codec: C,
    /// What readers see: as [`advance`](Store::advance) left it the last time.
    settled: RwLock<Settled>,
    stores: PhantomData<fn(K, V)>,
}

struct Settled {
    height: u64,
    state: Arc<ReadOnlyTable<&'static [u8], &'static [u8]>>,
}

/// How a file is to be opened: [`RedbStore::options`].
///
/// # Examples
///
/// ```
/// use pleach::VersionedState;
/// use pleach_redb::{Integers, RedbStore};
///
/// let folder = tempfile::tempdir()?;
/// let options = RedbStore::<u64, u64, Integers>::options().cache_bytes(64 << 20).checked();
/// let store: RedbStore<u64, u64> = options.open(folder.path().join("accounts.redb"), Integers)?;
/// assert_eq!(VersionedState::open(store)?.height(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Options {
    cache_bytes: Option<usize>,
    checks: bool,
}

impl Options {
    /// The bytes of pages that are kept in memory. One GiB by default.
    #[must_use]
    pub fn cache_bytes(mut self, bytes: usize) -> Self {
        self.cache_bytes = Some(bytes);
        self
    }

    /// Reads the whole file first, for one of which it is not known where it was: a damaged file is an error then. Otherwise a file
    /// that was closed well is believed, and reading may panic if it was damaged since. O(file).
    #[must_use]
    pub fn checked(mut self) -> Self {
        self.checks = true;
        self
    }

    /// Opens a file, or makes it: an empty state of height 0.
    ///
    /// # Errors
    ///
    /// [`RedbError::Open`] if it cannot be opened, [`RedbError::Format`] if another version wrote it.
    pub fn open<K, V, C: Codec<K, V>>(
        self,
        path: impl AsRef<Path>,
        codec: C,
    ) -> Result<RedbStore<K, V, C>, RedbError> {
        let path = path.as_ref();
        let mut builder = Database::builder();
        if let Some(bytes) = self.cache_bytes {
            builder.set_cache_size(bytes);
        }
        builder.set_check_integrity_on_open(self.checks);
        let database = builder.create(path).map_err(|error| RedbError::Open {
            path: path.to_owned(),
            source: error.into(),
        })?;
        RedbStore::of(database, codec)
    }
}

impl<K, V, C: Codec<K, V>> RedbStore<K, V, C> {
    /// Opens a file, or makes it: an empty state of height 0.
    ///
    /// # Errors
    ///
    /// [`RedbError::Open`] if it cannot be opened, [`RedbError::Format`] if another version wrote it.
    pub fn open(path: impl AsRef<Path>, codec: C) -> Result<Self, RedbError> {
        Self::options().open(path, codec)
    }

    /// Settings, before a file is opened.
    #[must_use]
    pub fn options() -> Options {
        Options::default()
    }

    pub(crate) fn of(database: Database, codec: C) -> Result<Self, RedbError> {
        let write = database.begin_write().map_err(RedbError::database)?;
        {
            write.open_table(STATE).map_err(RedbError::database)?;
            write.open_table(RECORD).map_err(RedbError::database)?;
            let mut numbers = write.open_table(NUMBERS).map_err(RedbError::database)?;
            let format = numbers.get(FORMAT).map_err(RedbError::database)?;
            let format = format.map(|number| number.value());
            match format {
                Some(KNOWN_FORMAT) => {}
                Some(found) => {
                    let known = KNOWN_FORMAT;
                    return Err(RedbError::Format { found, known });
                }
                None => {
                    let new = [(FORMAT, KNOWN_FORMAT), (HEIGHT, 0)];
                    for (name, number) in new {
                        numbers.insert(name, number).map_err(RedbError::database)?;
                    }
                }
            }
        }
        write.commit().map_err(RedbError::database)?;
        let settled = RwLock::new(Settled::of(&database)?);
        Ok(Self {
            database,
            codec,
            settled,
            stores: PhantomData,
        })
    }

    fn undecodable_key(bytes: &[u8]) -> RedbError {
        RedbError::corrupt(format!("the key {bytes:02x?}"))
    }

    fn undecodable_value(key: &[u8]) -> RedbError {
        RedbError::corrupt(format!("the value of the key {key:02x?}"))
    }
}

impl Settled {
    fn of(database: &Database) -> Result<Self, RedbError> {
        let read = database.begin_read().map_err(RedbError::database)?;
        let numbers = read.open_table(NUMBERS).map_err(RedbError::database)?;
        let height = numbers.get(HEIGHT).map_err(RedbError::database)?;
        let height = height.ok_or_else(|| RedbError::corrupt("the height"))?;
        let state = read.open_table(STATE).map_err(RedbError::database)?;
        Ok(Self {
            height: height.value(),
            state: Arc::new(state),
        })
    }
}

impl<K, V, C> Debug for RedbStore<K, V, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbStore")
            .field("height", &self.settled.read_recursive().height)
            .finish_non_exhaustive()
    }
}

impl<K, V, C> State<K, V> for RedbStore<K, V, C>
where
    C: Codec<K, V>,
{
    type Error = RedbError;

    fn get(&self, key: &K) -> Result<Option<V>, RedbError> {
        // A reader that holds the table does not hold up who replaces it.
        let state = Arc::clone(&self.settled.read_recursive().state);
        let key = self.codec.key(key);
        let key = key.as_ref();
        let Some(value) = state.get(key).map_err(RedbError::database)? else {
            return Ok(None);
        };
        let value = self.codec.read_value(value.value());
        let value = value.ok_or_else(|| Self::undecodable_value(key))?;
        Ok(Some(value))
    }

    fn range(
        &self,
        from: Bound<&K>,
        to: Bound<&K>,
        visit: &mut dyn FnMut(&K, &V) -> ControlFlow<()>,
    ) -> Result<RangeSupport, RedbError> {
        let state = Arc::clone(&self.settled.read_recursive().state);
        let from = from.map(|key| self.codec.key(key));
        let to = to.map(|key| self.codec.key(key));
        let (from, to) = (
            from.as_ref().map(AsRef::as_ref),
            to.as_ref().map(AsRef::as_ref),
        );
        if is_empty(from, to) {
            return Ok(RangeSupport::Visited);
        }
        for pair in state
            .range::<&[u8]>((from, to))
            .map_err(RedbError::database)?
        {
            let (key, value) = pair.map_err(RedbError::database)?;
            let (key, value) = (key.value(), value.value());
            let read = self.codec.read_key(key);
            let read = read.ok_or_else(|| Self::undecodable_key(key))?;
            let value = self.codec.read_value(value);
            let value = value.ok_or_else(|| Self::undecodable_value(key))?;
            if visit(&read, &value).is_break() {
                break;
            }
        }
        Ok(RangeSupport::Visited)
    }
}

/// The table would panic.
fn is_empty(from: Bound<&[u8]>, to: Bound<&[u8]>) -> bool {
    match (from, to) {
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (
            Bound::Included(from) | Bound::Excluded(from),
            Bound::Included(to) | Bound::Excluded(to),
        ) => from >= to,
        _ => false,
    }
}

impl<K: Ord, V, C> Store<K, V> for RedbStore<K, V, C>
where
    C: Codec<K, V>,
{
    fn height(&self) -> u64 {
        self.settled.read_recursive().height
    }

    fn advance(&self, height: u64, mut changes: Writes<K, V>) -> Result<(), RedbError> {
        // Neighbours are on the same page.
        changes.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let write = self.database.begin_write().map_err(RedbError::database)?;
        {
            let mut state = write.open_table(STATE).map_err(RedbError::database)?;
            for (key, value) in &changes {
                let key = self.codec.key(key);
                let key = key.as_ref();
                match value {
                    Some(value) => state.insert(key, self.codec.value(value).as_ref()),
                    None => state.remove(key),
                }
                .map_err(RedbError::database)?;
            }
            let mut record = write.open_table(RECORD).map_err(RedbError::database)?;
            record
                .retain_in(..=height, |_, _| false)
                .map_err(RedbError::database)?;
            let mut numbers = write.open_table(NUMBERS).map_err(RedbError::database)?;
            numbers
                .insert(HEIGHT, height)
                .map_err(RedbError::database)?;
        }
        write.commit().map_err(RedbError::database)?;
        *self.settled.write() = Settled::of(&self.database)?;
        Ok(())
    }

    fn record(&self, height: u64, blocks: &[&[(K, Option<V>)]]) -> Result<(), RedbError> {
        let write = self.database.begin_write().map_err(RedbError::database)?;
        {
            let mut record = write.open_table(RECORD).map_err(RedbError::database)?;
            let last = record.last().map_err(RedbError::database)?;
            let latest = last.map_or(self.height(), |(height, _)| height.value());
            if height > latest {
                return Err(RedbError::Gap { height, latest });
            }
            record
                .retain_in(height + 1.., |_, _| false)
                .map_err(RedbError::database)?;
            for (block, height) in blocks.iter().zip(height + 1..) {
                let bytes = record::write(&self.codec, block);
                record
                    .insert(height, &*bytes)
                    .map_err(RedbError::database)?;
            }
        }
        write.commit().map_err(RedbError::database)
    }

    fn recorded(&self) -> Result<Vec<Writes<K, V>>, RedbError> {
        let read = self.database.begin_read().map_err(RedbError::database)?;
        let record = read.open_table(RECORD).map_err(RedbError::database)?;
        let mut blocks = Vec::new();
        for pair in record.iter().map_err(RedbError::database)? {
            let (height, bytes) = pair.map_err(RedbError::database)?;
            let (height, expected) = (height.value(), self.height() + 1 + blocks.len() as u64);
            if height != expected {
                return Err(RedbError::corrupt(format!(
                    "the record of height {expected}"
                )));
            }
            blocks.push(record::read(&self.codec, height, bytes.value())?);
        }
        Ok(blocks)
    }
}
