//! What can be made to happen to the node and its pods, as clients see it.

use std::time::Duration;

use futures::{AsyncReadExt, TryStreamExt};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, AttachParams, DeleteParams, LogParams, PostParams, WatchEvent, WatchParams};
use serde_json::json;

use crate::cluster::{Cluster, PATIENCE, phase, pod, until, until_up};
use crate::faults::{cluster, order, order_with};
use crate::process::processes_with;

/// Says `up`, and a word for each signal of its kind.
const TALKS: &str = "trap 'echo more' USR1; echo up; while true; do sleep 0.05; done";

async fn talking(client: &kube::Client, name: &str) -> Api<Pod> {
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    pods.create(&PostParams::default(), &pod(name, TALKS))
        .await
        .unwrap();
    until_up(&pods, name).await;
    pods
}

async fn nudge(pods: &Api<Pod>, name: &str) {
    let params = AttachParams::default().stdout(true).stderr(false);
    let command = ["sh", "-c", "kill -USR1 1"];
    let mut process = pods.exec(name, command, &params).await.unwrap();
    let status = process.take_status().unwrap().await.unwrap();
    assert_eq!(status.status.as_deref(), Some("Success"));
}

fn code(error: kube::Error) -> u16 {
    match error {
        kube::Error::Api(status) => status.code,
        other => panic!("not an answer of the API: {other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_log_is_whole_only_for_who_follows_it() {
    let (_cluster, client) = cluster().await;
    let pods = talking(&client, "a").await;
    let follow = LogParams {
        follow: true,
        ..LogParams::default()
    };
    let mut followed = Box::pin(pods.log_stream("a", &follow).await.unwrap());
    let mut text = [0; 8];
    followed.read_exact(&mut text[..3]).await.unwrap();
    for _ in 0..2 {
        let orders = json!({"rotate_logs": [{"pod": "a"}]});
        assert_eq!(order_with("POST", &client, orders).await, 200);
        let served = pods.logs("a", &LogParams::default()).await.unwrap();
        assert_eq!(served, "");
    }
    nudge(&pods, "a").await;
    let read = followed.read_exact(&mut text[3..]);
    tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
    assert_eq!(&text, b"up\nmore\n");
    let served = pods.logs("a", &LogParams::default()).await.unwrap();
    assert_eq!(served, "more\n");

    for (wrong, told) in [
        (json!({"rotate_logs": [{"pod": "absent"}]}), 404),
        (
            json!({"rotate_logs": [{"pod": "a", "container": "x"}]}),
            400,
        ),
        (json!({"rotate_log": []}), 400),
    ] {
        assert_eq!(order_with("POST", &client, wrong).await, told);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_node_is_not_reached_and_takes_up_its_pods_when_it_is_back() {
    let (_cluster, client) = cluster().await;
    let pods = talking(&client, "a").await;
    let before = until(&pods, "a", |pod| phase(pod) == "Running").await;
    let follow = LogParams {
        follow: true,
        ..LogParams::default()
    };
    let mut followed = Box::pin(pods.log_stream("a", &follow).await.unwrap());
    assert_eq!(order(&client, json!({"lose_node": {}})).await, 200);

    let unknown = until(&pods, "a", |pod| phase(pod) == "Unknown").await;
    let status = unknown.status.unwrap();
    assert_eq!(status.reason.as_deref(), Some("NodeLost"));
    let nodes: Api<Node> = Api::all(client.clone());
    let ready = |node: Node| node.status.unwrap().conditions.unwrap()[0].status.clone();
    assert_eq!(ready(nodes.get("local").await.unwrap()), "Unknown");
    assert_eq!(code(pods.logs("a", &follow).await.unwrap_err()), 500);
    let params = AttachParams::default().stdout(true).stderr(false);
    let refused = pods.exec("a", ["true"], &params).await;
    assert!(refused.is_err());
    let mut rest = String::new();
    let cut = followed.read_to_string(&mut rest);
    let cut = tokio::time::timeout(PATIENCE, cut).await.unwrap();
    assert!(
        cut.is_err(),
        "the log has ended as if all had been said: {rest}"
    );
    pods.create(&PostParams::default(), &pod("b", "true"))
        .await
        .unwrap();
    until(&pods, "b", |pod| {
        let conditions = pod.status.as_ref().and_then(|one| one.conditions.clone());
        let reasons = conditions.into_iter().flatten().map(|one| one.reason);
        reasons.flatten().any(|reason| reason == "Unschedulable")
    })
    .await;

    assert_eq!(order_with("DELETE", &client, json!({})).await, 200);
    let back = until(&pods, "a", |pod| phase(pod) == "Running").await;
    assert_eq!(ready(nodes.get("local").await.unwrap()), "True");
    assert_eq!(nodes.get("local").await.unwrap().spec.unwrap().taints, None);
    let id = |pod: &Pod| {
        let statuses = pod.status.as_ref().unwrap().container_statuses.as_ref();
        statuses.unwrap()[0].container_id.clone()
    };
    assert_eq!(id(&back), id(&before));
    assert_eq!(back.status.unwrap().reason, None);
    nudge(&pods, "a").await;
    until(&pods, "b", |pod| phase(pod) == "Succeeded").await;
    let mut followed = Box::pin(pods.log_stream("a", &follow).await.unwrap());
    let mut text = [0; 8];
    let read = followed.read_exact(&mut text);
    tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
    assert_eq!(&text, b"up\nmore\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pods_of_a_node_that_stays_lost_are_gone_and_so_are_their_processes_once_it_is_back() {
    let (cluster, client) = cluster().await;
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let mark = format!("lost-{}", cluster.info.pid);
    let script = format!("echo up; sleep 1000; : {mark}");
    pods.create(&PostParams::default(), &pod("a", &script))
        .await
        .unwrap();
    until_up(&pods, "a").await;
    let running = until(&pods, "a", |pod| phase(pod) == "Running").await;
    let version = running.metadata.resource_version.unwrap();
    let loss = json!({"lose_node": {"gone_after_millis": 1}});
    assert_eq!(order(&client, loss).await, 200);
    let params = WatchParams::default().timeout(60);
    let mut watched = Box::pin(pods.watch(&params, &version).await.unwrap());
    let mut phases = Vec::new();
    while let Some(event) = watched.try_next().await.unwrap() {
        match event {
            WatchEvent::Modified(pod) => phases.push(phase(&pod)),
            WatchEvent::Deleted(pod) => {
                phases.push(phase(&pod));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    phases.dedup();
    assert_eq!(phases, ["Unknown"]);
    assert_eq!(processes_with(&mark).unwrap(), 1);
    assert_eq!(order(&client, json!({})).await, 200);
    let ended = async {
        while processes_with(&mark).unwrap() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_node_keeps_the_pods_that_are_to_go_until_it_is_back() {
    let (_cluster, client) = cluster().await;
    let pods = talking(&client, "a").await;
    let version = pods.get("a").await.unwrap().metadata.resource_version;
    let loss = json!({"lose_node": {"back_after_millis": 300}});
    assert_eq!(order(&client, loss).await, 200);
    pods.delete("a", &DeleteParams::default()).await.unwrap();
    assert!(pods.get("a").await.is_ok());
    let params = WatchParams::default().timeout(60);
    let mut watched = Box::pin(pods.watch(&params, &version.unwrap()).await.unwrap());
    let gone = async {
        while let Some(event) = watched.try_next().await.unwrap() {
            if matches!(event, WatchEvent::Deleted(_)) {
                return;
            }
        }
        panic!("the pod is still there");
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_evicted_pod_has_failed_and_stays() {
    let (_cluster, client) = cluster().await;
    let pods = talking(&client, "a").await;
    let orders = json!({"evict_pods": [{"pod": "a"}]});
    assert_eq!(order(&client, orders).await, 200);
    let evicted = until(&pods, "a", |pod| phase(pod) == "Failed").await;
    let status = evicted.status.unwrap();
    assert_eq!(status.reason.as_deref(), Some("Evicted"));
    let state = status.container_statuses.unwrap()[0].state.clone().unwrap();
    assert_eq!(state.terminated.unwrap().exit_code, 137);
    let conditions = status.conditions.unwrap();
    let target = conditions
        .iter()
        .find(|one| one.type_ == "DisruptionTarget");
    assert_eq!(
        target.unwrap().reason.as_deref(),
        Some("TerminationByKubelet")
    );
}

#[test]
fn orders_are_given_and_shown_on_the_command_line() {
    let cluster = Cluster::start_with(&crate::faults::allowed());
    let said = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_adjourn"))
            .env("ADJOURN_LOCAL_CLUSTER_DIR", cluster.dir.path())
            .args(["cluster", "fault"])
            .args(arguments)
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.code().unwrap(),
            String::from_utf8(text).unwrap(),
        )
    };
    let nothing = (0, "nothing is made to fail\n".to_owned());
    assert_eq!(said(&["list"]), nothing);
    let refusing = [
        "status",
        "429",
        "--retry-after",
        "7",
        "--verbs",
        "create,list",
    ];
    let rule = "{\"status\":{\"code\":429,\"retry_after\":7}} verbs=[\"create\",\"list\"]\n";
    assert_eq!(said(&refusing), (0, rule.to_owned()));
    let both = format!("{rule}{{\"delay_millis\":1500}} path=\"/pods\" times=3 share=0.5\n");
    let delay = [
        "delay", "1.5s", "--path", "/pods", "--times", "3", "--share", "0.5",
    ];
    assert_eq!(said(&delay), (0, both));
    let lost = said(&["lose-node", "--back-after", "1h"]);
    assert!(
        lost.1
            .contains("the node is lost {\"back_after_millis\":3600000}"),
        "{lost:?}"
    );
    let absent = said(&["evict", "absent"]);
    assert_eq!(absent.0, 3, "{absent:?}");
    let wrong = said(&["status", "200"]);
    assert_eq!(wrong.0, 2, "{wrong:?}");
    assert!(wrong.1.contains("from 400 to 599"), "{wrong:?}");
    assert_eq!(said(&["clear"]), nothing);
}
