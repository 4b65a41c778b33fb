//! The cluster: one local cluster for all tests of a program, or the one that the environment
//! names.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be; its shared parts too"
)]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use adjourn::local_cluster::process::{ClusterDir, Settings, StartOptions, start, stop};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::Api;
use kube::api::{AttachParams, DeleteParams, ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::eventually;

/// The namespace of all pods.
pub const NAMESPACE: &str = "default";

static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());

/// The cluster that runs for whoever asked for it and still holds it; the last to let go stops it.
pub fn cluster() -> Arc<Cluster> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(running) = shared.upgrade() {
        return running;
    }
    let started = Arc::new(Cluster::start());
    *shared = Arc::downgrade(&started);
    started
}

pub struct Cluster {
    kubeconfig: PathBuf,
    pub(super) runtime: Runtime,
    client: kube::Client,
    _local: Option<Local>,
}

struct Local {
    dir: ClusterDir,
    _temp: TempDir,
}

impl Drop for Local {
    fn drop(&mut self) {
        if let Err(error) = stop(&self.dir) {
            eprintln!("the local cluster was not stopped: {error}");
        }
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.dir.log()).unwrap_or_default();
            eprintln!("the local cluster's log:\n{log}");
        }
    }
}

impl Cluster {
    fn start() -> Self {
        match std::env::var_os("ADJOURN_TEST_KUBECONFIG") {
            Some(path) => Self::at(path.into(), None),
            None => Self::another(),
        }
    }

    /// A local cluster of its own, beside whichever the other tests share.
    pub fn another() -> Self {
        Self::start_local(Settings::default())
    }

    /// A local cluster of its own that makes faults when it is asked to.
    pub fn with_faults() -> Arc<Self> {
        let settings = Settings {
            faults: true,
            ..Settings::default()
        };
        Arc::new(Self::start_local(settings))
    }

    /// A local cluster of its own whose pods take no process: annotations tell their lives.
    #[allow(dead_code, reason = "for the tests of several daemons alone")]
    pub fn simulated() -> Arc<Self> {
        let settings = Settings {
            simulate: true,
            // No watch has to list all pods again.
            watch_history: Some(100_000),
            ..Settings::default()
        };
        Arc::new(Self::start_local(settings))
    }

    fn start_local(settings: Settings) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let dir = ClusterDir::new(temp.path().join("cluster"));
        let mut options = StartOptions::new(env!("CARGO_BIN_EXE_adjourn"));
        options.settings = settings;
        let info = start(&dir, &options).unwrap();
        Self::at(info.kubeconfig, Some(Local { dir, _temp: temp }))
    }

    fn at(kubeconfig: PathBuf, local: Option<Local>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let client = runtime.block_on(client(&kubeconfig));
        Self {
            kubeconfig,
            runtime,
            client,
            _local: local,
        }
    }

    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    pub(super) fn api(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// Orders faults in place of those that were ordered before.
    pub fn order(&self, faults: &serde_json::Value) {
        let request = http::Request::put("/__adjourn/faults")
            .body(kube::client::Body::from(faults.to_string().into_bytes()))
            .unwrap();
        let answer = self.runtime.block_on(self.client.clone().send(request));
        assert_eq!(answer.unwrap().status(), 200);
    }

    /// The pods that are there of all tasks with this `dag_id`.
    pub fn pods(&self, dag: &str) -> Vec<Pod> {
        let params = ListParams::default().labels(&format!("dag_id={dag}"));
        let found = self.runtime.block_on(self.api().list(&params));
        found.unwrap().items
    }

    pub fn pod(&self, name: &str) -> Option<Pod> {
        self.runtime.block_on(self.api().get_opt(name)).unwrap()
    }

    /// Creates a pod as somebody from outside would.
    pub fn create(&self, pod: &serde_json::Value) {
        let pod: Pod = serde_json::from_value(pod.clone()).unwrap();
        let (api, params) = (self.api(), PostParams::default());
        self.runtime.block_on(api.create(&params, &pod)).unwrap();
    }

    /// Keeps a secret for pods, as its owner would.
    #[allow(dead_code, reason = "for the tests of secrets alone")]
    pub fn keep_secret(&self, name: &str, key: &str, value: &str) {
        let secret = serde_json::json!({"metadata": {"name": name}, "stringData": {key: value}});
        let secret: Secret = serde_json::from_value(secret).unwrap();
        let api: Api<Secret> = Api::namespaced(self.client.clone(), NAMESPACE);
        let params = PostParams::default();
        self.runtime.block_on(api.create(&params, &secret)).unwrap();
    }

    /// Runs a command in a pod's container; a pod that has ended is let be.
    #[allow(dead_code, reason = "for the crash matrix alone")]
    pub fn run_in(&self, name: &str, command: &[&str]) {
        let (api, params) = (self.api(), AttachParams::default().stderr(false));
        self.runtime.block_on(async {
            if let Ok(process) = api.exec(name, command.iter().copied(), &params).await {
                let _ = process.join().await;
            }
        });
    }

    /// Deletes a pod as somebody from outside would, and waits until it is gone.
    pub fn delete(&self, name: &str) {
        let now = DeleteParams::default().grace_period(0);
        self.runtime
            .block_on(self.api().delete(name, &now))
            .unwrap();
        eventually("the end of a deleted pod", || {
            self.pod(name).is_none().then_some(())
        });
    }

    /// Leaves no pod of a test behind.
    pub(super) fn sweep(&self, dag: &str) {
        let params = ListParams::default().labels(&format!("dag_id={dag}"));
        let now = DeleteParams::default().grace_period(0);
        let api = self.api();
        if let Err(error) = self.runtime.block_on(api.delete_collection(&now, &params)) {
            eprintln!("pods of {dag} may be left behind: {error}");
        }
    }
}

async fn client(kubeconfig: &Path) -> kube::Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options);
    kube::Client::try_from(config.await.unwrap()).unwrap()
}
