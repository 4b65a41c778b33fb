//! One pod as the board knows it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::time::Instant;

use crate::pod::observe::PodObservation;
use crate::task::pods::PodIdentity;

/// One pod. There are as many as tasks that wait: a byte here is a byte for each.
#[derive(Debug)]
pub(super) struct Slot {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) known: Known,
    /// Rises at every change; 0 while nothing has been seen.
    version: u64,
    /// When the newest observation arrived; taken by the first who asks.
    arrived: Option<Instant>,
    pub(super) waiters: u32,
    wakers: Wakers,
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
    pub(super) fn new(known: Known) -> Self {
        Self {
            inner: Mutex::new(Inner {
                version: match &known {
                    Known::Unseen(_) => 0,
                    Known::Seen(_) => 1,
                },
                arrived: match &known {
                    Known::Unseen(_) => None,
                    Known::Seen(_) => Some(Instant::now()),
                },
                known,
                waiters: 0,
                wakers: Wakers::default(),
                outside: false,
                since: Instant::now(),
            }),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// The newest observation.
    pub(super) fn latest(&self) -> Option<Arc<PodObservation>> {
        match &self.lock().known {
            Known::Unseen(_) => None,
            Known::Seen(seen) => Some(Arc::clone(seen)),
        }
    }

    /// When the newest observation arrived, once for each.
    pub(super) fn take_arrival(&self) -> Option<Instant> {
        self.lock().arrived.take()
    }

    /// The newest observation if its version is not `seen`, which it becomes; otherwise the task
    /// is woken at the next change.
    pub(super) fn poll_changed(
        &self,
        seen: &mut u64,
        context: &mut Context<'_>,
    ) -> Poll<Arc<PodObservation>> {
        let mut inner = self.lock();
        if let Known::Seen(latest) = &inner.known
            && inner.version > *seen
        {
            *seen = inner.version;
            return Poll::Ready(Arc::clone(latest));
        }
        inner.wakers.add(context.waker());
        Poll::Pending
    }
}

/// Who is to be woken at the next change. A pod has one waiter as a rule.
#[derive(Debug, Default)]
#[must_use = "who waits is to be woken"]
pub(super) struct Wakers {
    one: Option<Waker>,
    more: Vec<Waker>,
}

impl Wakers {
    fn add(&mut self, waker: &Waker) {
        match &self.one {
            None => self.one = Some(waker.clone()),
            Some(one) if one.will_wake(waker) => {}
            Some(_) if self.more.iter().any(|more| more.will_wake(waker)) => {}
            Some(_) => self.more.push(waker.clone()),
        }
    }

    /// To be called without a lock: what is woken, or dropped with its waker, may want it.
    pub(super) fn wake(self) {
        self.one.into_iter().chain(self.more).for_each(Waker::wake);
    }
}

impl Inner {
    pub(super) fn put(&mut self, seen: PodObservation) -> Wakers {
        self.known = Known::Seen(Arc::new(seen));
        self.version += 1;
        self.arrived = Some(Instant::now());
        self.all_wakers()
    }

    /// Lets whoever waits look at the same once more.
    pub(super) fn show_again(&mut self) -> Wakers {
        if !self.is_unseen() {
            self.version += 1;
        }
        self.all_wakers()
    }

    /// Forgets who is to be woken: who still waits asks again. Also for when a waiter leaves,
    /// since it is not known which waker is its own.
    pub(super) fn all_wakers(&mut self) -> Wakers {
        std::mem::take(&mut self.wakers)
    }

    pub(super) fn is_gone(&self) -> bool {
        matches!(&self.known, Known::Seen(seen) if seen.gone)
    }

    pub(super) fn is_unseen(&self) -> bool {
        matches!(self.known, Known::Unseen(_))
    }

    pub(super) fn uid(&self) -> &str {
        match &self.known {
            Known::Unseen(identity) => &identity.uid,
            Known::Seen(seen) => &seen.identity.uid,
        }
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
