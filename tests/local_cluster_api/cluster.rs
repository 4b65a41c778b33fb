//! A cluster for one test, stopped when the test ends, however it ends.

use std::time::Duration;

use adjourn::local_cluster::process::{ClusterDir, ClusterInfo, StartOptions, start, stop};
use futures::{AsyncReadExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, LogParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;
use tempfile::TempDir;

/// How long anything in a test may take before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running cluster in a directory of its own.
pub struct Cluster {
    pub dir: ClusterDir,
    pub info: ClusterInfo,
    _temp: TempDir,
}

/// The options with which tests start clusters.
pub fn options() -> StartOptions {
    StartOptions::new(env!("CARGO_BIN_EXE_adjourn"))
}

impl Cluster {
    pub fn start() -> Self {
        Self::start_with(&options())
    }

    pub fn start_with(options: &StartOptions) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let dir = ClusterDir::new(temp.path().join("cluster"));
        match start(&dir, options) {
            Ok(info) => Self {
                dir,
                info,
                _temp: temp,
            },
            Err(error) => panic!(
                "{error}\n{}",
                std::fs::read_to_string(dir.log()).unwrap_or_default()
            ),
        }
    }

    /// Starts the server again after it was stopped or killed.
    pub fn restart(&mut self) {
        self.info = start(&self.dir, &options()).unwrap();
    }

    /// The settings with which the kubeconfig's owner reaches the cluster.
    pub async fn config(&self) -> kube::Config {
        let kubeconfig = Kubeconfig::read_from(self.dir.kubeconfig()).unwrap();
        kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .unwrap()
    }

    pub async fn client(&self) -> kube::Client {
        kube::Client::try_from(self.config().await).unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let stopped = stop(&self.dir);
        if std::thread::panicking() {
            eprintln!(
                "the cluster's log:\n{}",
                std::fs::read_to_string(self.dir.log()).unwrap_or_default()
            );
        } else {
            stopped.unwrap();
        }
    }
}

/// A pod that runs `script` once.
pub fn pod(name: &str, script: &str) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 2,
            "containers": [{
                "name": "base",
                "image": "busybox",
                "imagePullPolicy": "IfNotPresent",
                "command": ["sh", "-c", script],
            }],
        },
    }))
    .unwrap()
}

/// The pod's phase.
pub fn phase(pod: &Pod) -> String {
    pod.status
        .as_ref()
        .and_then(|status| status.phase.clone())
        .unwrap_or_default()
}

/// Watches the pod until it is as wanted.
pub async fn until(pods: &Api<Pod>, name: &str, wanted: impl Fn(&Pod) -> bool) -> Pod {
    let watching = async {
        let params = WatchParams::default()
            .fields(&format!("metadata.name={name}"))
            .timeout(60);
        'anew: loop {
            let events = pods.watch(&params, "0").await.unwrap();
            let mut events = std::pin::pin!(events);
            while let Some(event) = events.try_next().await.unwrap() {
                match event {
                    WatchEvent::Added(pod) | WatchEvent::Modified(pod) if wanted(&pod) => {
                        return pod;
                    }
                    WatchEvent::Added(_) | WatchEvent::Modified(_) => {}
                    // A cluster that keeps few changes may have been faster than we are.
                    WatchEvent::Error(status) if status.code == 410 => continue 'anew,
                    other => panic!("while waiting for {name}: {other:?}"),
                }
            }
            panic!("the watch ended before {name} was as wanted");
        }
    };
    tokio::time::timeout(PATIENCE, watching)
        .await
        .unwrap_or_else(|_| panic!("{name} was not as wanted in time"))
}

/// Waits until the pod's container has written `up`: then its script is under way.
pub async fn until_up(pods: &Api<Pod>, name: &str) {
    let waiting = async {
        until(pods, name, |pod| phase(pod) != "Pending").await;
        let follow = LogParams {
            follow: true,
            ..LogParams::default()
        };
        let mut first = [0; 3];
        let mut log = std::pin::pin!(pods.log_stream(name, &follow).await.unwrap());
        log.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"up\n");
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .unwrap_or_else(|_| panic!("{name} did not come up in time"));
}
