//! The state that blocks begin on.

use std::{
    convert::Infallible,
    ops::{Bound, ControlFlow},
    time::Duration,
};

use pleach::{RangeSupport, State, Value};

use crate::{
    latency::Latency,
    workloads::{Key, Table, Workload},
};

/// A map, as fast as the plain loop's; or one that takes its time.
pub struct Base<T> {
    map: T,
    latency: Latency,
}

impl<T> Base<T> {
    /// What a workload begins with. Each read sleeps as long as this first, or somewhat longer, as sleeping goes; a scan of a
    /// range is one read.
    pub fn new<W: Workload<Table = T>>(workload: &W, latency: Duration) -> Self
    where
        T: Table<W::Value>,
    {
        let mut map = T::default();
        workload.begin(&mut |key, value| map.set(key, value));
        Self {
            map,
            latency: Latency(latency),
        }
    }

    /// The value of a key.
    #[inline]
    #[must_use]
    pub fn read<V: Clone>(&self, key: &Key) -> Option<V>
    where
        T: Table<V>,
    {
        self.latency.wait();
        self.map.value(key).cloned()
    }

    /// All of it, once a read is over.
    pub(super) fn at_leisure(&self) -> &T {
        self.latency.wait();
        &self.map
    }

    /// All of it, at once.
    #[must_use]
    pub fn map(&self) -> &T {
        &self.map
    }

    /// Whether reads take their time.
    #[must_use]
    pub fn is_slow(&self) -> bool {
        !self.latency.0.is_zero()
    }

    /// How long a read really takes, if it takes any time.
    pub(super) fn real_latency(&self) -> Option<Duration> {
        self.latency.measure()
    }
}

impl<V: Value, T: Table<V>> State<Key, V> for Base<T> {
    type Error = Infallible;

    #[inline]
    fn get(&self, key: &Key) -> Result<Option<V>, Infallible> {
        Ok(self.read(key))
    }

    fn range(
        &self,
        from: Bound<&Key>,
        to: Bound<&Key>,
        visit: &mut dyn FnMut(&Key, &V) -> ControlFlow<()>,
    ) -> Result<RangeSupport, Infallible> {
        Ok(if self.at_leisure().range(from, to, visit) {
            RangeSupport::Visited
        } else {
            RangeSupport::Unsupported
        })
    }
}
