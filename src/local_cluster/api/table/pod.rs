//! A pod's row: how many of its containers are ready, and one word on how it is.

use serde_json::{Value, json};

use super::{NONE, age};

/// The cells of a pod.
pub(super) fn cells(pod: &Value) -> Vec<Value> {
    let text = |pointer: &str| {
        pod.pointer(pointer)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    let containers = pod["spec"]["containers"].as_array().map_or(0, Vec::len);
    let sidecars = list(&pod["spec"]["initContainers"])
        .filter(|container| container["restartPolicy"] == "Always")
        .count();
    let statuses = || list(&pod["status"]["containerStatuses"]);
    let is_sidecar = |status: &&Value| is_sidecar(pod, status);
    let sidecar_statuses = || list(&pod["status"]["initContainerStatuses"]).filter(is_sidecar);
    let ready = statuses()
        .chain(sidecar_statuses())
        .filter(|status| status["ready"] == true)
        .count();
    vec![
        json!(text("/metadata/name").unwrap_or_default()),
        json!(format!("{ready}/{}", containers + sidecars)),
        json!(status(pod)),
        json!(restarts(pod)),
        json!(age(text("/metadata/creationTimestamp"))),
        json!(text("/status/podIP").unwrap_or(NONE)),
        json!(text("/spec/nodeName").unwrap_or(NONE)),
        json!(text("/status/nominatedNodeName").unwrap_or(NONE)),
        json!(NONE),
    ]
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn is_sidecar(pod: &Value, status: &Value) -> bool {
    list(&pod["spec"]["initContainers"])
        .any(|one| one["name"] == status["name"] && one["restartPolicy"] == "Always")
}

fn restarts(pod: &Value) -> String {
    let statuses = || {
        list(&pod["status"]["containerStatuses"])
            .chain(list(&pod["status"]["initContainerStatuses"]).filter(|one| is_sidecar(pod, one)))
    };
    let count: i64 = statuses()
        .filter_map(|status| status["restartCount"].as_i64())
        .sum();
    let last = statuses()
        .filter_map(|status| status["lastState"]["terminated"]["finishedAt"].as_str())
        .max();
    match last {
        Some(moment) if count > 0 => format!("{count} ({} ago)", age(Some(moment))),
        Some(_) | None => count.to_string(),
    }
}

/// One word: the phase, or what keeps the pod from getting on.
fn status(pod: &Value) -> String {
    let phase = pod["status"]["phase"].as_str().unwrap_or_default();
    let mut word = pod["status"]["reason"]
        .as_str()
        .filter(|reason| !reason.is_empty())
        .unwrap_or(phase)
        .to_owned();
    if list(&pod["status"]["conditions"]).any(|condition| {
        condition["type"] == "PodScheduled" && condition["reason"] == "SchedulingGated"
    }) {
        word = "SchedulingGated".to_owned();
    }
    match initializing(pod) {
        Some(init) => word = init,
        None => word = container_word(pod, word),
    }
    if pod["metadata"].get("deletionTimestamp").is_some() {
        if pod["status"]["reason"] == "NodeLost" {
            return "Unknown".to_owned();
        }
        if !matches!(phase, "Succeeded" | "Failed") {
            return "Terminating".to_owned();
        }
    }
    word
}

/// What the first init container that is not done has to say.
fn initializing(pod: &Value) -> Option<String> {
    let total = pod["spec"]["initContainers"].as_array().map_or(0, Vec::len);
    for (index, status) in list(&pod["status"]["initContainerStatuses"]).enumerate() {
        let state = &status["state"];
        if state["terminated"]["exitCode"] == 0
            || (is_sidecar(pod, status) && status["started"] == true)
        {
            continue;
        }
        let reason = |value: &Value| {
            value["reason"]
                .as_str()
                .filter(|reason| !reason.is_empty())
                .map(str::to_owned)
        };
        if state["terminated"].is_object() {
            return Some(match reason(&state["terminated"]) {
                Some(reason) => format!("Init:{reason}"),
                None => format!("Init:ExitCode:{}", state["terminated"]["exitCode"]),
            });
        }
        return Some(match reason(&state["waiting"]) {
            Some(reason) if reason != "PodInitializing" => format!("Init:{reason}"),
            Some(_) | None => format!("Init:{index}/{total}"),
        });
    }
    None
}

/// What the containers have to say: the first one in the list has the last word.
fn container_word(pod: &Value, phase: String) -> String {
    let mut word = phase;
    let mut running = false;
    for status in list(&pod["status"]["containerStatuses"])
        .collect::<Vec<_>>()
        .iter()
        .rev()
    {
        let state = &status["state"];
        let reason = |member: &str| {
            state[member]["reason"]
                .as_str()
                .filter(|reason| !reason.is_empty())
        };
        if let Some(reason) = reason("waiting").or_else(|| reason("terminated")) {
            word = reason.to_owned();
        } else if state["terminated"].is_object() {
            word = format!("ExitCode:{}", state["terminated"]["exitCode"]);
        } else if status["ready"] == true && state["running"].is_object() {
            running = true;
        }
    }
    if word == "Completed" && running {
        let ready = list(&pod["status"]["conditions"])
            .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
        return if ready { "Running" } else { "NotReady" }.to_owned();
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(phase: &str, states: Value) -> Value {
        let statuses: Vec<Value> = list(&states)
            .map(|state| json!({"name": "c", "state": state, "ready": state.get("running").is_some()}))
            .collect();
        json!({
            "metadata": {"name": "p"},
            "spec": {"containers": states},
            "status": {"phase": phase, "containerStatuses": statuses},
        })
    }

    #[test]
    fn the_status_is_the_most_telling_word() {
        for (phase, states, word) in [
            ("Pending", json!([]), "Pending"),
            ("Running", json!([{"running": {}}]), "Running"),
            (
                "Pending",
                json!([{"waiting": {"reason": "ErrImagePull"}}]),
                "ErrImagePull",
            ),
            (
                "Succeeded",
                json!([{"terminated": {"exitCode": 0, "reason": "Completed"}}]),
                "Completed",
            ),
            (
                "Running",
                json!([{"running": {}}, {"terminated": {"exitCode": 0, "reason": "Completed"}}]),
                "NotReady",
            ),
        ] {
            assert_eq!(status(&pod(phase, states)), word);
        }
        let mut going = pod("Running", json!([{"running": {}}]));
        going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        assert_eq!(status(&going), "Terminating");
    }
}
