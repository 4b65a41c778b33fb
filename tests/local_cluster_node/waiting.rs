//! Pods that cannot start, or not yet.

use std::time::Duration;

use adjourn::local_cluster::node::LogOptions;
use adjourn::local_cluster::objects::Resource;
use serde_json::json;

use crate::bench::{Bench, log, never};

#[tokio::test]
async fn configuration_comes_from_the_store_and_may_come_late() {
    let bench = Bench::start().await;
    let mut events = bench.watch();
    bench.create(
        "configured",
        json!({
            "restartPolicy": "Never",
            "volumes": [{"name": "v", "secret": {"secretName": "late"}}],
            "containers": [{
                "name": "base", "image": "busybox",
                "command": ["sh", "-c", "echo $A $B $POD $(C); cat /secret/key; touch /secret/no 2>/dev/null || echo read-only"],
                "env": [
                    {"name": "A", "value": "1"},
                    {"name": "B", "value": "$(A)2"},
                    {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "map", "key": "c"}}},
                    {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                ],
                "volumeMounts": [{"name": "v", "mountPath": "/secret"}],
            }],
        }),
    );
    let meta = |name: &str| json!({"name": name, "namespace": "test"});
    await_event(&bench, "configured", "FailedMount").await;
    assert_eq!(bench.get("configured")["status"]["phase"], "Pending");
    let secret = json!({"kind": "Secret", "apiVersion": "v1", "metadata": meta("late"), "data": {"key": "dmFsdWUK"}});
    bench.objects.create(Resource::Secret, secret).unwrap();
    let waiting =
        |pod: &serde_json::Value| pod["status"]["containerStatuses"][0]["state"]["waiting"].clone();
    let seen = events
        .until("configured", |_, pod| {
            waiting(pod)["reason"] == "CreateContainerConfigError"
        })
        .await;
    assert_eq!(
        waiting(seen.last().unwrap())["message"],
        "configmap \"map\" not found"
    );
    let refused = log(&bench, "configured", LogOptions::default())
        .await
        .unwrap_err();
    assert_eq!(
        refused.message,
        "container \"base\" in pod \"configured\" is waiting to start: CreateContainerConfigError"
    );
    let map = json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": meta("map"), "data": {"c": "3"}});
    bench.objects.create(Resource::ConfigMap, map).unwrap();
    events.until_phase("configured", "Succeeded").await;
    assert_eq!(
        log(&bench, "configured", LogOptions::default())
            .await
            .unwrap(),
        "1 12 configured 3\nvalue\nread-only\n"
    );
    bench.stop().await;
}

#[tokio::test]
async fn images_that_do_not_exist_keep_the_pod_waiting() {
    let bench = Bench::with(|config| config.images = vec!["busybox*".to_owned()]).await;
    let mut events = bench.watch();
    for (name, image, policy, reason) in [
        (
            "missing",
            "registry.example/nope:1",
            "IfNotPresent",
            "ErrImagePull",
        ),
        (
            "never",
            "registry.example/nope:1",
            "Never",
            "ErrImageNeverPull",
        ),
        (
            "invalid",
            "BAD//Name:::",
            "IfNotPresent",
            "InvalidImageName",
        ),
    ] {
        let mut spec = never(&["true"]);
        spec["containers"][0]["image"] = json!(image);
        spec["containers"][0]["imagePullPolicy"] = json!(policy);
        bench.create(name, spec);
        let is_it = |pod: &serde_json::Value| {
            pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == reason
        };
        events.until(name, |_, pod| is_it(pod)).await;
    }
    let refused = log(&bench, "missing", LogOptions::default())
        .await
        .unwrap_err();
    assert_eq!(refused.status, 400);
    assert!(
        refused
            .message
            .ends_with("waiting to start: trying and failing to pull image")
    );
    bench.create("present", never(&["true"]));
    events.until_phase("present", "Succeeded").await;
    bench.stop().await;
}

#[tokio::test]
async fn a_pod_that_fits_nowhere_waits_and_is_bound_when_room_is_made() {
    let bench = Bench::start().await;
    let mut events = bench.watch();
    let cores = std::thread::available_parallelism().unwrap().get();
    let asking = |command: &str| {
        let mut spec = never(&["sh", "-c", command]);
        spec["containers"][0]["resources"] = json!({"requests": {"cpu": cores.to_string()}});
        spec
    };
    bench.create("big", asking("sleep 1"));
    events.until_phase("big", "Running").await;
    bench.create("next", asking("true"));
    let unscheduled =
        |pod: &serde_json::Value| pod["status"]["conditions"][0]["reason"] == "Unschedulable";
    let pod = events
        .until("next", |_, pod| unscheduled(pod))
        .await
        .pop()
        .unwrap();
    assert!(
        pod["status"]["conditions"][0]["message"]
            .as_str()
            .unwrap()
            .starts_with("0/1 nodes are available: 1 Insufficient cpu.")
    );
    let refused = log(&bench, "next", LogOptions::default())
        .await
        .unwrap_err();
    assert_eq!((refused.status, refused.message.as_str()), (204, ""));
    events.until_phase("next", "Succeeded").await;
    bench.stop().await;
}

async fn await_event(bench: &Bench, name: &str, reason: &str) {
    let mut watch = bench.objects.watch(Resource::Event, Some(0)).unwrap();
    let found = async {
        loop {
            let event = watch.next().await.unwrap().object;
            if event["involvedObject"]["name"] == name && event["reason"] == reason {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), found)
        .await
        .unwrap();
}
