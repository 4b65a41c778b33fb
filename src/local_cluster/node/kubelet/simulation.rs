//! All made-up pods of a node: no task and no timer of its own for any of them.
//!
//! Their life is the same as that of real pods, told by the same [`PodState`](super::state); only
//! their containers are entries in a plan of what happens when.

mod pod;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::shared::Shared;
use super::worker::Message;
use crate::local_cluster::objects::{Object, ObjectKey};
use pod::MadeUpPod;

/// Pods whose moment has come that are looked at before others get their turn.
const BATCH: usize = 256;

/// The made-up pods of a node.
pub struct Simulation {
    shared: Arc<Shared>,
    /// By uid.
    pods: HashMap<Arc<str>, Entry>,
    /// When which pod is to be looked at again: once for each pod that waits for a moment.
    due: BTreeSet<(Timestamp, Arc<str>)>,
}

struct Entry {
    pod: Box<MadeUpPod>,
    due: Option<Timestamp>,
}

impl Simulation {
    /// A simulation without pods.
    #[must_use]
    pub fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            pods: HashMap::new(),
            due: BTreeSet::new(),
        }
    }

    /// Whether it has this pod.
    #[must_use]
    pub fn has(&self, uid: &str) -> bool {
        self.pods.contains_key(uid)
    }

    /// The uids of its pods.
    pub fn uids(&self) -> impl Iterator<Item = &str> {
        self.pods.keys().map(AsRef::as_ref)
    }

    /// Takes up a pod that is bound to the node.
    pub fn take_up(&mut self, uid: &str, key: ObjectKey, pod: Object) {
        let uid: Arc<str> = uid.into();
        let mut pod = MadeUpPod::new(&self.shared, Arc::clone(&uid), key, pod);
        let due = pod.live(&self.shared);
        let entry = Entry {
            pod: Box::new(pod),
            due: None,
        };
        self.pods.insert(Arc::clone(&uid), entry);
        self.plan(&uid, due);
    }

    /// Tells a pod what has become of its object.
    pub fn tell(&mut self, uid: &str, message: Message) {
        if let Some(entry) = self.pods.get_mut(uid)
            && entry.pod.take(&self.shared, message)
        {
            let due = entry.pod.live(&self.shared);
            self.plan(uid, due);
        }
    }

    /// Waits until something is due.
    pub async fn wait(&self) {
        match self.due.first() {
            Some((due, _)) => {
                let left = due.duration_since(Timestamp::now());
                tokio::time::sleep(Duration::try_from(left).unwrap_or_default()).await;
            }
            None => std::future::pending().await,
        }
    }

    /// Lets happen what is due.
    pub fn advance(&mut self) {
        let now = Timestamp::now();
        for _ in 0..BATCH {
            let Some((_, uid)) = self.due.first().filter(|(due, _)| *due <= now).cloned() else {
                return;
            };
            let due = match self.pods.get_mut(&uid) {
                Some(entry) => entry.pod.live(&self.shared),
                None => None,
            };
            self.plan(&uid, due);
        }
    }

    /// Forgets all pods.
    pub fn clear(&mut self) {
        self.pods.clear();
        self.due.clear();
    }

    /// Notes when the pod is to be looked at again, and lets go of one that is gone.
    fn plan(&mut self, uid: &str, due: Option<Timestamp>) {
        let Some((uid, _)) = self.pods.get_key_value(uid) else {
            return;
        };
        let uid = Arc::clone(uid);
        let Some(entry) = self.pods.get_mut(&uid) else {
            return;
        };
        let former = std::mem::replace(&mut entry.due, due);
        if let Some(former) = former.filter(|former| Some(*former) != due) {
            self.due.remove(&(former, Arc::clone(&uid)));
        }
        if entry.pod.is_over() {
            self.pods.remove(&uid);
        } else if let Some(due) = due.filter(|due| Some(*due) != former) {
            self.due.insert((due, uid));
        }
    }
}
