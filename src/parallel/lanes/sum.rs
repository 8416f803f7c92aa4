//! What keys come to when lanes are put together.

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashSet};

use super::{
    check::{Checked, On},
    mend,
};
use crate::{
    execute::{Known, Overlay},
    parallel::split::Changed,
    state::State,
    vm::Vm,
};

/// See the module.
pub(super) struct Sum<V: Vm> {
    /// How many keys were touched that nobody had before the lanes.
    pub(super) keys: usize,
    /// What keys have changed to of which no table says it.
    changed: Changed<V>,
    /// The slots of these, by lanes.
    left_out: Vec<Vec<usize>>,
    /// The slots of what was before the lanes whose keys they have changed.
    main: Vec<usize>,
}

/// What a lane has left, and the slots that say nothing of what their keys come to.
pub(super) struct Table<'b, V: Vm, B> {
    table: Overlay<'b, V::Key, V::Value, B>,
    left_out: Vec<usize>,
}

impl<V: Vm> Sum<V> {
    /// Of what was `checked`, and, what is better known, of what transactions that were executed again have left or asked about: nothing if the
    /// lanes do not change it.
    pub(super) fn new<S: State<V::Key, V::Value>>(
        main: &Overlay<'_, V::Key, V::Value, S>,
        lanes: &[On<'_, '_, '_, V, S>],
        mut checked: Checked<V::Value>,
        mended: HashMap<V::Key, Option<Known<V::Value>>, RandomState>,
    ) -> Self {
        let mut stays: HashSet<usize, RandomState> = HashSet::default();
        for (key, value) in &mended {
            checked.slots.extend(mend::slots(main, lanes, key));
            let in_main = main.find_hashed(main.hash(key), || key);
            match value {
                Some(_) => checked.main.extend(in_main),
                // It only seemed to be changed.
                None => stays.extend(in_main),
            }
        }
        checked.main.retain(|slot| !stays.contains(slot));
        let mut changed = Vec::new();
        for (at, value) in checked.values {
            let key = lanes[at.0].table.kept(at.1).0;
            if !mended.contains_key(key) {
                changed.push((key.clone(), value.into_option()));
            }
        }
        let mended = mended.into_iter();
        changed.extend(mended.filter_map(|(key, value)| Some((key, value?.into_option()))));
        let mut left_out = vec![Vec::new(); lanes.len()];
        for (lane, slot) in checked.slots {
            left_out[lane].push(slot);
        }
        Self {
            keys: checked.keys,
            changed,
            left_out,
            main: checked.main,
        }
    }

    /// The tables of all lanes.
    pub(super) fn tables<'b, B>(
        &self,
        tables: impl Iterator<Item = Overlay<'b, V::Key, V::Value, B>>,
    ) -> Vec<Table<'b, V, B>> {
        let left_out = self.left_out.iter().cloned();
        tables
            .zip(left_out)
            .map(|(table, left_out)| Table { table, left_out })
            .collect()
    }

    /// What no table says, and what was changed before the lanes and by none of them.
    pub(super) fn rest<S: State<V::Key, V::Value>>(
        self,
        main: Overlay<'_, V::Key, V::Value, S>,
    ) -> [Changed<V>; 2] {
        let left_out = self.main;
        let main = Table::<V, _> {
            table: main,
            left_out,
        };
        [self.changed, main.changes()]
    }
}

impl<V: Vm, B: State<V::Key, V::Value>> Table<'_, V, B> {
    /// What it says that keys have changed to.
    pub(super) fn changes(mut self) -> Changed<V> {
        for slot in self.left_out {
            self.table.replace(slot, Known::No);
        }
        let changed = self.table.into_kept().filter(|(_, _, changed)| *changed);
        changed
            .map(|(key, value, _)| (key, value.into_option()))
            .collect()
    }
}
