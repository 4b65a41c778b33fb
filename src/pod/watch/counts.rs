//! What a hub has done, for metrics and tests.

use std::sync::atomic::{AtomicU64, Ordering};

/// How often a hub has done what, over all its watches since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WatchCounts {
    /// Requests to API servers, the repeats of failed ones not counted.
    pub requests: u64,
    /// Events about pods.
    pub events: u64,
    /// Bookmarks.
    pub bookmarks: u64,
    /// Whole lists that were read, as a list or at the beginning of a watch.
    pub relists: u64,
    /// Watches that were opened again from where they were.
    pub reopens: u64,
    /// Verifications by a list of ended pods.
    pub verifications: u64,
    /// Pods whose end a verification saw before the watch told it.
    pub corrections: u64,
    /// Requests and streams that failed.
    pub errors: u64,
}

/// The live counters.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) requests: AtomicU64,
    pub(super) events: AtomicU64,
    pub(super) bookmarks: AtomicU64,
    pub(super) relists: AtomicU64,
    pub(super) reopens: AtomicU64,
    pub(super) verifications: AtomicU64,
    pub(super) corrections: AtomicU64,
    pub(super) errors: AtomicU64,
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counters {
    pub(super) fn snapshot(&self) -> WatchCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WatchCounts {
            requests: read(&self.requests),
            events: read(&self.events),
            bookmarks: read(&self.bookmarks),
            relists: read(&self.relists),
            reopens: read(&self.reopens),
            verifications: read(&self.verifications),
            corrections: read(&self.corrections),
            errors: read(&self.errors),
        }
    }
}
