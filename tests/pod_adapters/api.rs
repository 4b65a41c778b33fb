//! A small stateful API server over real HTTP: pods, events, logs, lists, watches, and every way
//! in which they fail that a test asks for.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use adjourn::pod::client::{ClusterClient, ConnectionSettings};
use adjourn::task::pods::PodIdentity;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// One event of the pods' history.
#[derive(Clone)]
struct Happened {
    version: u64,
    kind: &'static str,
    pod: Value,
}

#[derive(Default)]
struct Inner {
    version: u64,
    pods: BTreeMap<String, Value>,
    history: Vec<Happened>,
    core_events: Vec<Value>,
    /// `pod/container` to the bytes that a reader gets.
    logs: BTreeMap<String, Log>,
    /// Method and path with query of each request, in order.
    requests: Vec<String>,
    faults: VecDeque<Fault>,
    streams_lists: bool,
    /// Watches from before this version get a 410.
    compacted: u64,
    /// Watches that are open stay silent.
    mute: bool,
    /// Open watches with a smaller number are broken off.
    broken_before: u64,
    /// Open watches with a smaller number never tell anything again.
    lost_before: u64,
    watches_opened: u64,
    token: Option<String>,
}

/// The next request whose method and path contain these gets that answer.
struct Fault {
    what: &'static str,
    code: u16,
    retry_after: Option<u64>,
    body: Value,
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
    address: std::net::SocketAddr,
    _task: JoinSet<()>,
    _dir: tempfile::TempDir,
    kubeconfig: std::path::PathBuf,
}

#[derive(Clone)]
struct Shared {
    inner: Arc<Mutex<Inner>>,
    changed: Arc<Notify>,
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
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": format!("http://{}", self.address)}}],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": "jobs"}}],
        });
        std::fs::write(&self.kubeconfig, config.to_string()).unwrap();
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
        let reason = match code {
            403 => "Forbidden",
            410 => "Expired",
            429 => "TooManyRequests",
            503 => "ServiceUnavailable",
            _ => "",
        };
        self.lock().faults.push_back(Fault {
            what,
            code,
            retry_after,
            body: status(code, reason, json!({})),
        });
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
    fn put(&mut self, mut pod: Value) -> Value {
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

    fn remove(&mut self, name: &str) -> Option<Value> {
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

fn status(code: u16, reason: &str, details: Value) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": format!("said the server with {code}"), "reason": reason,
        "details": details, "code": code,
    })
}

fn send(code: u16, body: &Value) -> Response {
    Response::builder()
        .status(code)
        .header("content-type", "application/json")
        .body(Body::from(format!("{body}\n")))
        .unwrap()
}

fn not_found(name: &str) -> Response {
    send(
        404,
        &status(404, "NotFound", json!({"name": name, "kind": "pods"})),
    )
}

/// A pod's labels against `a=b,c` style selectors.
fn matches(pod: &Value, selector: &str) -> bool {
    selector
        .split(',')
        .filter(|part| !part.is_empty())
        .all(|part| match part.split_once('=') {
            Some((key, value)) => pod["metadata"]["labels"][key] == value,
            None => !pod["metadata"]["labels"][part].is_null(),
        })
}

async fn answer(State(shared): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let query: BTreeMap<String, String> = serde_query(parts.uri.query().unwrap_or_default());
    let line = format!("{} {}", parts.method, parts.uri);
    let mut inner = shared.inner.lock().unwrap();
    inner.requests.push(line.clone());
    if let Some(token) = &inner.token {
        let given = parts
            .headers
            .get("authorization")
            .map(|value| value.to_str().unwrap());
        if given != Some(&format!("Bearer {token}")) {
            return send(401, &status(401, "Unauthorized", Value::Null));
        }
    }
    if let Some(at) = inner
        .faults
        .iter()
        .position(|fault| line.contains(fault.what))
    {
        let fault = inner.faults.remove(at).unwrap();
        let mut response = send(fault.code, &fault.body);
        if let Some(seconds) = fault.retry_after {
            response.headers_mut().insert("retry-after", seconds.into());
        }
        return response;
    }
    let path: Vec<&str> = parts.uri.path().trim_matches('/').split('/').collect();
    let get = |key: &str| query.get(key).map(String::as_str).unwrap_or_default();
    match (&parts.method, path.as_slice()) {
        (&Method::GET, ["version"]) => send(200, &json!({"gitVersion": "v1.36.2"})),
        (&Method::POST, ["api", "v1", "namespaces", namespace, "pods"]) => {
            let mut pod: Value = serde_json::from_slice(&body).unwrap();
            let name = pod["metadata"]["name"].as_str().unwrap().to_owned();
            if *namespace == "missing" {
                return send(404, &status(404, "NotFound", json!({"kind": "namespaces"})));
            }
            if inner.pods.contains_key(&name) {
                return send(409, &status(409, "AlreadyExists", json!({"kind": "pods"})));
            }
            pod["metadata"]["namespace"] = (*namespace).into();
            pod["metadata"]["uid"] = format!("uid-of-{name}").into();
            pod["status"] = json!({"phase": "Pending"});
            let pod = inner.put(pod);
            drop(inner);
            shared.changed.notify_waiters();
            send(201, &pod)
        }
        (&Method::GET, ["api", "v1", "namespaces", _, "pods"]) if query.contains_key("watch") => {
            if query.contains_key("sendInitialEvents") && !inner.streams_lists {
                return send(422, &status(422, "Invalid", json!({"kind": "ListOptions"})));
            }
            drop(inner);
            watch(shared, query)
        }
        (&Method::GET, ["api", "v1", "namespaces", _, "pods"]) => {
            let only_ended = get("fieldSelector") == "status.phase!=Running,status.phase!=Pending";
            let all: Vec<Value> = inner
                .pods
                .values()
                .filter(|pod| matches(pod, get("labelSelector")))
                .filter(|pod| {
                    !only_ended
                        || matches!(
                            pod["status"]["phase"].as_str(),
                            Some("Succeeded" | "Failed")
                        )
                })
                .cloned()
                .collect();
            let from: usize = get("continue").parse().unwrap_or(0);
            let limit: usize = get("limit").parse().unwrap_or(usize::MAX);
            let page: Vec<Value> = all.iter().skip(from).take(limit).cloned().collect();
            let mut meta = json!({"resourceVersion": inner.version.to_string()});
            if from + page.len() < all.len() {
                meta["continue"] = (from + page.len()).to_string().into();
            }
            send(
                200,
                &json!({"kind": "PodList", "metadata": meta, "items": page}),
            )
        }
        (&Method::GET, ["api", "v1", "namespaces", _, "events"]) => send(
            200,
            &json!({"kind": "EventList", "metadata": {}, "items": inner.core_events}),
        ),
        (&Method::GET, ["api", "v1", "namespaces", _, "pods", name]) => match inner.pods.get(*name)
        {
            Some(pod) => send(200, pod),
            None => not_found(name),
        },
        (&Method::DELETE, ["api", "v1", "namespaces", _, "pods", name]) => {
            let options: Value = serde_json::from_slice(&body).unwrap();
            let Some(pod) = inner.pods.get(*name).cloned() else {
                return not_found(name);
            };
            if options["preconditions"]["uid"] != pod["metadata"]["uid"] {
                return send(409, &status(409, "Conflict", json!({"kind": "Pod"})));
            }
            let mut pod = inner.remove(name).unwrap();
            pod["sent"] = options;
            drop(inner);
            shared.changed.notify_waiters();
            send(200, &pod)
        }
        (&Method::PATCH, ["api", "v1", "namespaces", _, "pods", name]) => {
            let patch: Value = serde_json::from_slice(&body).unwrap();
            let Some(mut pod) = inner.pods.get(*name).cloned() else {
                return not_found(name);
            };
            if patch["metadata"]["uid"] != pod["metadata"]["uid"] {
                let causes = json!([{"reason": "FieldValueInvalid", "message": "", "field": "metadata.uid"}]);
                return send(
                    422,
                    &status(422, "Invalid", json!({"kind": "Pod", "causes": causes})),
                );
            }
            merge(&mut pod, &patch);
            let pod = inner.put(pod);
            drop(inner);
            shared.changed.notify_waiters();
            send(200, &pod)
        }
        (&Method::GET, ["api", "v1", "namespaces", _, "pods", name, "log"]) => {
            if !inner.pods.contains_key(*name) {
                return not_found(name);
            }
            let key = format!("{name}/{}", get("container"));
            let Some(log) = inner.logs.get_mut(&key) else {
                return Response::builder()
                    .status(StatusCode::NO_CONTENT)
                    .body(Body::empty())
                    .unwrap();
            };
            let given = log.clone();
            log.break_after = None;
            log.hang = false;
            if let Some((code, body)) = &given.instead {
                return send(*code, body);
            }
            serve_log(&given, get("sinceTime"), get("follow") == "true")
        }
        _ => send(404, &status(404, "NotFound", json!({}))),
    }
}

fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    for (key, value) in fields {
        if value.is_null() {
            into.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut into[key], value);
        }
    }
}

fn serve_log(log: &Log, since: &str, follow: bool) -> Response {
    // Whole seconds decide, and text compares as time does.
    let since = since.trim_end_matches('Z');
    let mut body = Vec::new();
    for line in log.bytes.split_inclusive(|byte| *byte == b'\n') {
        let second = &line[..line.len().min(19)];
        if second >= since.as_bytes() {
            body.extend_from_slice(line);
        }
    }
    type Piece = Result<Bytes, std::io::Error>;
    let mut pieces: Vec<Piece> = Vec::new();
    let cut = log.break_after.unwrap_or(usize::MAX).min(body.len());
    for piece in body[..cut].chunks(1000) {
        pieces.push(Ok(Bytes::copy_from_slice(piece)));
    }
    if log.break_after.is_some() {
        pieces.push(Err(std::io::Error::other("broken on purpose")));
    }
    let hang = follow && log.hang;
    let stream = async_stream(pieces, hang);
    Response::builder()
        .header("content-type", "text/plain")
        .body(Body::from_stream(stream))
        .unwrap()
}

fn async_stream(
    pieces: Vec<Result<Bytes, std::io::Error>>,
    hang: bool,
) -> impl futures::Stream<Item = Result<Bytes, std::io::Error>> {
    use futures::StreamExt;
    let told = futures::stream::iter(pieces).then(|piece| async {
        // Each piece is sent on its own: an error must not overtake what came before it.
        tokio::time::sleep(Duration::from_millis(1)).await;
        piece
    });
    let rest = if hang {
        futures::stream::pending().left_stream()
    } else {
        futures::stream::empty().right_stream()
    };
    told.chain(rest)
}

fn watch(shared: Shared, query: BTreeMap<String, String>) -> Response {
    struct Going {
        shared: Shared,
        selector: String,
        number: u64,
        next: u64,
        ready: VecDeque<Value>,
        over: bool,
    }
    let selector = query.get("labelSelector").cloned().unwrap_or_default();
    let mut ready = VecDeque::new();
    let mut inner = shared.inner.lock().unwrap();
    inner.watches_opened += 1;
    let number = inner.watches_opened;
    let mut over = false;
    let from = query
        .get("resourceVersion")
        .map(|version| version.parse::<u64>().unwrap());
    let next = match from {
        Some(version) if version + 1 < inner.compacted => {
            over = true;
            ready
                .push_back(json!({"type": "ERROR", "object": status(410, "Expired", Value::Null)}));
            version
        }
        Some(version) => version,
        None => {
            for pod in inner.pods.values().filter(|pod| matches(pod, &selector)) {
                ready.push_back(json!({"type": "ADDED", "object": pod}));
            }
            ready.push_back(json!({"type": "BOOKMARK", "object": {
                "kind": "Pod", "apiVersion": "v1",
                "metadata": {
                    "resourceVersion": inner.version.to_string(),
                    "annotations": {"k8s.io/initial-events-end": "true"},
                },
                "spec": {"containers": null}, "status": {},
            }}));
            inner.version
        }
    };
    drop(inner);
    let going = Going {
        shared,
        selector,
        number,
        next,
        ready,
        over,
    };
    let stream = futures::stream::unfold(going, |mut going| async move {
        loop {
            if let Some(event) = going.ready.pop_front() {
                return Some((
                    Ok::<_, std::io::Error>(Bytes::from(format!("{event}\n"))),
                    going,
                ));
            }
            if going.over {
                return None;
            }
            let changed = going.shared.changed.clone();
            let changed = changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let inner = going.shared.inner.lock().unwrap();
                if going.number < inner.broken_before {
                    going.over = true;
                    return Some((Err(std::io::Error::other("broken on purpose")), {
                        drop(inner);
                        going
                    }));
                }
                if !inner.mute && going.number >= inner.lost_before {
                    for happened in &inner.history {
                        if happened.version > going.next && matches(&happened.pod, &going.selector)
                        {
                            going
                                .ready
                                .push_back(json!({"type": happened.kind, "object": happened.pod}));
                        }
                    }
                    going.next = inner.version;
                }
            }
            if going.ready.is_empty() {
                changed.await;
            }
        }
    });
    Response::builder()
        .header("content-type", "application/json")
        .body(Body::from_stream(stream))
        .unwrap()
}

fn serde_query(query: &str) -> BTreeMap<String, String> {
    query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            (key.to_owned(), decode(value))
        })
        .collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'%' {
            let hex = std::str::from_utf8(&tail[..2]).unwrap();
            bytes.push(u8::from_str_radix(hex, 16).unwrap());
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// A pod of ours in that phase, whose base container is in that state.
pub fn a_pod(name: &str, phase: &str, state: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": "jobs", "uid": format!("uid-of-{name}"),
            "labels": {"owner": "us"},
        },
        "spec": {
            "nodeName": "node1", "restartPolicy": "Never",
            "containers": [{"name": "base", "image": "busybox"}],
        },
        "status": {
            "phase": phase, "startTime": "2026-11-24T08:53:20Z",
            "containerStatuses": [{
                "name": "base", "image": "busybox", "imageID": "", "ready": false,
                "restartCount": 0, "state": state, "lastState": {},
                "containerID": format!("containerd://{name}"),
            }],
        },
    })
}

pub fn running() -> Value {
    json!({"running": {"startedAt": "2026-11-24T08:53:24Z"}})
}

pub fn ended(exit_code: i32) -> Value {
    json!({"terminated": {
        "exitCode": exit_code, "reason": if exit_code == 0 { "Completed" } else { "Error" },
        "startedAt": "2026-11-24T08:53:24Z", "finishedAt": "2026-11-24T08:53:26Z",
    }})
}

pub fn identity(name: &str) -> PodIdentity {
    PodIdentity {
        namespace: "jobs".into(),
        name: name.into(),
        uid: format!("uid-of-{name}"),
    }
}
