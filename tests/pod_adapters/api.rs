//! A small stateful API server over real HTTP: pods, events, logs, lists, watches, and every way
//! in which they fail that a test asks for.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use adjourn::pod::client::{ClusterClient, ConnectionSettings};
use axum::Router;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::answer::{answer, status};

/// One event of the pods' history.
#[derive(Clone)]
pub(crate) struct Happened {
    pub(crate) version: u64,
    pub(crate) kind: &'static str,
    pub(crate) pod: Value,
}

#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) version: u64,
    pub(crate) pods: BTreeMap<String, Value>,
    pub(crate) history: Vec<Happened>,
    pub(crate) core_events: Vec<Value>,
    /// `pod/container` to the bytes that a reader gets.
    pub(crate) logs: BTreeMap<String, Log>,
    /// Method and path with query of each request, in order.
    pub(crate) requests: Vec<String>,
    pub(crate) faults: VecDeque<Fault>,
    /// Requests that contain this are not answered yet.
    pub(crate) held: Option<&'static str>,
    pub(crate) streams_lists: bool,
    /// Watches from before this version get a 410.
    pub(crate) compacted: u64,
    /// Watches that are open stay silent.
    pub(crate) mute: bool,
    /// Open watches with a smaller number are broken off.
    pub(crate) broken_before: u64,
    /// Open watches with a smaller number never tell anything again.
    pub(crate) lost_before: u64,
    pub(crate) watches_opened: u64,
    pub(crate) token: Option<String>,
    pub(crate) refused: usize,
}

/// The next request whose method and path contain these gets that answer.
pub(crate) struct Fault {
    pub(crate) what: &'static str,
    /// What was asked for is done all the same.
    pub(crate) done: bool,
    pub(crate) code: u16,
    pub(crate) retry_after: Option<u64>,
    pub(crate) body: Value,
}

/// A log as the node serves it.
#[derive(Clone, Default)]
pub struct Log {
    /// Stamped lines; what is behind the last newline is unfinished.
    pub bytes: Vec<u8>,
    /// Breaks the connection after so many bytes, once.
    pub break_after: Option<usize>,
    /// A follow stream is left open and silent.
    pub hang: bool,
    /// Answered instead.
    pub instead: Option<(u16, Value)>,
}

/// The server. Stops when dropped.
pub struct Api {
    inner: Arc<Mutex<Inner>>,
    changed: Arc<Notify>,
    pub(crate) asked: Arc<Notify>,
    address: std::net::SocketAddr,
    _task: JoinSet<()>,
    _dir: tempfile::TempDir,
    kubeconfig: std::path::PathBuf,
}

#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) inner: Arc<Mutex<Inner>>,
    pub(crate) changed: Arc<Notify>,
    /// Told of each request once it is on record.
    pub(crate) asked: Arc<Notify>,
}

impl Api {
    pub async fn start() -> Self {
        let shared = Shared {
            inner: Arc::new(Mutex::new(Inner {
                version: 100,
                streams_lists: true,
                ..Inner::default()
            })),
            changed: Arc::new(Notify::new()),
            asked: Arc::new(Notify::new()),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(shared.clone());
        let mut task = JoinSet::new();
        task.spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        let dir = tempfile::tempdir().unwrap();
        let api = Self {
            inner: shared.inner,
            changed: shared.changed,
            asked: shared.asked,
            address,
            _task: task,
            kubeconfig: dir.path().join("config"),
            _dir: dir,
        };
        api.write_kubeconfig("first");
        api
    }

    /// Writes the kubeconfig with that token.
    pub fn write_kubeconfig(&self, token: &str) {
        self.write_user(&json!({"token": token}));
    }

    /// Writes a kubeconfig that names a file, and that file with the token.
    pub fn write_token_file(&self, token: &str) {
        let file = self.kubeconfig.with_file_name("token");
        std::fs::write(&file, token).unwrap();
        self.write_user(&json!({"tokenFile": file}));
    }

    /// Writes a kubeconfig that names a program, which prints the token.
    pub fn write_login_program(&self, token: &str) {
        let file = self.kubeconfig.with_file_name("credential.json");
        let credential = json!({
            "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
            "status": {"token": token},
        });
        std::fs::write(&file, credential.to_string()).unwrap();
        self.write_user(&json!({"exec": {
            "apiVersion": "client.authentication.k8s.io/v1", "command": "cat", "args": [file],
            "interactiveMode": "Never",
        }}));
    }

    fn write_user(&self, user: &Value) {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": format!("http://{}", self.address)}}],
            "users": [{"name": "test", "user": user}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": "jobs"}}],
        });
        std::fs::write(&self.kubeconfig, config.to_string()).unwrap();
    }

    /// Host and port.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// How many requests were refused for their token.
    pub fn refused(&self) -> usize {
        self.lock().refused
    }

    /// How many were not.
    pub fn admitted(&self) -> usize {
        let inner = self.lock();
        inner.requests.len() - inner.refused
    }

    pub fn settings(&self) -> ConnectionSettings {
        ConnectionSettings {
            kube_config_path: Some(self.kubeconfig.clone()),
            ..ConnectionSettings::default()
        }
    }

    pub async fn client(&self) -> ClusterClient {
        ClusterClient::connect(&self.settings()).await.unwrap()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// From now on only this token is accepted.
    pub fn accept_only(&self, token: &str) {
        self.lock().token = Some(token.to_owned());
    }

    /// The next request of which `what` is a part fails so.
    pub fn fail_next(&self, what: &'static str, code: u16, retry_after: Option<u64>) {
        self.fault(what, code, retry_after, false);
    }

    /// The next request of which `what` is a part is carried out, but its answer is lost.
    pub fn lose_next_answer(&self, what: &'static str) {
        self.fault(what, 504, None, true);
    }

    fn fault(&self, what: &'static str, code: u16, retry_after: Option<u64>, done: bool) {
        let reason = match code {
            403 => "Forbidden",
            410 => "Expired",
            429 => "TooManyRequests",
            503 => "ServiceUnavailable",
            _ => "",
        };
        self.lock().faults.push_back(Fault {
            what,
            done,
            code,
            retry_after,
            body: status(code, reason, json!({})),
        });
    }

    /// Requests of which `what` is a part are not answered until [`Api::let_go`]; what they are
    /// answered then is what holds then.
    pub fn hold(&self, what: &'static str) {
        self.lock().held = Some(what);
    }

    pub fn let_go(&self) {
        self.lock().held = None;
        self.changed.notify_waiters();
    }

    /// The pods that are there.
    pub fn pods(&self) -> Vec<Value> {
        self.lock().pods.values().cloned().collect()
    }

    /// Changes a pod as `change` does, and tells the watches.
    pub fn change(&self, name: &str, change: impl FnOnce(&mut Value)) {
        {
            let mut inner = self.lock();
            let mut pod = inner.pods.get(name).unwrap().clone();
            change(&mut pod);
            inner.put(pod);
        }
        self.changed.notify_waiters();
    }

    /// The requests so far that contain `what`.
    pub fn requests(&self, what: &str) -> Vec<String> {
        let inner = self.lock();
        inner
            .requests
            .iter()
            .filter(|request| request.contains(what))
            .cloned()
            .collect()
    }

    pub fn do_not_stream_lists(&self) {
        self.lock().streams_lists = false;
    }

    /// Puts a pod as it is, with the next version, and tells the watches.
    pub fn put(&self, pod: Value) -> Value {
        let pod = self.lock().put(pod);
        self.changed.notify_waiters();
        pod
    }

    /// Removes a pod and tells the watches.
    pub fn remove(&self, name: &str) {
        self.lock().remove(name);
        self.changed.notify_waiters();
    }

    /// The pod leaves every label selection but stays.
    pub fn take_out_of_selection(&self, name: &str) {
        {
            let mut inner = self.lock();
            inner.version += 1;
            let version = inner.version;
            let pod = inner.pods.get_mut(name).unwrap();
            let mut last = pod.clone();
            last["metadata"]["resourceVersion"] = version.to_string().into();
            pod["metadata"]["labels"] = json!({});
            pod["metadata"]["resourceVersion"] = version.to_string().into();
            inner.history.push(Happened {
                version,
                kind: "DELETED",
                pod: last,
            });
        }
        self.changed.notify_waiters();
    }

    /// Tells every watch that nothing has happened up to now.
    pub fn bookmark(&self) -> u64 {
        let version = {
            let mut inner = self.lock();
            inner.version += 1;
            let version = inner.version;
            let pod = json!({
                "kind": "Pod", "apiVersion": "v1",
                "metadata": {"resourceVersion": version.to_string()},
                "spec": {"containers": null}, "status": {},
            });
            inner.history.push(Happened {
                version,
                kind: "BOOKMARK",
                pod,
            });
            version
        };
        self.changed.notify_waiters();
        version
    }

    /// Forgets the history: a watch that goes on from before gets a 410.
    pub fn compact(&self) {
        let mut inner = self.lock();
        inner.compacted = inner.version + 1;
        inner.version += 1;
    }

    /// Breaks every open watch off.
    pub fn break_watches(&self) {
        {
            let mut inner = self.lock();
            inner.broken_before = inner.watches_opened + 1;
        }
        self.changed.notify_waiters();
    }

    /// The watches that are open now never tell anything again, as behind a proxy that has lost
    /// their connections; later ones do.
    pub fn lose_watches(&self) {
        let mut inner = self.lock();
        inner.lost_before = inner.watches_opened + 1;
    }

    /// Watches tell nothing, as behind a proxy that has lost them.
    pub fn mute(&self, mute: bool) {
        self.lock().mute = mute;
        self.changed.notify_waiters();
    }

    pub fn set_log(&self, pod: &str, container: &str, log: Log) {
        self.lock().logs.insert(format!("{pod}/{container}"), log);
    }

    pub fn add_core_event(&self, event: Value) {
        self.lock().core_events.push(event);
    }
}

impl Inner {
    pub(crate) fn put(&mut self, mut pod: Value) -> Value {
        self.version += 1;
        pod["metadata"]["resourceVersion"] = self.version.to_string().into();
        let name = pod["metadata"]["name"].as_str().unwrap().to_owned();
        let known = self.pods.insert(name, pod.clone()).is_some();
        self.history.push(Happened {
            version: self.version,
            kind: if known { "MODIFIED" } else { "ADDED" },
            pod: pod.clone(),
        });
        pod
    }

    pub(crate) fn remove(&mut self, name: &str) -> Option<Value> {
        let mut pod = self.pods.remove(name)?;
        self.version += 1;
        pod["metadata"]["resourceVersion"] = self.version.to_string().into();
        if pod["metadata"]["deletionTimestamp"].is_null() {
            pod["metadata"]["deletionTimestamp"] = "2026-11-24T09:00:00Z".into();
            pod["metadata"]["deletionGracePeriodSeconds"] = 0.into();
        }
        self.history.push(Happened {
            version: self.version,
            kind: "DELETED",
            pod: pod.clone(),
        });
        Some(pod)
    }
}
