//! Every pod that ever was, as the cluster's watch tells of it.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be; its shared parts too"
)]

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{StreamExt, pin_mut};
use k8s_openapi::api::core::v1::{ContainerState, Pod};
use kube::Api;
use kube::api::{ListParams, WatchEvent, WatchParams};
use tokio::task::JoinHandle;

use super::{Cluster, eventually};

/// What was last seen of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub name: String,
    /// Whose pod it is, as its label says.
    pub task: String,
    /// The attempt that it serves, as its label says.
    pub attempt: String,
    pub phase: String,
    pub gone: bool,
}

/// All that was seen.
#[derive(Default)]
struct Book {
    /// By uid.
    pods: BTreeMap<String, Seen>,
    /// By task and attempt: which pods of it are alive.
    alive: BTreeMap<(String, String), BTreeSet<String>>,
    /// How many pods of one attempt were alive at once, at the most.
    most_alive: usize,
    /// Whose containers have not all ended.
    at_work: BTreeSet<String>,
    /// How many pods were at work at once, at the most.
    most_at_work: usize,
}

type Pages = Arc<Mutex<Book>>;

/// Notes each pod of one `dag_id` from the moment it is opened.
pub struct Diary {
    pages: Pages,
    writer: JoinHandle<()>,
}

impl Drop for Diary {
    fn drop(&mut self) {
        self.writer.abort();
    }
}

impl Diary {
    pub fn open(cluster: &Cluster, dag: &str) -> Self {
        let pages = Pages::default();
        let label = format!("dag_id={dag}");
        let api = cluster.api();
        let params = ListParams::default().labels(&label);
        let list = cluster.runtime.block_on(api.list(&params)).unwrap();
        for pod in &list.items {
            note(&pages, pod, false);
        }
        let version = list.metadata.resource_version.unwrap();
        let writer = cluster
            .runtime
            .spawn(write(api, label, version, pages.clone()));
        Self { pages, writer }
    }

    /// Waits until `is_it` accepts what is known.
    pub fn until(&self, what: &str, is_it: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
        eventually(what, || Some(self.seen()).filter(|seen| is_it(seen)))
    }

    /// Waits until a pod is in a phase; answers its name.
    pub fn until_phase(&self, phase: &str) -> String {
        let found = |seen: &[Seen]| seen.iter().find(|pod| pod.phase == phase).cloned();
        let what = format!("a pod to be {phase}");
        found(&self.until(&what, |seen| found(seen).is_some()))
            .unwrap()
            .name
    }

    /// Waits until there were pods and all are gone; answers every pod that ever was. The watch
    /// tells in order, so that no pod that came before the last one's end can be missing.
    pub fn closed(&self) -> Vec<Seen> {
        self.until("the end of all pods", |seen| {
            !seen.is_empty() && seen.iter().all(|pod| pod.gone)
        })
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.pages.lock().unwrap().pods.values().cloned().collect()
    }

    /// How many pods of one attempt were alive at once, at the most.
    pub fn most_alive(&self) -> usize {
        self.pages.lock().unwrap().most_alive
    }

    /// How many pods were at work at once, at the most: until all their containers have ended.
    #[allow(dead_code, reason = "for the tests of several daemons alone")]
    pub fn most_at_work(&self) -> usize {
        self.pages.lock().unwrap().most_at_work
    }
}

async fn write(api: Api<Pod>, label: String, mut version: String, pages: Pages) {
    // Shorter than the client's own patience with a silent stream.
    let params = WatchParams::default().labels(&label).timeout(60);
    loop {
        match api.watch(&params, &version).await {
            Ok(stream) => {
                pin_mut!(stream);
                while let Some(Ok(event)) = stream.next().await {
                    let (pod, gone) = match event {
                        WatchEvent::Added(pod) | WatchEvent::Modified(pod) => (pod, false),
                        WatchEvent::Deleted(pod) => (pod, true),
                        WatchEvent::Bookmark(bookmark) => {
                            version = bookmark.metadata.resource_version;
                            continue;
                        }
                        WatchEvent::Error(error) => panic!("the watch was refused: {error:?}"),
                    };
                    note(&pages, &pod, gone);
                    version = pod.metadata.resource_version.unwrap();
                }
            }
            Err(error) => eprintln!("the watch broke and is opened again: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn note(pages: &Pages, pod: &Pod, gone: bool) {
    let label = |name: &str| {
        let labels = pod.metadata.labels.as_ref();
        let value = labels.and_then(|labels| labels.get(name).cloned());
        value.unwrap_or_default()
    };
    let seen = Seen {
        name: pod.metadata.name.clone().unwrap(),
        task: label("task_id"),
        attempt: label("try_number"),
        phase: pod
            .status
            .as_ref()
            .and_then(|status| status.phase.clone())
            .unwrap_or_default(),
        gone,
    };
    let uid = pod.metadata.uid.clone().unwrap();
    let is_alive = !gone && !["Succeeded", "Failed"].contains(&&*seen.phase);
    let mut book = pages.lock().unwrap();
    // A pod may be taken over by a later attempt.
    if let Some(before) = book.pods.get(&uid) {
        let attempt = (before.task.clone(), before.attempt.clone());
        if let Entry::Occupied(mut pods) = book.alive.entry(attempt) {
            pods.get_mut().remove(&uid);
            if pods.get().is_empty() {
                pods.remove();
            }
        }
    }
    let mut of_attempt = 0;
    if is_alive {
        let attempt = (seen.task.clone(), seen.attempt.clone());
        let pods = book.alive.entry(attempt).or_default();
        pods.insert(uid.clone());
        of_attempt = pods.len();
    }
    // Its phase may say so a little later, or never when the pod goes first.
    if is_alive && !have_ended(pod) {
        book.at_work.insert(uid.clone());
    } else {
        book.at_work.remove(&uid);
    }
    book.most_alive = book.most_alive.max(of_attempt);
    book.most_at_work = book.most_at_work.max(book.at_work.len());
    book.pods.insert(uid, seen);
}

/// Whether there are containers, and all have ended.
fn have_ended(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    let containers = status.and_then(|status| status.container_statuses.as_deref());
    let containers = containers.unwrap_or_default();
    let ended = |state: &ContainerState| state.terminated.is_some();
    !containers.is_empty()
        && containers
            .iter()
            .all(|container| container.state.as_ref().is_some_and(ended))
}
