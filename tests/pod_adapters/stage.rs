//! Pods to put on the stage.

use adjourn::task::pods::PodIdentity;
use serde_json::{Value, json};

/// A pod of ours in that phase, whose base container is in that state.
pub fn a_pod(name: &str, phase: &str, state: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": "jobs", "uid": format!("uid-of-{name}"),
            "labels": {"owner": "us"},
        },
        "spec": {
            "nodeName": "node1", "restartPolicy": "Never",
            "containers": [{"name": "base", "image": "busybox"}],
        },
        "status": {
            "phase": phase, "startTime": "2026-11-24T08:53:20Z",
            "containerStatuses": [{
                "name": "base", "image": "busybox", "imageID": "", "ready": false,
                "restartCount": 0, "state": state, "lastState": {},
                "containerID": format!("containerd://{name}"),
            }],
        },
    })
}

pub fn running() -> Value {
    json!({"running": {"startedAt": "2026-11-24T08:53:24Z"}})
}

pub fn ended(exit_code: i32) -> Value {
    json!({"terminated": {
        "exitCode": exit_code, "reason": if exit_code == 0 { "Completed" } else { "Error" },
        "startedAt": "2026-11-24T08:53:24Z", "finishedAt": "2026-11-24T08:53:26Z",
    }})
}

pub fn identity(name: &str) -> PodIdentity {
    PodIdentity {
        namespace: "jobs".into(),
        name: name.into(),
        uid: format!("uid-of-{name}"),
    }
}
