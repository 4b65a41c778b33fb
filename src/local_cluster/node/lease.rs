//! The node's lease: the sign of life that others look for.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::kubelet::shared::Shared;
use crate::local_cluster::objects::{ObjectError, ObjectKey, Preconditions, Resource, now_micros};

/// Where the leases of nodes are.
const NAMESPACE: &str = "kube-node-lease";
/// How long a lease is good for without being renewed, in seconds.
const DURATION: u64 = 40;
/// Between two renewals: seldom enough to cost nothing, often enough to miss some.
const RENEWAL: Duration = Duration::from_secs(10);

/// Renews the lease of the node for ever, but for the time that the node is lost.
pub(super) async fn keep(shared: Arc<Shared>) {
    let mut orders = shared.loss.subscribe();
    loop {
        let lost = orders.borrow_and_update().is_some();
        if !lost && let Err(error) = renew(&shared) {
            tracing::warn!(%error, "the node's lease could not be renewed");
        }
        tokio::select! {
            () = tokio::time::sleep(RENEWAL) => {}
            _ = orders.changed() => {}
        }
    }
}

/// Renews the lease, or makes it where there is none.
fn renew(shared: &Shared) -> Result<(), ObjectError> {
    let name = shared.config.name.as_str();
    let key = ObjectKey::namespaced(Resource::Lease, NAMESPACE, name);
    let renewed = shared.objects.update(&key, Preconditions::none(), |lease| {
        lease["spec"]["holderIdentity"] = name.into();
        lease["spec"]["leaseDurationSeconds"] = DURATION.into();
        lease["spec"]["renewTime"] = now_micros().into();
    });
    match renewed {
        Ok(_) => Ok(()),
        Err(ObjectError::NotFound(_)) => make(shared, name),
        Err(error) => Err(error),
    }
}

fn make(shared: &Shared, name: &str) -> Result<(), ObjectError> {
    let node = ObjectKey::cluster(Resource::Node, name);
    let Some(node) = shared.objects.get(&node) else {
        // Without a node there is nothing that lives.
        return Ok(());
    };
    let owner = json!({
        "apiVersion": "v1",
        "kind": "Node",
        "name": name,
        "uid": node.text(&["metadata", "uid"]),
    });
    let lease = json!({
        "metadata": {"name": name, "namespace": NAMESPACE, "ownerReferences": [owner]},
        "spec": {
            "holderIdentity": name,
            "leaseDurationSeconds": DURATION,
            "renewTime": now_micros(),
        },
    });
    shared.objects.create(Resource::Lease, lease).map(drop)
}
