//! The node's own object: what it tells of itself.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::kubelet::shared::Shared;
use super::kubelet::status::seconds;
use super::kubelet::values::capacity;
use super::{loss, machine, scheduler};
use crate::local_cluster::objects::{ObjectError, ObjectKey, Preconditions, Resource};

/// Writes the node's object.
pub(super) fn register(shared: &Shared) -> Result<(), ObjectError> {
    let name = shared.config.name.as_str();
    let key = ObjectKey::cluster(Resource::Node, name);
    let labels = scheduler::node_labels(name);
    let status = node_status(shared);
    if shared.objects.get(&key).is_none() {
        let node = json!({
            "kind": "Node",
            "apiVersion": "v1",
            "metadata": {"name": name, "labels": labels},
            "spec": {},
            "status": status,
        });
        return shared.objects.create(Resource::Node, node).map(drop);
    }
    let updated = shared.objects.update(&key, Preconditions::none(), |node| {
        node["status"] = status;
        loss::unmark(node);
    });
    updated.map(drop)
}

fn node_status(shared: &Shared) -> Value {
    let simulate = shared.config.simulate;
    let capacity = json!({
        "cpu": capacity("cpu", simulate),
        "memory": capacity("memory", simulate),
        "pods": capacity("pods", simulate),
    });
    let now = seconds(Timestamp::now());
    json!({
        "capacity": capacity,
        "allocatable": capacity,
        "conditions": [{
            "type": "Ready",
            "status": "True",
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
            "reason": "KubeletReady",
            "message": shared.grounds.sentence(),
        }],
        "addresses": [
            {"type": "InternalIP", "address": shared.config.address},
            {"type": "Hostname", "address": shared.config.name},
        ],
        "nodeInfo": machine::node_info(),
    })
}
