//! How the local cluster carries many pods: creates simulated pods through the API, waits until
//! all have ended, deletes them, and prints how long that took and how much memory a pod takes.
//!
//! `cargo bench --bench cluster_pods -- 20000`

#![allow(clippy::unwrap_used, reason = "a bench ends by panicking")]

use std::collections::HashSet;
use std::time::Instant;

use adjourn::local_cluster::process::{ClusterDir, StartOptions, start, stop};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, ListParams, PostParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;

const CLIENTS: usize = 32;

/// The cluster, stopped when the bench ends, however it ends.
struct Running(ClusterDir);

impl Drop for Running {
    fn drop(&mut self) {
        if let Err(error) = stop(&self.0) {
            eprintln!("{error}");
        }
    }
}

fn main() {
    let pods = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(20_000);
    tokio::runtime::Runtime::new().unwrap().block_on(run(pods));
}

async fn run(count: usize) {
    let temp = tempfile::tempdir().unwrap();
    let running = Running(ClusterDir::new(temp.path().join("cluster")));
    let mut options = StartOptions::new(env!("CARGO_BIN_EXE_adjourn"));
    options.settings.simulate = true;
    let info = start(&running.0, &options).unwrap();
    let kubeconfig = Kubeconfig::read_from(&info.kubeconfig).unwrap();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .unwrap();
    let client = kube::Client::try_from(config).unwrap();
    let pods: Api<Pod> = Api::default_namespaced(client);
    let before = resident(info.pid);
    let version = pods
        .list(&ListParams::default().limit(1))
        .await
        .unwrap()
        .metadata
        .resource_version
        .unwrap();

    let begun = Instant::now();
    let creating = async {
        stream::iter(0..count)
            .map(|number| create(&pods, number))
            .buffer_unordered(CLIENTS)
            .collect::<Vec<()>>()
            .await;
        begun.elapsed()
    };
    let (created, ()) = tokio::join!(creating, all_ended(&pods, &version, count));
    let ended = begun.elapsed();
    let held = resident(info.pid);
    let listing = Instant::now();
    let listed = pods
        .list(&ListParams::default().match_any())
        .await
        .unwrap()
        .items
        .len();
    assert_eq!(listed, count);
    println!("created   {:>8.2} s", created.as_secs_f64());
    println!("all ended {:>8.2} s", ended.as_secs_f64());
    println!("one list  {:>8.2} s", listing.elapsed().as_secs_f64());
    let deleting = Instant::now();
    pods.delete_collection(&DeleteParams::default(), &ListParams::default())
        .await
        .unwrap();
    assert_eq!(pods.list(&ListParams::default()).await.unwrap().items, []);
    println!("deleted   {:>8.2} s", deleting.elapsed().as_secs_f64());
    println!("together  {:>8.2} s", begun.elapsed().as_secs_f64());
    println!(
        "memory    {:>8.1} KiB a pod ({} MiB in all)",
        held.saturating_sub(before) as f64 / count as f64,
        held / 1024
    );
}

async fn create(pods: &Api<Pod>, number: usize) {
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": format!("pod-{number}")},
        "spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "base", "image": "busybox", "command": ["true"]}],
        },
    }))
    .unwrap();
    pods.create(&PostParams::default(), &pod).await.unwrap();
}

/// Follows the pods until so many have ended, listing anew when the watch has fallen behind.
async fn all_ended(pods: &Api<Pod>, version: &str, count: usize) {
    let mut ended = HashSet::new();
    let mut version = version.to_owned();
    let over = |pod: &Pod| {
        let phase = pod.status.as_ref().and_then(|status| status.phase.clone());
        matches!(phase.as_deref(), Some("Succeeded" | "Failed"))
    };
    while ended.len() < count {
        let watched = pods
            .watch(&WatchParams::default().timeout(60), &version)
            .await
            .unwrap();
        let mut watched = std::pin::pin!(watched);
        while let Ok(Some(event)) = watched.try_next().await {
            if let WatchEvent::Modified(pod) = &event {
                version = pod.metadata.resource_version.clone().unwrap();
                if over(pod) {
                    ended.insert(pod.metadata.name.clone());
                }
            }
            if matches!(event, WatchEvent::Error(_)) || ended.len() == count {
                break;
            }
        }
        if ended.len() < count {
            let list = pods.list(&ListParams::default()).await.unwrap();
            version = list.metadata.resource_version.unwrap();
            let names = list.items.iter().filter(|pod| over(pod));
            ended.extend(names.map(|pod| pod.metadata.name.clone()));
        }
    }
}

/// The resident memory of a process, in KiB.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|line| line.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap()
}
