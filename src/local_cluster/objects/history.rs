//! The last changes of one kind, for watches that start in the past or are slow.

use std::collections::{BTreeMap, VecDeque};

use super::state::{MapKey, map_key};
use super::{Object, ObjectEvent, Resource};

/// Changes that are kept, unless another number is asked for.
const CHANGES: usize = 20_000;
/// Bytes of JSON that are kept, however few changes that may be.
const BYTES: usize = 256 * 1024 * 1024;

pub(super) struct History {
    /// In the order of their versions.
    events: VecDeque<ObjectEvent>,
    bytes: usize,
    /// How many events are kept.
    limit: usize,
    /// Events up to this version are no longer there.
    pub dropped_through: u64,
}

impl Default for History {
    fn default() -> Self {
        Self {
            events: VecDeque::new(),
            bytes: 0,
            limit: CHANGES,
            dropped_through: 0,
        }
    }
}

impl History {
    /// Adds a change.
    pub fn push(&mut self, event: ObjectEvent) {
        self.bytes += event.object.json().len();
        self.events.push_back(event);
        self.trim();
    }

    /// Keeps only so many changes, now and from now on.
    pub fn keep(&mut self, changes: usize) {
        self.limit = changes;
        self.trim();
    }

    /// Forgets everything up to `version`.
    pub fn forget(&mut self, version: u64) {
        self.events.clear();
        self.bytes = 0;
        self.dropped_through = version;
    }

    /// The first changes after `version`, at most `count`.
    pub fn after(&self, version: u64, count: usize) -> VecDeque<ObjectEvent> {
        self.events
            .range(self.start(version)..)
            .take(count)
            .cloned()
            .collect()
    }

    /// What each object that was changed after `version` was at `version`; none if it was not there.
    pub fn before(&self, resource: Resource, version: u64) -> BTreeMap<MapKey, Option<Object>> {
        let mut before = BTreeMap::new();
        for event in self.events.range(self.start(version)..) {
            if let Some(key) = event.object.key(resource) {
                // The first change of an object knows what it was before all of them.
                before
                    .entry(map_key(&key))
                    .or_insert_with(|| event.previous.clone());
            }
        }
        before
    }

    fn start(&self, version: u64) -> usize {
        self.events
            .partition_point(|event| event.version <= version)
    }

    fn trim(&mut self) {
        while self.events.len() > self.limit || self.bytes > BYTES {
            let Some(dropped) = self.events.pop_front() else {
                return;
            };
            self.bytes -= dropped.object.json().len();
            self.dropped_through = dropped.version;
        }
    }
}
