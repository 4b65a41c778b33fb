//! What is known of the pods of one namespace, and who waits for which. No I/O.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::pod::observe::PodObservation;
use crate::task::pods::PodIdentity;

/// The pods of one namespace.
#[derive(Debug, Default)]
pub(super) struct Board {
    state: Mutex<State>,
    /// Somebody wants the watch verified.
    verification_wanted: AtomicBool,
    /// Wakes the verifier: for a verification, or to look for a pod that the watch does not show.
    pub(super) wake_verifier: Notify,
}

#[derive(Debug, Default)]
struct State {
    slots: HashMap<Arc<str>, Arc<Slot>>,
    /// Whether one whole list has been taken.
    synced: bool,
    /// Why the watch is not open.
    trouble: Option<String>,
}

/// One pod.
#[derive(Debug)]
pub(super) struct Slot {
    uid: Arc<str>,
    inner: Mutex<Inner>,
    /// Woken at every change.
    pub(super) changed: Notify,
}

#[derive(Debug)]
struct Inner {
    known: Known,
    /// Rises at every change; 0 while nothing has been seen.
    version: u64,
    waiters: u32,
    since: Instant,
    /// The watch does not show it (any more): its labels are not those that are watched, or it is
    /// gone. To be asked for by name.
    outside: bool,
}

#[derive(Debug)]
enum Known {
    Unseen(PodIdentity),
    Seen(Arc<PodObservation>),
}

/// Where an observation comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The watch, or a list that the watch goes on from: pods that nobody waits for (yet) are
    /// kept too.
    Watch,
    /// A look besides, possibly at an old state: only what somebody waits for is taken.
    Besides,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing here panics half way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Slot {
    /// The newest observation and its version.
    pub(super) fn latest(&self) -> (u64, Option<Arc<PodObservation>>) {
        let inner = lock(&self.inner);
        let seen = match &inner.known {
            Known::Unseen(_) => None,
            Known::Seen(seen) => Some(Arc::clone(seen)),
        };
        (inner.version, seen)
    }

    fn is_gone(inner: &Inner) -> bool {
        matches!(&inner.known, Known::Seen(seen) if seen.gone)
    }

    fn put(&self, inner: &mut Inner, seen: PodObservation) {
        inner.known = Known::Seen(Arc::new(seen));
        inner.version += 1;
        self.changed.notify_waiters();
    }
}

/// Whether a version of an object is newer than another version of the same object.
fn is_newer(version: &str, than: &str) -> bool {
    match (version.parse::<u64>(), than.parse::<u64>()) {
        (Ok(version), Ok(than)) => version > than,
        _ => version != than,
    }
}

impl Board {
    /// Adds a waiter for that pod.
    pub(super) fn register(&self, identity: &PodIdentity) -> Arc<Slot> {
        let mut state = lock(&self.state);
        let uid: Arc<str> = identity.uid.as_str().into();
        let slot = Arc::clone(state.slots.entry(Arc::clone(&uid)).or_insert_with(|| {
            Arc::new(Slot {
                uid,
                inner: Mutex::new(Inner {
                    known: Known::Unseen(identity.clone()),
                    version: 0,
                    waiters: 0,
                    since: Instant::now(),
                    outside: false,
                }),
                changed: Notify::new(),
            })
        }));
        let mut inner = lock(&slot.inner);
        inner.waiters += 1;
        // The watch has nothing to tell of a pod that went before the watch began.
        let unseen = matches!(inner.known, Known::Unseen(_));
        drop(inner);
        if unseen && state.synced {
            self.wake_verifier.notify_one();
        }
        slot
    }

    /// Takes a waiter away.
    pub(super) fn unregister(&self, slot: &Slot) {
        let mut state = lock(&self.state);
        let mut inner = lock(&slot.inner);
        inner.waiters = inner.waiters.saturating_sub(1);
        let forget = inner.waiters == 0
            && (Slot::is_gone(&inner) || inner.outside || matches!(inner.known, Known::Unseen(_)));
        drop(inner);
        if forget {
            state.slots.remove(&slot.uid);
        }
    }

    /// Takes an observation. Says whether it was news.
    pub(super) fn apply(&self, seen: PodObservation, origin: Origin) -> bool {
        let mut state = lock(&self.state);
        let uid = seen.identity.uid.as_str();
        let Some(slot) = state.slots.get(uid).map(Arc::clone) else {
            if origin == Origin::Watch && !seen.gone && !uid.is_empty() {
                let uid: Arc<str> = uid.into();
                state.slots.insert(
                    Arc::clone(&uid),
                    Arc::new(Slot {
                        uid,
                        inner: Mutex::new(Inner {
                            known: Known::Seen(Arc::new(seen)),
                            version: 1,
                            waiters: 0,
                            since: Instant::now(),
                            outside: false,
                        }),
                        changed: Notify::new(),
                    }),
                );
            }
            return false;
        };
        let mut inner = lock(&slot.inner);
        if origin == Origin::Watch {
            inner.outside = false;
        }
        let next = match &inner.known {
            Known::Unseen(_) => seen,
            // A uid never comes back.
            Known::Seen(last) if last.gone => return false,
            Known::Seen(last)
                if !seen.gone && !is_newer(&seen.resource_version, &last.resource_version) =>
            {
                return false;
            }
            Known::Seen(last) => seen.following(last),
        };
        let forget = next.gone && inner.waiters == 0;
        slot.put(&mut inner, next);
        drop(inner);
        if forget {
            state.slots.remove(&slot.uid);
        }
        true
    }

    /// Notes that the pod has left what is watched, which need not mean that it is gone.
    pub(super) fn left(&self, seen: PodObservation) {
        let uid = seen.identity.uid.clone();
        self.apply(seen, Origin::Watch);
        let mut state = lock(&self.state);
        let Some(slot) = state.slots.get(uid.as_str()).map(Arc::clone) else {
            return;
        };
        let mut inner = lock(&slot.inner);
        inner.outside = true;
        let forget = inner.waiters == 0;
        drop(inner);
        if forget {
            state.slots.remove(&slot.uid);
        } else {
            self.wake_verifier.notify_one();
        }
    }

    /// Notes that the pod exists no more, if it was not known.
    pub(super) fn gone(&self, uid: &str) {
        let mut state = lock(&self.state);
        let Some(slot) = state.slots.get(uid).map(Arc::clone) else {
            return;
        };
        if Self::mark_gone(&slot) {
            state.slots.remove(&slot.uid);
        }
    }

    /// Says whether the slot can be forgotten.
    fn mark_gone(slot: &Slot) -> bool {
        let mut inner = lock(&slot.inner);
        if !Slot::is_gone(&inner) {
            let last = match &inner.known {
                Known::Unseen(identity) => PodObservation::unseen(identity.clone()),
                Known::Seen(last) => PodObservation::clone(last),
            };
            slot.put(&mut inner, last.into_gone());
        }
        inner.waiters == 0
    }

    /// After a whole list: what nobody waits for and is not in it is forgotten, and what somebody
    /// waits for is asked for by name. It is gone as a rule, but it may have lost its labels; and
    /// one that is known in a newer version than the list's is younger than the list.
    pub(super) fn end_list(&self, listed: &HashSet<String>, version: &str) {
        let mut state = lock(&self.state);
        state.synced = true;
        let mut missing = false;
        state.slots.retain(|uid, slot| {
            if listed.contains(&**uid) {
                return true;
            }
            let mut inner = lock(&slot.inner);
            match &inner.known {
                Known::Seen(seen) if seen.gone => {}
                Known::Seen(seen) if is_newer(&seen.resource_version, version) => return true,
                Known::Seen(_) => {
                    inner.outside = true;
                    missing = true;
                }
                Known::Unseen(_) => missing = true,
            }
            inner.waiters > 0
        });
        drop(state);
        if missing {
            self.wake_verifier.notify_one();
        }
    }

    /// The watch is open, or is not and why.
    pub(super) fn set_trouble(&self, trouble: Option<String>) {
        lock(&self.state).trouble = trouble;
    }

    /// Whether the watch is open or about to be, as far as is known.
    pub(super) fn may_be_trusted(&self) -> bool {
        lock(&self.state).trouble.is_none()
    }

    /// Whether one whole list has been taken.
    pub(super) fn is_synced(&self) -> bool {
        lock(&self.state).synced
    }

    /// Why the watch is not open.
    pub(super) fn trouble(&self) -> Option<String> {
        lock(&self.state).trouble.clone()
    }

    /// Asks for a verification.
    pub(super) fn want_verification(&self) {
        if !self.verification_wanted.swap(true, Ordering::AcqRel) {
            self.wake_verifier.notify_one();
        }
    }

    /// Takes the wish for a verification.
    pub(super) fn take_wish(&self) -> bool {
        self.verification_wanted.swap(false, Ordering::AcqRel)
    }

    /// The awaited pods that the watch does not show. The watch has until `before` to show one
    /// that somebody has begun to wait for.
    pub(super) fn unseen(&self, before: Instant) -> Unseen {
        let state = lock(&self.state);
        let mut unseen = Unseen::default();
        if !state.synced {
            return unseen;
        }
        for slot in state.slots.values() {
            let inner = lock(&slot.inner);
            if inner.waiters == 0 {
                continue;
            }
            match &inner.known {
                Known::Seen(seen) if inner.outside && !seen.gone => {
                    unseen.pods.push(seen.identity.clone());
                }
                Known::Seen(_) => {}
                Known::Unseen(identity) if inner.since <= before => {
                    unseen.pods.push(identity.clone());
                }
                Known::Unseen(_) => unseen.too_early = true,
            }
        }
        unseen
    }

    /// Notes that the pod exists although the watch does not show it.
    pub(super) fn is_outside(&self, uid: &str) {
        if let Some(slot) = lock(&self.state).slots.get(uid) {
            lock(&slot.inner).outside = true;
        }
    }

    /// How many pods are known, waited for or not.
    pub(super) fn len(&self) -> usize {
        lock(&self.state).slots.len()
    }
}

/// Pods that somebody waits for and that the watch does not show.
#[derive(Debug, Default)]
pub(super) struct Unseen {
    pub(super) pods: Vec<PodIdentity>,
    /// There are others, for which the watch still has a moment.
    pub(super) too_early: bool,
}
