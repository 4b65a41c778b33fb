//! A node that is lost: nothing is heard from it, and nobody reaches it.
//!
//! Its containers run on. Once it is back it is as a server that was started again: it takes up
//! the containers of the pods that are still there and ends the others.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch::Receiver;
use tokio::time::Instant;

use super::kubelet::intake::is_final;
use super::kubelet::shared::Shared;
use super::kubelet::status::seconds;
use super::logs::LogStream;
use super::scheduler::{self, Scheduler};
use crate::local_cluster::objects::{EventKind, ObjectError, ObjectKey, Preconditions, Resource};

/// What keeps pods away from a lost node.
const TAINT: &str = "node.kubernetes.io/unreachable";
/// Before a watch that fell behind is begun anew.
const PAUSE: Duration = Duration::from_millis(100);

/// How a node is lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Loss {
    /// After so long its pods are taken away; none if they stay.
    pub gone_after: Option<Duration>,
    /// After so long it is back; none if it stays away.
    pub back_after: Option<Duration>,
}

/// Tells what the cluster sees of the lost node until it is back, or lost in another way.
pub(super) async fn live_without(
    shared: &Arc<Shared>,
    loss: Loss,
    orders: &mut Receiver<Option<Loss>>,
) {
    let since = Instant::now();
    if let Err(error) = mark_node(shared).and_then(|()| mark_pods(shared)) {
        tracing::error!(%error, "the loss of the node could not be told");
    }
    let gone = at(loss.gone_after.map(|after| since + after));
    let back = at(loss.back_after.map(|after| since + after));
    let mut gone = std::pin::pin!(gone);
    let mut back = std::pin::pin!(back);
    let mut took_away = false;
    loop {
        tokio::select! {
            () = refuse_pods(shared) => tokio::time::sleep(PAUSE).await,
            () = gone.as_mut(), if !took_away => {
                took_away = true;
                take_pods_away(shared);
            }
            () = back.as_mut() => {
                shared.loss.send_replace(None);
                return;
            }
            _ = orders.changed() => return,
        }
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Tells new pods that there is no node for them, until the watch has fallen behind.
async fn refuse_pods(shared: &Arc<Shared>) {
    let mut scheduler = Scheduler::without_node(Arc::clone(shared));
    let (pods, version) = shared.objects.list(Resource::Pod, None);
    // One after the other: what is looked at has a tree, and there may be very many.
    for pod in pods {
        if scheduler::is_unscheduled(&pod) {
            scheduler.schedule(&pod);
        }
    }
    let Ok(mut watch) = shared.objects.watch(Resource::Pod, Some(version)) else {
        return;
    };
    while let Some(event) = watch.next().await {
        if event.kind != EventKind::Deleted && scheduler::is_unscheduled(&event.object) {
            scheduler.schedule(&event.object);
        }
    }
}

fn mark_node(shared: &Shared) -> Result<(), ObjectError> {
    let key = ObjectKey::cluster(Resource::Node, &shared.config.name);
    let now = seconds(Timestamp::now());
    let marked = shared.objects.update(&key, Preconditions::none(), |node| {
        for condition in node["status"]["conditions"]
            .as_array_mut()
            .into_iter()
            .flatten()
        {
            condition["status"] = "Unknown".into();
            condition["reason"] = "NodeStatusUnknown".into();
            condition["message"] = "Nothing is heard from the node.".into();
            condition["lastTransitionTime"] = now.clone();
        }
        node["spec"]["taints"] = ["NoSchedule", "NoExecute"]
            .map(|effect| json!({"key": TAINT, "effect": effect, "timeAdded": now}))
            .to_vec()
            .into();
    });
    marked.map(drop)
}

/// Takes back what a loss has written into the node's object.
pub(super) fn unmark(node: &mut Value) {
    if let Some(spec) = node["spec"].as_object_mut() {
        let taints = spec.get_mut("taints").and_then(Value::as_array_mut);
        let left = taints.map(|taints| {
            taints.retain(|taint| taint["key"] != TAINT);
            taints.len()
        });
        if left == Some(0) {
            spec.shift_remove("taints");
        }
    }
}

fn mark_pods(shared: &Shared) -> Result<(), ObjectError> {
    let now = seconds(Timestamp::now());
    let node = shared.config.name.as_str();
    for key in pods_of(shared) {
        let marked = shared.objects.update(&key, Preconditions::none(), |pod| {
            if is_final(pod) {
                return;
            }
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            let message = format!("nothing is heard from node {node}, on which pod {name} ran");
            let status = &mut pod["status"];
            status["phase"] = "Unknown".into();
            status["reason"] = "NodeLost".into();
            status["message"] = message.into();
            let conditions = status["conditions"].as_array_mut().into_iter().flatten();
            for ready in conditions.filter(|one| one["type"] == "Ready") {
                if ready["status"] != "False" {
                    ready["status"] = "False".into();
                    ready["lastTransitionTime"] = now.clone();
                }
            }
        });
        skip_absent(marked.map(drop))?;
    }
    Ok(())
}

/// The pods of a lost node go without a word from it.
fn take_pods_away(shared: &Shared) {
    let now = seconds(Timestamp::now());
    for key in pods_of(shared) {
        let marked = shared.objects.update(&key, Preconditions::none(), |pod| {
            pod["metadata"]["deletionTimestamp"] = now.clone();
            pod["metadata"]["deletionGracePeriodSeconds"] = 0.into();
        });
        let removed = marked.and_then(|_| shared.objects.remove(&key, Preconditions::none()));
        if let Err(error) = skip_absent(removed.map(drop)) {
            tracing::error!(%error, "a pod of the lost node could not be removed");
        }
    }
}

fn pods_of(shared: &Shared) -> Vec<ObjectKey> {
    let (pods, _) = shared.objects.list(Resource::Pod, None);
    let node = shared.config.name.as_str();
    pods.iter()
        .filter(|pod| pod.text(&["spec", "nodeName"]).as_deref() == Some(node))
        .filter_map(|pod| pod.key(Resource::Pod))
        .collect()
}

/// A pod that has just gone by itself is as good.
fn skip_absent(result: Result<(), ObjectError>) -> Result<(), ObjectError> {
    match result {
        Err(ObjectError::NotFound(_)) => Ok(()),
        other => other,
    }
}

/// The same stream, which breaks when the node is lost.
pub(super) fn broken_by_loss(shared: &Shared, log: LogStream) -> LogStream {
    let orders = shared.loss.subscribe();
    stream::unfold(Some((log, orders)), |state| async move {
        let (mut log, mut orders) = state?;
        tokio::select! {
            piece = log.next() => piece.map(|piece| (piece, Some((log, orders)))),
            () = lost(&mut orders) => {
                let why = "the node is lost";
                let broken: io::Result<Bytes> =
                    Err(io::Error::new(io::ErrorKind::ConnectionReset, why));
                Some((broken, None))
            }
        }
    })
    .boxed()
}

/// Comes to its end when the node is lost.
pub(super) async fn lost(orders: &mut Receiver<Option<Loss>>) {
    if orders.wait_for(Option::is_some).await.is_err() {
        // The node is let go of; nothing is going to be lost any more.
        std::future::pending().await
    }
}
