//! How the local cluster carries many pods: creates simulated pods through the API, waits until
//! all have ended, deletes them, and prints how long that took and how much memory a pod takes.
//! With `running`, the pods run on, and lists of them are measured instead of their deletion.
//!
//! `cargo bench --bench cluster_pods -- 20000`
//! `cargo bench --bench cluster_pods -- 100000 running`

#![allow(clippy::unwrap_used, reason = "a bench ends by panicking")]

use std::collections::HashSet;
use std::time::{Duration, Instant};

use adjourn::local_cluster::process::{ClusterDir, StartOptions, start, stop};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, ListParams, PostParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::request::Request;
use serde_json::json;

const CLIENTS: usize = 32;
/// Of so many pods one has the label that is selected.
const ONE_OF: usize = 100;

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
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let pods = arguments.iter().find_map(|argument| argument.parse().ok());
    let run_on = arguments.iter().any(|argument| argument == "running");
    tokio::runtime::Runtime::new()
        .unwrap()
        .block_on(run(pods.unwrap_or(20_000), run_on));
}

async fn run(count: usize, run_on: bool) {
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
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let before = resident(info.pid);
    let first = ListParams::default().limit(1);
    let metadata = pods.list(&first).await.unwrap().metadata;
    let version = metadata.resource_version.unwrap();

    let begun = Instant::now();
    let creating = async {
        stream::iter(0..count)
            .map(|number| create(&pods, number, run_on))
            .buffer_unordered(CLIENTS)
            .collect::<Vec<()>>()
            .await;
        begun.elapsed()
    };
    let wanted = if run_on { "Running" } else { "Succeeded" };
    let (created, ()) = tokio::join!(creating, all_are(wanted, &pods, &version, count));
    let ended = begun.elapsed();
    let held = resident(info.pid);
    println!("created          {:>8.2} s", created.as_secs_f64());
    println!("all {wanted:<12} {:>8.2} s", ended.as_secs_f64());
    println!(
        "memory           {:>8.1} KiB a pod ({} MiB in all)",
        held.saturating_sub(before) as f64 / count as f64,
        held / 1024
    );
    for (name, parameters) in [
        ("list of all", ListParams::default()),
        ("by label", ListParams::default().labels("chosen=yes")),
        (
            "by phase",
            ListParams::default().fields("status.phase=Pending"),
        ),
    ] {
        let (bytes, took) = list(&client, &parameters).await;
        println!(
            "{name:<16} {:>8.3} s {:>10.1} KiB",
            took.as_secs_f64(),
            bytes as f64 / 1024.0
        );
    }
    if !run_on {
        let deleting = Instant::now();
        pods.delete_collection(&DeleteParams::default(), &ListParams::default())
            .await
            .unwrap();
        assert_eq!(pods.list(&ListParams::default()).await.unwrap().items, []);
        println!(
            "deleted          {:>8.2} s",
            deleting.elapsed().as_secs_f64()
        );
    }
    println!("together         {:>8.2} s", begun.elapsed().as_secs_f64());
    let (user, system) = cpu_seconds(info.pid);
    println!("server's CPU     {user:>8.2} s user, {system:.2} s system");
}

async fn create(pods: &Api<Pod>, number: usize, run_on: bool) {
    let chosen = if number.is_multiple_of(ONE_OF) {
        "yes"
    } else {
        "no"
    };
    let run_time = if run_on { "forever" } else { "1s" };
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {
            "name": format!("pod-{number}"),
            "labels": {"chosen": chosen},
            "annotations": {"simulate.adjourn/run-time": run_time},
        },
        "spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "base", "image": "busybox", "command": ["true"]}],
        },
    }))
    .unwrap();
    pods.create(&PostParams::default(), &pod).await.unwrap();
}

/// Follows the pods until so many have reached the phase, listing anew when the watch has fallen
/// behind.
async fn all_are(phase: &str, pods: &Api<Pod>, version: &str, count: usize) {
    let mut there = HashSet::new();
    let mut version = version.to_owned();
    let arrived = |pod: &Pod| {
        let status = pod.status.as_ref();
        status.and_then(|status| status.phase.as_deref()) == Some(phase)
    };
    while there.len() < count {
        let watched = pods
            .watch(&WatchParams::default().timeout(60), &version)
            .await
            .unwrap();
        let mut watched = std::pin::pin!(watched);
        while let Ok(Some(event)) = watched.try_next().await {
            if let WatchEvent::Modified(pod) = &event {
                version = pod.metadata.resource_version.clone().unwrap();
                if arrived(pod) {
                    there.insert(pod.metadata.name.clone());
                }
            }
            if matches!(event, WatchEvent::Error(_)) || there.len() == count {
                break;
            }
        }
        if there.len() < count {
            let list = pods.list(&ListParams::default()).await.unwrap();
            version = list.metadata.resource_version.unwrap();
            let names = list.items.iter().filter(|pod| arrived(pod));
            there.extend(names.map(|pod| pod.metadata.name.clone()));
        }
    }
}

/// Lists pods without reading them; gives the bytes of the answer and how long it took.
async fn list(client: &kube::Client, parameters: &ListParams) -> (usize, Duration) {
    let request = Request::new("/api/v1/namespaces/default/pods");
    let request = request.list(parameters).unwrap();
    let begun = Instant::now();
    let answer = client.request_text(request).await.unwrap();
    (answer.len(), begun.elapsed())
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

/// How long a process has computed, itself and in the kernel.
fn cpu_seconds(pid: u32) -> (f64, f64) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, after_name) = stat.rsplit_once(") ").unwrap();
    let numbers: Vec<&str> = after_name.split(' ').collect();
    // Linux counts in hundredths of a second there, whatever the machine.
    let seconds = |at: usize| numbers[at].parse::<f64>().unwrap() / 100.0;
    (seconds(11), seconds(12))
}
