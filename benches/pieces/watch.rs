//! From a line of a watch to what it means for the task that waits.

use adjourn::pod::observe::{PodObservation, judge, observe};
use adjourn::pod::watch::observation_in;
use adjourn::trigger::pod::{FirstSeen, PodTerms, decide};
use chrono::{DateTime, TimeDelta};
use divan::counter::BytesCount;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

/// A pod of a usual size as a real API server tells it while it runs.
fn pod() -> Value {
    let managed: Vec<Value> = (0..2)
        .map(|_| {
            json!({
                "manager": "kubelet", "operation": "Update", "apiVersion": "v1",
                "time": "2026-11-24T08:53:24Z", "fieldsType": "FieldsV1",
                "fieldsV1": {"f:status": {"f:conditions": {"k:{\"type\":\"Ready\"}": {
                    ".": {}, "f:lastProbeTime": {}, "f:lastTransitionTime": {},
                    "f:status": {}, "f:type": {},
                }}, "f:containerStatuses": {}, "f:phase": {}, "f:podIP": {}}},
            })
        })
        .collect();
    let condition = |kind: &str| {
        json!({
            "type": kind, "status": "True", "lastProbeTime": null,
            "lastTransitionTime": "2026-11-24T08:53:24Z", "observedGeneration": 1,
        })
    };
    let conditions: Vec<Value> = ["Initialized", "Ready", "ContainersReady", "PodScheduled"]
        .into_iter()
        .map(condition)
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "nightly-report-7c9e6679", "namespace": "jobs",
            "uid": "7c9e6679-7425-40de-944b-e07fc1f90ae7", "resourceVersion": "184467",
            "creationTimestamp": "2026-11-24T08:53:20Z",
            "labels": {"adjourn_installation": "us", "dag_id": "nightly", "task_id": "report"},
            "managedFields": managed,
        },
        "spec": {
            "nodeName": "pool-a-node-17.example.internal", "restartPolicy": "Never",
            "serviceAccountName": "default", "tolerations": [],
            "containers": [{
                "name": "base", "image": "registry.example.internal/team/report:2026-11-24",
                "command": ["report"], "args": ["--day", "2026-11-24"],
                "env": [{"name": "DAY", "value": "2026-11-24"}],
                "resources": {"requests": {"cpu": "1", "memory": "2Gi"}},
            }],
        },
        "status": {
            "phase": "Running", "startTime": "2026-11-24T08:53:20Z", "podIP": "10.1.2.3",
            "conditions": conditions,
            "containerStatuses": [{
                "name": "base", "image": "registry.example.internal/team/report:2026-11-24",
                "imageID": "registry.example.internal/team/report@sha256:0f1e",
                "ready": true, "started": true, "restartCount": 0, "lastState": {},
                "state": {"running": {"startedAt": "2026-11-24T08:53:24Z"}},
                "containerID": "containerd://7c9e667974257c9e667974257c9e66797425",
            }],
        },
    })
}

fn line() -> Vec<u8> {
    json!({"type": "MODIFIED", "object": pod()})
        .to_string()
        .into_bytes()
}

fn observation() -> PodObservation {
    observation_in(&line())
        .ok()
        .flatten()
        .unwrap_or_else(|| panic!("the line shows no pod"))
}

#[divan::bench]
fn decode_watch_event(bencher: divan::Bencher<'_, '_>) {
    let line = line();
    bencher
        .counter(BytesCount::new(line.len()))
        .bench(|| observation_in(&line));
}

#[divan::bench]
fn observe_pod(bencher: divan::Bencher<'_, '_>) {
    let pod: Pod = serde_json::from_value(pod()).unwrap_or_else(|error| panic!("{error}"));
    bencher.bench(|| observe(&pod));
}

#[divan::bench]
fn judge_observation(bencher: divan::Bencher<'_, '_>) {
    let seen = observation();
    bencher.bench(|| judge(divan::black_box(&seen), "base"));
}

#[divan::bench]
fn decide_trigger(bencher: divan::Bencher<'_, '_>) {
    let seen = observation();
    let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
    let terms = PodTerms {
        base_container: "base".to_owned(),
        poll_interval_seconds: 2.0,
        logging_interval_seconds: Some(60.0),
        next_log_at: Some(now + TimeDelta::days(1_000)),
        schedule_by: now,
        schedule_timeout_seconds: 120.0,
        startup_timeout_seconds: 120.0,
    };
    bencher.bench(|| decide(&terms, FirstSeen::default(), divan::black_box(&seen), now));
}
