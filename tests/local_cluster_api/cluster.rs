//! A cluster for one test, stopped when the test ends, however it ends.

use std::time::Duration;

use adjourn::local_cluster::process::{ClusterDir, ClusterInfo, StartOptions, start, stop};
use kube::config::{KubeConfigOptions, Kubeconfig};
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
        let temp = tempfile::tempdir().unwrap();
        let dir = ClusterDir::new(temp.path().join("cluster"));
        match start(&dir, &options()) {
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
