//! What is known of the pods of one namespace, and who waits for which. No I/O.
//!
//! What nobody waits for is kept for as long as the watch shows it. What the watch shows no more
//! is remembered for a while, so that a task which is being resumed and then waits again learns
//! how its pod ended.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::slot::{Inner, Known, Slot, is_newer, lock};
use crate::clock::Clock;
use crate::pod::observe::PodObservation;
use crate::task::pods::PodIdentity;

/// The pods of one namespace.
#[derive(Debug)]
pub(super) struct Board {
    pub(super) state: Mutex<State>,
    /// How long what is left is remembered.
    linger: Duration,
    /// Of how many pods at most.
    remembered: usize,
    /// The clock of those who wait, once the first has said so.
    pub(super) clock: OnceLock<Clock>,
    /// Somebody wants the watch verified.
    verification_wanted: AtomicBool,
    /// Wakes the verifier: for a verification, or to look for a pod that the watch does not show.
    pub(super) wake_verifier: Notify,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) slots: HashMap<Arc<str>, Arc<Slot>>,
    /// Pods that were left, oldest first, and since when. One that somebody waits for again is
    /// still named here, with another time than its slot's.
    left: VecDeque<(Instant, Arc<str>)>,
    /// How many wait.
    waiters: usize,
    /// How often those who said so want the watch verified, and how many of them.
    pub(super) rhythms: BTreeMap<Duration, usize>,
    /// Since when nobody has waited, if nobody does.
    idle_since: Instant,
    /// Whether one whole list has been taken.
    synced: bool,
    /// Why the watch is not open.
    trouble: Option<String>,
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

impl Board {
    pub(super) fn new(linger: Duration, remembered: usize) -> Self {
        Self {
            state: Mutex::new(State {
                slots: HashMap::new(),
                left: VecDeque::new(),
                waiters: 0,
                rhythms: BTreeMap::new(),
                idle_since: Instant::now(),
                synced: false,
                trouble: None,
            }),
            linger,
            remembered,
            clock: OnceLock::new(),
            verification_wanted: AtomicBool::new(false),
            wake_verifier: Notify::new(),
        }
    }

    /// Adds a waiter for that pod.
    pub(super) fn register(&self, identity: &PodIdentity) -> Arc<Slot> {
        let mut state = lock(&self.state);
        state.waiters += 1;
        let known = state.slots.get(identity.uid.as_str()).map(Arc::clone);
        let slot = known.unwrap_or_else(|| {
            let uid: Arc<str> = identity.uid.as_str().into();
            let unseen = Known::Unseen(Box::new(identity.clone()));
            let slot = Arc::new(Slot::new(unseen));
            state.slots.insert(uid, Arc::clone(&slot));
            slot
        });
        let mut inner = slot.lock();
        inner.waiters += 1;
        // The watch has nothing to tell of a pod that went before the watch began.
        let missed = inner.is_missed();
        drop(inner);
        if missed && state.synced {
            self.wake_verifier.notify_one();
        }
        slot
    }

    /// Takes a waiter away.
    pub(super) fn unregister(&self, slot: &Slot) {
        let mut state = lock(&self.state);
        state.waiters = state.waiters.saturating_sub(1);
        if state.waiters == 0 {
            state.idle_since = Instant::now();
        }
        let mut inner = slot.lock();
        inner.waiters = inner.waiters.saturating_sub(1);
        let wakers = inner.all_wakers();
        leave(&mut state, &mut inner);
        drop(inner);
        self.forget(&mut state);
        drop(state);
        wakers.wake();
    }

    /// Forgets what has been remembered for long enough, and the oldest of what is too much.
    pub(super) fn expire(&self) {
        let mut state = lock(&self.state);
        self.forget(&mut state);
    }

    fn forget(&self, state: &mut State) {
        while let Some((since, _)) = state.left.front() {
            if since.elapsed() < self.linger && state.left.len() <= self.remembered {
                return;
            }
            let Some((since, uid)) = state.left.pop_front() else {
                return;
            };
            let expired = state.slots.get(&uid).is_some_and(|slot| {
                let inner = slot.lock();
                inner.is_left() && inner.since == since
            });
            if expired {
                state.slots.remove(&uid);
            }
        }
        if state.left.is_empty() {
            state.left.shrink_to(0);
        }
    }

    /// Whether nobody has waited for as long as the watch goes on without.
    pub(super) fn is_idle(&self) -> bool {
        let state = lock(&self.state);
        state.waiters == 0 && state.idle_since.elapsed() >= self.linger
    }

    /// Takes an observation. Says whether it was news.
    pub(super) fn apply(&self, seen: PodObservation, origin: Origin) -> bool {
        let mut state = lock(&self.state);
        let uid = seen.identity.uid.as_str();
        let Some(slot) = state.slots.get(uid).map(Arc::clone) else {
            if origin == Origin::Watch && !seen.gone && !uid.is_empty() {
                let uid: Arc<str> = uid.into();
                let slot = Slot::new(Known::Seen(Arc::new(seen)));
                state.slots.insert(uid, Arc::new(slot));
            }
            return false;
        };
        let mut inner = slot.lock();
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
        let wakers = inner.put(next);
        leave(&mut state, &mut inner);
        drop(inner);
        self.forget(&mut state);
        drop(state);
        wakers.wake();
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
        let mut inner = slot.lock();
        inner.outside = true;
        let awaited = inner.waiters > 0;
        leave(&mut state, &mut inner);
        drop(inner);
        self.forget(&mut state);
        if awaited {
            self.wake_verifier.notify_one();
        }
    }

    /// Notes that the pod exists no more, if it was not known.
    pub(super) fn gone(&self, uid: &str) {
        let mut state = lock(&self.state);
        let Some(slot) = state.slots.get(uid).map(Arc::clone) else {
            return;
        };
        let mut inner = slot.lock();
        if inner.is_gone() {
            return;
        }
        let last = match &inner.known {
            Known::Unseen(identity) => PodObservation::unseen(PodIdentity::clone(identity)),
            Known::Seen(last) => PodObservation::clone(last),
        };
        let wakers = inner.put(last.into_gone());
        leave(&mut state, &mut inner);
        drop(inner);
        self.forget(&mut state);
        drop(state);
        wakers.wake();
    }

    /// After a whole list: what somebody waits for and is not in it is asked for by name. It is
    /// gone as a rule, but it may have lost its labels; and one that is known in a newer version
    /// than the list's is younger than the list. What nobody waits for is remembered for a while.
    pub(super) fn end_list(&self, listed: &HashSet<String>, version: &str) {
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        state.synced = true;
        let mut missing = false;
        for (uid, slot) in &state.slots {
            if listed.contains(&**uid) {
                continue;
            }
            let mut inner = slot.lock();
            match &inner.known {
                Known::Seen(seen) if seen.gone => continue,
                Known::Seen(seen) if is_newer(&seen.resource_version, version) => continue,
                Known::Seen(_) if inner.outside && inner.waiters == 0 => continue,
                Known::Seen(_) => inner.outside = true,
                Known::Unseen(_) => {}
            }
            if inner.waiters > 0 {
                missing = true;
            } else {
                inner.since = Instant::now();
                state.left.push_back((inner.since, Arc::clone(uid)));
            }
        }
        self.forget(state);
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
            let inner = slot.lock();
            if inner.waiters == 0 {
                continue;
            }
            match &inner.known {
                Known::Seen(seen) if inner.outside && !seen.gone => {
                    unseen.pods.push(seen.identity.clone());
                }
                Known::Seen(_) => {}
                Known::Unseen(identity) if inner.since <= before => {
                    unseen.pods.push(PodIdentity::clone(identity));
                }
                Known::Unseen(_) => unseen.too_early = true,
            }
        }
        unseen
    }

    /// Notes that the pod exists although the watch does not show it.
    pub(super) fn is_outside(&self, uid: &str) {
        if let Some(slot) = lock(&self.state).slots.get(uid) {
            slot.lock().outside = true;
        }
    }

    /// The newest that was seen of a pod.
    pub(super) fn latest(&self, uid: &str) -> Option<Arc<PodObservation>> {
        lock(&self.state).slots.get(uid)?.latest()
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

/// Forgets a pod that has been left, or remembers it for a while if something is known of it.
fn leave(state: &mut State, inner: &mut Inner) {
    if !inner.is_left() {
        return;
    }
    if inner.is_unseen() {
        state.slots.remove(inner.uid());
        return;
    }
    let Some((uid, _)) = state.slots.get_key_value(inner.uid()) else {
        return;
    };
    inner.since = Instant::now();
    state.left.push_back((inner.since, Arc::clone(uid)));
}
