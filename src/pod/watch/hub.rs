//! The hub, and what a waiter holds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::board::Board;
use super::counts::{Counters, WatchCounts};
use super::session::Session;
use super::settings::WatchSettings;
use super::slot::Slot;
use super::verify::Verifier;
use crate::clock::Clock;
use crate::pod::client::ClusterClient;
use crate::pod::observe::PodObservation;
use crate::task::pods::PodIdentity;

/// The shortest time between two looks at what can be forgotten.
const SHORTEST_TICK: Duration = Duration::from_millis(10);

/// Shares one watch per cluster and namespace. Cheap to clone; all clones are the same hub.
#[derive(Clone)]
pub struct PodWatchHub {
    inner: Arc<HubInner>,
}

struct HubInner {
    selector: String,
    settings: WatchSettings,
    counters: Arc<Counters>,
    /// Those that somebody waits in, and for a while those that nobody waits in any more.
    watches: Mutex<HashMap<WatchKey, Arc<NamespaceWatch>>>,
}

/// The client's id and the namespace.
type WatchKey = (u64, String);

impl std::fmt::Debug for PodWatchHub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PodWatchHub")
            .field("selector", &self.inner.selector)
            .finish_non_exhaustive()
    }
}

impl PodWatchHub {
    /// A hub whose watches see the pods that `selector` (labels) matches: all of ours.
    #[must_use]
    pub fn new(selector: impl Into<String>, settings: WatchSettings) -> Self {
        Self {
            inner: Arc::new(HubInner {
                selector: selector.into(),
                settings,
                counters: Arc::new(Counters::default()),
                watches: Mutex::new(HashMap::new()),
            }),
        }
    }

    /// Waits for that pod from now on. Opens the namespace's watch if this is its first waiter.
    ///
    /// Also right for a pod that has ended, is gone, or has other labels than those that are
    /// watched: it is asked for by name then. Needs a tokio runtime.
    #[must_use]
    pub fn subscribe(&self, client: &ClusterClient, identity: &PodIdentity) -> Subscription {
        let key = (client.id(), identity.namespace.clone());
        // Registered under the lock: a watch is closed only while nobody waits in it.
        let mut watches = self.inner.lock();
        let watch = match watches.get(&key) {
            Some(watch) => Arc::clone(watch),
            None => {
                let watch = self.open(client, &key);
                watches.insert(key, Arc::clone(&watch));
                watch
            }
        };
        let slot = watch.board.register(identity);
        drop(watches);
        Subscription {
            watch,
            slot,
            seen: 0,
            rhythm: None,
        }
    }

    fn open(&self, client: &ClusterClient, key: &WatchKey) -> Arc<NamespaceWatch> {
        let settings = &self.inner.settings;
        let board = Arc::new(Board::new(settings.linger, settings.remembered));
        let session = Session::new(
            client.clone(),
            key.1.clone(),
            self.inner.selector.clone(),
            settings.clone(),
            Arc::clone(&board),
            Arc::clone(&self.inner.counters),
        );
        let mut tasks = JoinSet::new();
        tasks.spawn(Verifier::new(&session).run());
        tasks.spawn(session.run());
        tasks.spawn(keep(
            Arc::downgrade(&self.inner),
            key.clone(),
            Arc::clone(&board),
            settings.linger,
        ));
        Arc::new(NamespaceWatch {
            board,
            _tasks: tasks,
        })
    }

    /// What the hub has done so far.
    #[must_use]
    pub fn counts(&self) -> WatchCounts {
        self.inner.counters.snapshot()
    }

    /// The newest that was seen of a pod, if any watch shows it or remembers it. Costs a look at each
    /// watch; who waits for a pod has a [`Subscription`].
    #[must_use]
    pub fn latest(&self, uid: &str) -> Option<Arc<PodObservation>> {
        let watches = self.inner.lock();
        watches.values().find_map(|watch| watch.board.latest(uid))
    }

    /// How many watches there are.
    #[must_use]
    pub fn watches(&self) -> usize {
        self.inner.lock().len()
    }

    /// How many pods are kept in memory, waited for or not.
    #[must_use]
    pub fn pods(&self) -> usize {
        let watches = self.inner.lock();
        watches.values().map(|watch| watch.board.len()).sum()
    }
}

impl HubInner {
    fn lock(&self) -> MutexGuard<'_, HashMap<WatchKey, Arc<NamespaceWatch>>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets what was remembered for long enough, and closes the watch when nobody has waited in it
/// for as long.
async fn keep(hub: Weak<HubInner>, key: WatchKey, board: Arc<Board>, linger: Duration) {
    let tick = (linger / 4).max(SHORTEST_TICK);
    loop {
        tokio::time::sleep(tick).await;
        board.expire();
        if !board.is_idle() {
            continue;
        }
        let Some(hub) = hub.upgrade() else {
            return;
        };
        let mut watches = hub.lock();
        if board.is_idle() {
            let closed = watches.remove(&key);
            drop(watches);
            // With its tasks, of which this is one.
            drop(closed);
            return;
        }
    }
}

/// One namespace's watch, owned by the hub and its subscriptions.
struct NamespaceWatch {
    board: Arc<Board>,
    /// Aborted when dropped.
    _tasks: JoinSet<()>,
}

/// One waiter's view of its pod.
pub struct Subscription {
    watch: Arc<NamespaceWatch>,
    slot: Arc<Slot>,
    /// The version that [`Subscription::changed`] has handed out last.
    seen: u64,
    rhythm: Option<Duration>,
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription")
            .field("latest", &self.latest())
            .finish_non_exhaustive()
    }
}

impl Subscription {
    /// The newest observation; `None` while nothing has been seen of the pod.
    #[must_use]
    pub fn latest(&self) -> Option<Arc<PodObservation>> {
        self.slot.latest()
    }

    /// When the newest observation arrived from the cluster: by the watch, by a list, or as the
    /// answer to a look at this pod. Told once for each observation, whoever asks, so that what is
    /// measured from it is not measured twice.
    #[must_use]
    pub fn take_arrival(&self) -> Option<Instant> {
        self.slot.take_arrival()
    }

    /// Waits for an observation that this subscription has not handed out here yet, and gives the
    /// newest. The first call gives what is known already.
    ///
    /// A future that is dropped loses nothing. After the pod is gone nothing more comes.
    pub async fn changed(&mut self) -> Arc<PodObservation> {
        std::future::poll_fn(|context| self.slot.poll_changed(&mut self.seen, context)).await
    }

    /// From now on the cluster itself is looked at this often at least, whatever the watch tells.
    /// One look is for all who wait in the namespace: with ten thousand waiters it is no more
    /// requests, and no more work, than with the most impatient one of them. When `clock` was set
    /// meanwhile, [`Subscription::changed`] tells what is known once more.
    pub fn verify_every(&mut self, every: Duration, clock: &Clock) {
        self.watch.board.add_rhythm(every, clock);
        if let Some(before) = self.rhythm.replace(every) {
            self.watch.board.remove_rhythm(before);
        }
    }

    /// Says that a look at the cluster itself is due. Costs nothing: however many ask, it is one
    /// request in [`WatchSettings::verify_every`].
    pub fn verify(&self) {
        self.watch.board.want_verification();
    }

    /// Why the watch is not open at the moment, in words; verifications go on meanwhile.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.watch.board.trouble()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(every) = self.rhythm {
            self.watch.board.remove_rhythm(every);
        }
        self.watch.board.unregister(&self.slot);
    }
}
