//! The hub, and what a waiter holds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::task::JoinSet;

use super::board::{Board, Slot};
use super::counts::{Counters, WatchCounts};
use super::session::Session;
use super::verify::Verifier;
use crate::pod::client::ClusterClient;
use crate::pod::observe::PodObservation;
use crate::task::pods::PodIdentity;

/// How a watch is kept alive.
#[derive(Debug, Clone)]
pub struct WatchSettings {
    /// A watch that shows neither event nor bookmark for so long is opened again.
    pub silence: Duration,
    /// A server that is silent for so long at the beginning of a first watch, before it has told
    /// all that is there, cannot do that; it is asked for a list instead.
    pub first_silence: Duration,
    /// The shortest time between two verifications of one namespace.
    pub verify_every: Duration,
    /// How long the watch may take to show a pod that somebody waits for, before it is asked for
    /// by name.
    pub unseen_after: Duration,
    /// The shortest wait after a failure; it doubles with each.
    pub shortest_wait: Duration,
    /// The longest wait after a failure.
    pub longest_wait: Duration,
    /// After so long the whole list is read again, whatever the watch says: the last resort
    /// against a server whose versions went back.
    pub relist_every: Duration,
    /// How long the server is asked to keep one watch open.
    pub server_timeout: Duration,
}

impl Default for WatchSettings {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(90),
            first_silence: Duration::from_secs(30),
            verify_every: Duration::from_secs(1),
            unseen_after: Duration::from_secs(3),
            shortest_wait: Duration::from_millis(250),
            longest_wait: Duration::from_secs(30),
            relist_every: Duration::from_secs(30 * 60),
            server_timeout: Duration::from_secs(290),
        }
    }
}

/// Shares one watch per cluster and namespace. Cheap to clone; all clones are the same hub.
#[derive(Clone)]
pub struct PodWatchHub {
    inner: Arc<HubInner>,
}

struct HubInner {
    selector: String,
    settings: WatchSettings,
    counters: Arc<Counters>,
    watches: Mutex<HashMap<WatchKey, Weak<NamespaceWatch>>>,
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
        let watch = self.watch(client, &identity.namespace);
        let slot = watch.board.register(identity);
        Subscription {
            watch,
            slot,
            seen: 0,
        }
    }

    fn watch(&self, client: &ClusterClient, namespace: &str) -> Arc<NamespaceWatch> {
        let key = (client.id(), namespace.to_owned());
        let mut watches = self.inner.lock();
        if let Some(watch) = watches.get(&key).and_then(Weak::upgrade) {
            return watch;
        }
        let board = Arc::new(Board::default());
        let mut tasks = JoinSet::new();
        let session = Session::new(
            client.clone(),
            namespace.to_owned(),
            self.inner.selector.clone(),
            self.inner.settings.clone(),
            Arc::clone(&board),
            Arc::clone(&self.inner.counters),
        );
        tasks.spawn(Verifier::new(&session).run());
        tasks.spawn(session.run());
        let watch = Arc::new(NamespaceWatch {
            key: key.clone(),
            hub: Arc::downgrade(&self.inner),
            board,
            _tasks: tasks,
        });
        watches.insert(key, Arc::downgrade(&watch));
        watch
    }

    /// What the hub has done so far.
    #[must_use]
    pub fn counts(&self) -> WatchCounts {
        self.inner.counters.snapshot()
    }

    /// How many watches there are.
    #[must_use]
    pub fn watches(&self) -> usize {
        self.inner
            .lock()
            .values()
            .filter(|watch| watch.strong_count() > 0)
            .count()
    }

    /// How many pods are kept in memory, waited for or not.
    #[must_use]
    pub fn pods(&self) -> usize {
        // Collected first: the last owner of a watch takes the lock again when it is dropped.
        let watches: Vec<_> = self
            .inner
            .lock()
            .values()
            .filter_map(Weak::upgrade)
            .collect();
        watches.iter().map(|watch| watch.board.len()).sum()
    }
}

impl HubInner {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<WatchKey, Weak<NamespaceWatch>>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One namespace's watch, owned by its subscriptions.
struct NamespaceWatch {
    key: WatchKey,
    hub: Weak<HubInner>,
    board: Arc<Board>,
    /// Aborted when dropped.
    _tasks: JoinSet<()>,
}

impl Drop for NamespaceWatch {
    fn drop(&mut self) {
        let Some(hub) = self.hub.upgrade() else {
            return;
        };
        let mut watches = hub.lock();
        // A new watch may have taken the place already.
        if watches
            .get(&self.key)
            .is_some_and(|watch| watch.strong_count() == 0)
        {
            watches.remove(&self.key);
        }
    }
}

/// One waiter's view of its pod.
pub struct Subscription {
    watch: Arc<NamespaceWatch>,
    slot: Arc<Slot>,
    /// The version that [`Subscription::changed`] has handed out last.
    seen: u64,
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
        self.slot.latest().1
    }

    /// Waits for an observation that this subscription has not handed out here yet, and gives the
    /// newest. The first call gives what is known already.
    ///
    /// A future that is dropped loses nothing. After the pod is gone nothing more comes.
    pub async fn changed(&mut self) -> Arc<PodObservation> {
        loop {
            let changed = self.slot.changed.notified();
            tokio::pin!(changed);
            // Waits from here on, so that a change between the look and the wait is not missed.
            changed.as_mut().enable();
            let (version, latest) = self.slot.latest();
            if let Some(latest) = latest
                && version > self.seen
            {
                self.seen = version;
                return latest;
            }
            changed.await;
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
        self.watch.board.unregister(&self.slot);
    }
}
