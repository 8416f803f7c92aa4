//! The state that blocks begin on.

use std::{convert::Infallible, thread, time::Duration};

use pleach::{State, Value};

use crate::workloads::{Key, Map, Workload};

/// A hash map, as fast as the plain loop's; or one that takes its time.
pub struct Base<V> {
    map: Map<V>,
    latency: Duration,
}

impl<V: Value> Base<V> {
    /// What a workload begins with. Each read sleeps as long as this first, or somewhat longer, as sleeping goes.
    pub fn new<W: Workload<Value = V>>(workload: &W, latency: Duration) -> Self {
        let mut map = Map::default();
        workload.begin(&mut |key, value| {
            map.insert(key, value);
        });
        Self { map, latency }
    }

    /// The value of a key.
    #[inline]
    #[must_use]
    pub fn read(&self, key: &Key) -> Option<V> {
        if !self.latency.is_zero() {
            thread::sleep(self.latency);
        }
        self.map.get(key).cloned()
    }

    /// All of it, at once.
    #[must_use]
    pub fn map(&self) -> &Map<V> {
        &self.map
    }

    /// How long a read takes.
    #[must_use]
    pub fn latency(&self) -> Duration {
        self.latency
    }

    /// Whether reads take their time.
    #[must_use]
    pub fn is_slow(&self) -> bool {
        !self.latency.is_zero()
    }
}

impl<V: Value> State<Key, V> for Base<V> {
    type Error = Infallible;

    #[inline]
    fn get(&self, key: &Key) -> Result<Option<V>, Infallible> {
        Ok(self.read(key))
    }
}
