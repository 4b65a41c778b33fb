//! Following the changes of one kind of object.

use std::collections::VecDeque;

use tokio::sync::watch::Receiver;

use super::{Object, Objects, Resource};

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// It was created.
    Added,
    /// It was changed.
    Modified,
    /// It is gone; the event carries its last state.
    Deleted,
}

/// One change.
#[derive(Debug, Clone)]
pub struct ObjectEvent {
    /// What happened.
    pub kind: EventKind,
    /// The object after the change; for [`EventKind::Deleted`] its last state under the version
    /// of the deletion.
    pub object: Object,
    /// The object before the change; none for [`EventKind::Added`].
    pub previous: Option<Object>,
    /// The resource version of the change.
    pub version: u64,
}

/// The changes of one kind of object, from a version on: each once, in order, none left out.
pub struct ObjectWatch {
    objects: Objects,
    resource: Resource,
    /// Events up to here have been taken from the history.
    position: u64,
    taken: VecDeque<ObjectEvent>,
    signal: Receiver<u64>,
    expired: bool,
}

impl ObjectWatch {
    pub(super) fn new(
        objects: Objects,
        resource: Resource,
        position: u64,
        signal: Receiver<u64>,
    ) -> Self {
        Self {
            objects,
            resource,
            position,
            taken: VecDeque::new(),
            signal,
            expired: false,
        }
    }

    /// The next change. Ends only when the watch has fallen behind the history that is kept
    /// ([`ObjectWatch::expired`]): list again, and watch from there. Dropping the future loses
    /// nothing.
    pub async fn next(&mut self) -> Option<ObjectEvent> {
        loop {
            if let Some(event) = self.taken.pop_front() {
                return Some(event);
            }
            if self.expired {
                return None;
            }
            // Marked as seen before looking: a change in between wakes us at once.
            self.signal.borrow_and_update();
            if self.take() {
                continue;
            }
            if self.expired || self.signal.changed().await.is_err() {
                return None;
            }
        }
    }

    /// Whether the watch ended because it was too slow for the history that is kept.
    #[must_use]
    pub fn expired(&self) -> bool {
        self.expired
    }

    /// Everything up to this version has been given out.
    #[must_use]
    pub fn version(&self) -> u64 {
        match self.taken.front() {
            Some(next) => next.version.saturating_sub(1),
            None => self.position,
        }
    }

    fn take(&mut self) -> bool {
        match self.objects.events_after(self.resource, self.position) {
            Some((events, through)) => {
                // A watch may have been asked to start in the future: it never moves back.
                self.position = self.position.max(through);
                self.taken = events;
                !self.taken.is_empty()
            }
            None => {
                self.expired = true;
                false
            }
        }
    }
}
