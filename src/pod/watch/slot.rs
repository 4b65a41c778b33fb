//! One pod as the board knows it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::pod::observe::PodObservation;
use crate::task::pods::PodIdentity;

/// One pod. There are as many as tasks that wait: a byte here is a byte for each.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) uid: Arc<str>,
    inner: Mutex<Inner>,
    /// Woken at every change.
    pub(super) changed: Notify,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) known: Known,
    /// Rises at every change; 0 while nothing has been seen.
    version: u64,
    pub(super) waiters: u32,
    /// The watch does not show it (any more): its labels are not those that are watched, or it is
    /// gone. To be asked for by name.
    pub(super) outside: bool,
    /// When the slot was made; once the board has no use for it but to remember the pod, since
    /// when that is so.
    pub(super) since: Instant,
}

#[derive(Debug)]
pub(super) enum Known {
    Unseen(Box<PodIdentity>),
    Seen(Arc<PodObservation>),
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing here panics half way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Slot {
    pub(super) fn new(uid: Arc<str>, known: Known) -> Self {
        Self {
            uid,
            inner: Mutex::new(Inner {
                version: match &known {
                    Known::Unseen(_) => 0,
                    Known::Seen(_) => 1,
                },
                known,
                waiters: 0,
                outside: false,
                since: Instant::now(),
            }),
            changed: Notify::new(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// The newest observation and its version.
    pub(super) fn latest(&self) -> (u64, Option<Arc<PodObservation>>) {
        let inner = self.lock();
        let seen = match &inner.known {
            Known::Unseen(_) => None,
            Known::Seen(seen) => Some(Arc::clone(seen)),
        };
        (inner.version, seen)
    }

    pub(super) fn put(&self, inner: &mut Inner, seen: PodObservation) {
        inner.known = Known::Seen(Arc::new(seen));
        inner.version += 1;
        self.changed.notify_waiters();
    }
}

impl Inner {
    pub(super) fn is_gone(&self) -> bool {
        matches!(&self.known, Known::Seen(seen) if seen.gone)
    }

    pub(super) fn is_unseen(&self) -> bool {
        matches!(self.known, Known::Unseen(_))
    }

    /// Whether nobody waits for the pod and the watch will tell nothing more of it.
    pub(super) fn is_left(&self) -> bool {
        self.waiters == 0 && (self.outside || self.is_gone() || self.is_unseen())
    }

    /// Whether the pod must be asked for by name.
    pub(super) fn is_missed(&self) -> bool {
        match &self.known {
            Known::Unseen(_) => true,
            Known::Seen(seen) => self.outside && !seen.gone,
        }
    }
}

/// Whether a version of an object is newer than another version of the same object.
pub(super) fn is_newer(version: &str, than: &str) -> bool {
    match (version.parse::<u64>(), than.parse::<u64>()) {
        (Ok(version), Ok(than)) => version > than,
        _ => version != than,
    }
}
