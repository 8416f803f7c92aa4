//! What one key holds for each transaction of a block, while they run in any order.
//!
//! Each transaction that changed the key has a version, but for adds that nobody is to see before they are committed and what was done in
//! turn; what a transaction sees is the latest version before it. Adds are versions too, on top of whatever is below. Who looks at a value is
//! noted, and a change that alters what it saw names it: nobody has to look twice to find out that nothing happened. What a transaction
//! only asks of a value, or adds to it, is not noted: such questions are asked again when it is committed, see [`Question`].
//!
//! All of this is behind one lock a key, held for some nanoseconds. A transaction touches its keys one by one, so
//! nobody ever waits for more than one.

mod question;
mod settled;
#[cfg(test)]
pub(crate) mod small;
mod terms;

use smallvec::SmallVec;

use super::lifecycle::Until;
use crate::{
    execute::{Known, number},
    mutant::mutant,
    value::{Delta, Value},
};
pub(crate) use question::together;
pub use question::{Change, Check, Question};
pub use terms::Terms;

/// Beyond so many, versions and readers that are final are forgotten.
const MANY: usize = 8;

/// Whether schedules are explored: then it takes less to do what is worth it only in large blocks.
const EXPLORED: bool = cfg!(any(feature = "schedules", pleach_loom, pleach_shuttle));

/// So many adds that follow one another are many.
const MANY_ADDS: usize = if EXPLORED { 1 } else { 4 };

/// What a transaction sees of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found<V> {
    /// This value, or none.
    Value(Option<V>),
    /// What the parent state holds, which nobody has said yet.
    Parent,
    /// Something that another transaction is about to say.
    Pending(u32, Until),
}

/// An attempt at a transaction that has looked at the value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reader {
    /// The transaction.
    pub transaction: u32,
    /// Which attempt.
    pub attempt: u32,
}

/// Whose guesses are as good as what is certain.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trusting {
    Nobody,
    /// Those who only add.
    Adds,
    All,
}

impl Trusting {
    fn trusts(self, adds: bool) -> bool {
        match self {
            Trusting::Nobody => false,
            Trusting::Adds => adds,
            Trusting::All => true,
        }
    }
}

/// The versions of one key.
#[derive(Debug)]
pub struct Versions<V: Value> {
    /// The value below all versions.
    base: Known<V>,
    /// Whether a committed transaction has changed it.
    is_changed: bool,
    /// Whether scans have been told that it has versions.
    is_known_to_scans: bool,
    /// By transaction.
    list: SmallVec<[Version<V>; 1]>,
    /// How many of them are part of the base by now.
    folded: u32,
    /// By transaction, each once.
    readers: SmallVec<[Reader; 2]>,
    /// How many attempts were wasted on it.
    pub(crate) conflicts: u32,
}

#[derive(Clone, Debug)]
struct Version<V: Value> {
    transaction: u32,
    /// Whether the transaction is to be executed again, or has not been yet: what it will make of the key is a guess.
    is_guess: bool,
    /// `None` if it has said nothing yet, and others still see what is below.
    change: Option<Change<V>>,
    /// Whether it is expected to add to the key, not to put something there.
    adds: bool,
}

impl<V: Value> Default for Versions<V> {
    fn default() -> Self {
        Self {
            base: Known::No,
            is_changed: false,
            is_known_to_scans: false,
            list: SmallVec::new(),
            folded: 0,
            readers: SmallVec::new(),
            conflicts: 0,
        }
    }
}

impl<V: Value> Versions<V> {
    /// Says what the parent state holds.
    pub fn load(&mut self, value: Option<&V>) {
        // Somebody may have been faster, and a commit have built on that.
        if !self.base.is_known() {
            self.base = Known::of(value.cloned());
        }
    }

    /// Says what the transactions before all others here have left, and whether they changed it.
    pub(crate) fn begin_with(&mut self, value: Known<V>, is_changed: bool) {
        self.base = value;
        self.is_changed = is_changed;
    }

    /// What a transaction sees, which this attempt relies on: if it changes, the attempt is named.
    pub fn look(&mut self, transaction: u32, attempt: u32) -> Found<V> {
        let found = self.below(transaction, Trusting::Nobody);
        if matches!(found, Found::Value(_)) {
            self.note(Reader {
                transaction,
                attempt,
            });
        }
        found
    }

    /// Notes that an attempt relies on what is there.
    pub fn note(&mut self, reader: Reader) {
        match self.reader(reader.transaction) {
            // A later attempt may have been noted already.
            Ok(at) => self.readers[at].attempt = self.readers[at].attempt.max(reader.attempt),
            Err(at) => self.readers.insert(at, reader),
        }
    }

    /// Whether scans know that the key has versions. If not, they have to be told before the first one is published.
    #[must_use]
    pub fn is_known_to_scans(&self) -> bool {
        self.is_known_to_scans
    }

    /// Says that scans have been told.
    pub fn known_to_scans(&mut self) {
        self.is_known_to_scans = true;
    }

    /// What a transaction probably sees: good enough to ask questions that will be asked again.
    pub fn glance(&mut self, transaction: u32) -> Found<V> {
        self.below(transaction, Trusting::Adds)
    }

    /// The transaction that a look would have to wait for.
    #[must_use]
    pub fn pending(&self, transaction: u32) -> Option<u32> {
        let below = self.since_base(transaction);
        for version in below.iter().rev() {
            if version.is_guess {
                return Some(version.transaction);
            }
            if matches!(version.change, Some(Change::Put(_))) {
                break;
            }
        }
        None
    }

    /// Whether many add to it that are not committed, and nobody is known to rely on what is there.
    #[must_use]
    pub fn is_collecting(&self) -> bool {
        let last = self.list[self.folded as usize..].iter().rev();
        let adds = last.take(MANY_ADDS).filter(|version| version.adds);
        (self.readers.is_empty() || EXPLORED) && adds.count() == MANY_ADDS
    }

    /// Where the version of `transaction` is, or would be.
    fn at(&self, transaction: u32) -> usize {
        // Most come in order.
        match self.list.last() {
            Some(last) if last.transaction >= transaction => self
                .list
                .partition_point(|version| version.transaction < transaction),
            _ => self.list.len(),
        }
    }

    /// The versions before that of `transaction` that are not part of the base.
    fn since_base(&self, transaction: u32) -> &[Version<V>] {
        let folded = self.folded as usize;
        &self.list[folded..self.at(transaction).max(folded)]
    }

    fn reader(&self, transaction: u32) -> Result<usize, usize> {
        match self.readers.last() {
            Some(last) if last.transaction >= transaction => self
                .readers
                .binary_search_by_key(&transaction, |reader| reader.transaction),
            _ => Err(self.readers.len()),
        }
    }

    /// The value that `transaction` sees, unless it has to wait for a version before it.
    fn below(&self, transaction: u32, trusting: Trusting) -> Found<V> {
        let below = self.since_base(transaction);
        let mut adds = below.len();
        let mut put = None;
        for (at, version) in below.iter().enumerate().rev() {
            if version.is_guess && !trusting.trusts(version.adds) {
                return Found::Pending(version.transaction, Until::Done);
            }
            if let Some(Change::Put(value)) = &version.change {
                put = Some(value);
                break;
            }
            adds = at;
        }
        let start = match (&put, &self.base) {
            (Some(put), _) => put.as_ref(),
            (None, Known::No) => return Found::Parent,
            (None, base) => base.as_option(),
        };
        if adds == below.len() {
            return Found::Value(start.cloned());
        }
        let mut sum = number(start);
        let mut is_changed = false;
        for version in &below[adds..] {
            let Some(Change::Add(delta)) = &version.change else {
                continue;
            };
            match sum.and_then(|sum| delta.apply(sum)) {
                Some(after) => {
                    sum = Some(after);
                    is_changed = true;
                }
                None if trusting == Trusting::Adds => {}
                // Only until it is committed: it then adds something else, or something before it changes.
                None => return Found::Pending(version.transaction, Until::Settled),
            }
        }
        Found::Value(match sum {
            Some(sum) if is_changed => V::from_amount(sum),
            _ => start.cloned(),
        })
    }

    /// Puts the version of a transaction in the place of the one that it has: `None` is none. Names those who have seen
    /// what is no longer so.
    pub fn publish(
        &mut self,
        transaction: u32,
        change: Option<Change<V>>,
        deceived: &mut Vec<Reader>,
    ) {
        let at = self.at(transaction);
        let is_there = self
            .list
            .get(at)
            .is_some_and(|version| version.transaction == transaction);
        let before = if is_there {
            self.list[at].change.take()
        } else {
            None
        };
        let rest = at + usize::from(is_there);
        let affected = self.affected(transaction, rest);
        if !affected.is_empty() && self.differs(transaction, before.as_ref(), change.as_ref()) {
            self.conflicts = self.conflicts.saturating_add(affected.len() as u32);
            // They look again if they still want to know.
            deceived.extend(self.readers.drain(affected));
        }
        match change {
            Some(change) => {
                let version = Version {
                    transaction,
                    is_guess: false,
                    adds: matches!(change, Change::Add(_)),
                    change: Some(change),
                };
                if is_there {
                    self.list[at] = version;
                } else {
                    self.list.insert(at, version);
                }
            }
            // Where many follow, it stays there and says nothing, until it is committed.
            None if is_there && self.list.len() - at > MANY => {
                self.list[at].is_guess = false;
                self.list[at].adds = false;
            }
            None if is_there => drop(self.list.remove(at)),
            None => {}
        }
    }

    /// The readers after `transaction`, up to the next one that puts a value: versions from `rest` on are later ones.
    fn affected(&self, transaction: u32, rest: usize) -> std::ops::Range<usize> {
        if mutant!("no_invalidation") {
            return 0..0;
        }
        let last = match self.readers.last() {
            Some(last) if last.transaction > transaction => last.transaction,
            _ => return 0..0,
        };
        let first = self
            .readers
            .partition_point(|reader| reader.transaction <= transaction);
        // Predictions may go much further than readers do.
        let put = self.list[rest..]
            .iter()
            .take_while(|version| version.transaction < last)
            .find(|version| matches!(version.change, Some(Change::Put(_))));
        let end = put.map_or(self.readers.len(), |put| {
            self.readers
                .partition_point(|reader| reader.transaction <= put.transaction)
        });
        first..end.max(first)
    }

    /// Whether those after `transaction` see something else if it makes this of the key instead of that.
    fn differs(
        &self,
        transaction: u32,
        before: Option<&Change<V>>,
        after: Option<&Change<V>>,
    ) -> bool {
        if before == after {
            return false;
        }
        if let (Some(Change::Put(_)), Some(Change::Put(_))) = (before, after) {
            return true;
        }
        let Found::Value(below) = self.below(transaction, Trusting::All) else {
            return true;
        };
        let seen = |change: Option<&Change<V>>| match change {
            None => Known::of(below.clone()),
            Some(change) => change.apply(below.as_ref()),
        };
        let (before, after) = (seen(before), seen(after));
        !before.is_known() || before != after
    }

    /// Lets others wait for what a transaction will make of the key; if it `adds`, only those who look at the value.
    pub fn guess(&mut self, transaction: u32, adds: bool) {
        let at = self.at(transaction);
        match self.list.get_mut(at) {
            Some(version) if version.transaction == transaction => version.is_guess = true,
            _ => self.guess_at(at, transaction, None, adds),
        }
    }

    /// The same for a transaction that was not executed yet, and will probably add this.
    pub fn forecast(&mut self, transaction: u32, delta: Delta<V::Amount>) {
        let last = self.readers.last().map(|reader| reader.transaction);
        if last.is_some_and(|last| last > transaction) && !mutant!("late_forecast") {
            // They have not seen it. If it comes as it was forecast they would not be named.
            return self.guess(transaction, true);
        }
        let at = self.at(transaction);
        match self.list.get_mut(at) {
            Some(version) if version.transaction == transaction => {
                version.adds = true;
                version.change = Some(Change::Add(delta));
            }
            _ => self.guess_at(at, transaction, Some(Change::Add(delta)), true),
        }
    }

    fn guess_at(&mut self, at: usize, transaction: u32, change: Option<Change<V>>, adds: bool) {
        let version = Version {
            transaction,
            is_guess: true,
            change,
            adds,
        };
        self.list.insert(at, version);
    }
}
