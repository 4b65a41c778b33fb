//! The recorded requests again, to see that the refusals are the same.

use std::collections::{BTreeSet, HashMap};

use http::Request;
use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::client::Body;
use serde_json::{Value, json};

use crate::cluster::{Cluster, options, phase, until};

/// Requests of a second user with roles of its own: the local cluster knows one user.
const ELSEWHERE: [&str; 2] = ["forbidden:", "exec RBAC:"];

struct Exchange {
    about: String,
    request: Value,
    response: Value,
}

fn exchanges() -> Vec<Exchange> {
    let text = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/recordings/errors.json"
    ))
    .unwrap();
    let all: Vec<Value> = serde_json::from_str(&text).unwrap();
    all.into_iter()
        .map(|one| Exchange {
            about: one["about"].as_str().unwrap().to_owned(),
            request: one["request"].clone(),
            response: one["response"].clone(),
        })
        .collect()
}

/// What of an answer must be the same: status, reason, and which field is refused for what.
#[derive(Debug, PartialEq, Eq)]
struct Essence {
    status: u64,
    kind: Option<String>,
    reason: Option<String>,
    detail_kind: Option<String>,
    causes: BTreeSet<(String, String)>,
    has_details: bool,
    warnings: bool,
}

fn essence(status: u64, body: &Value, warnings: bool) -> Essence {
    let is_status = body["kind"] == "Status";
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Essence {
        status,
        kind: text(&body["kind"]),
        reason: text(&body["reason"]).filter(|_| is_status),
        detail_kind: text(&body["details"]["kind"]),
        causes: body["details"]["causes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|cause| {
                (
                    text(&cause["field"]).unwrap_or_default(),
                    text(&cause["reason"]).unwrap_or_default(),
                )
            })
            .collect(),
        has_details: is_status && body.get("details").is_some(),
        warnings,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_requests_get_the_recorded_refusals() {
    let mut options = options();
    // So that the first versions are soon too old.
    options.settings.watch_history = Some(4);
    let cluster = Cluster::start_with(&options);
    let replay = Replay::new(&cluster).await;
    let mut different = Vec::new();
    let all = exchanges();
    let elsewhere = |one: &Exchange| ELSEWHERE.iter().any(|about| one.about.starts_with(about));
    let left_out = all.iter().filter(|one| elsewhere(one)).count();
    assert_eq!((all.len(), left_out), (172, 14));
    for exchange in all.iter().filter(|one| !elsewhere(one)) {
        let wanted = essence(
            exchange.response["status"].as_u64().unwrap(),
            &exchange.response["body"],
            exchange.response["headers"].get("warning").is_some(),
        );
        let (found, body) = replay.send(exchange).await;
        if found != wanted {
            different.push(format!(
                "{}\n  wanted {wanted:?}\n  found  {found:?}\n  {}",
                exchange.about,
                body.to_string().chars().take(600).collect::<String>()
            ));
        }
    }
    assert!(
        different.is_empty(),
        "{} answers differ:\n{}",
        different.len(),
        different.join("\n")
    );
}

struct Replay {
    owner: kube::Client,
    stranger: kube::Client,
    nobody: kube::Client,
    uids: std::sync::Mutex<HashMap<String, String>>,
}

impl Replay {
    async fn new(cluster: &Cluster) -> Self {
        let mut config = cluster.config().await;
        // An answer is to be seen the first time that it comes.
        config.default_retry = false;
        let owner = kube::Client::try_from(config.clone()).unwrap();
        config.auth_info.token = Some("bogus".to_owned().into());
        let stranger = kube::Client::try_from(config.clone()).unwrap();
        config.auth_info.token = None;
        let nobody = kube::Client::try_from(config).unwrap();
        let replay = Self {
            owner,
            stranger,
            nobody,
            uids: std::sync::Mutex::new(HashMap::new()),
        };
        replay.furnish().await;
        replay
    }

    /// Makes what the recorded requests found there.
    async fn furnish(&self) {
        for namespace in ["rec", "rec3"] {
            self.create(
                "/api/v1/namespaces",
                json!({"metadata": {"name": namespace}}),
            )
            .await;
        }
        let up = |name: &str, word: &str| {
            json!({
                "name": name,
                "image": "busybox",
                "command": ["sh", "-c", format!("echo {word}; exec sleep 1000")],
            })
        };
        let pods = "/api/v1/namespaces/rec/pods";
        self.create(
            pods,
            json!({
                "metadata": {"name": "run1"},
                "spec": {"containers": [up("base", "up"), up("two", "up2")]},
            }),
        )
        .await;
        self.create(
            pods,
            json!({
                "metadata": {"name": "wait1"},
                "spec": {
                    "initContainers": [up("init", "never")],
                    "containers": [up("base", "never")],
                    "volumes": [{"name": "v", "configMap": {"name": "absent"}}],
                },
            }),
        )
        .await;
        let api: Api<Pod> = Api::namespaced(self.owner.clone(), "rec");
        until(&api, "run1", |pod| phase(pod) == "Running").await;
        until(&api, "wait1", |pod| {
            let status = pod.status.as_ref();
            status.is_some_and(|status| status.container_statuses.is_some())
        })
        .await;
        // A finalizer keeps the namespace from going.
        self.create(
            "/api/v1/namespaces/rec3/configmaps",
            json!({"metadata": {"name": "m", "finalizers": ["example.com/wait"]}}),
        )
        .await;
        let request = Request::delete("/api/v1/namespaces/rec3")
            .body(Body::from(Vec::new()))
            .unwrap();
        assert_eq!(self.owner.send(request).await.unwrap().status(), 200);
    }

    async fn create(&self, path: &str, object: Value) {
        let request = Request::post(path)
            .header("content-type", "application/json")
            .body(Body::from(object.to_string().into_bytes()))
            .unwrap();
        let response = self.owner.send(request).await.unwrap();
        assert_eq!(response.status(), 201, "{object}");
    }

    async fn send(&self, exchange: &Exchange) -> (Essence, Value) {
        let request = &exchange.request;
        let mut built = Request::builder()
            .method(request["method"].as_str().unwrap())
            .uri(request["path"].as_str().unwrap());
        for (name, text) in request["headers"].as_object().into_iter().flatten() {
            if name != "Authorization" {
                built = built.header(name, text.as_str().unwrap());
            }
        }
        for (header, member) in [("content-type", "content_type"), ("accept", "accept")] {
            if let Some(text) = request[member].as_str() {
                built = built.header(header, text);
            }
        }
        let client = if exchange.about.starts_with("unauthorized") {
            &self.stranger
        } else if exchange.about.starts_with("anonymous") {
            &self.nobody
        } else {
            &self.owner
        };
        let built = built.body(Body::from(self.body(exchange))).unwrap();
        let response = client.send(built).await.unwrap();
        let status = u64::from(response.status().as_u16());
        let warnings = response.headers().contains_key("warning");
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes)));
        self.remember(&body);
        let shape = if exchange.response["body"]["lines"].is_array() {
            // A watch: the lines are compared elsewhere.
            json!({})
        } else {
            body.clone()
        };
        (essence(status, &shape, warnings), body)
    }

    /// Our objects have uids and versions of their own: those of the recording are replaced.
    fn body(&self, exchange: &Exchange) -> Vec<u8> {
        let body = &exchange.request["body"];
        match body {
            Value::Null => Vec::new(),
            Value::String(text) if text.starts_with("(pod e2 with one annotation") => json!({
                "metadata": {"name": "e2", "annotations": {"a": "x".repeat(262_144)}},
                "spec": {"containers": [{"name": "base", "image": "busybox"}]},
            })
            .to_string()
            .into_bytes(),
            Value::String(text) => text.clone().into_bytes(),
            body => {
                let mut body = body.clone();
                if exchange.request["method"] == "PUT" {
                    let known = self.uids.lock().unwrap();
                    if let Some(version) = known.get("version")
                        && exchange.about == "replace (PUT) OK"
                    {
                        body["metadata"]["resourceVersion"] = version.as_str().into();
                    }
                    if let Some(uid) = known.get("uid") {
                        body["metadata"]["uid"] = uid.as_str().into();
                    }
                }
                body.to_string().into_bytes()
            }
        }
    }

    fn remember(&self, body: &Value) {
        if body["metadata"]["name"] == "e1" {
            let mut known = self.uids.lock().unwrap();
            for (name, member) in [("uid", "uid"), ("version", "resourceVersion")] {
                if let Some(text) = body["metadata"][member].as_str() {
                    known.insert(name.to_owned(), text.to_owned());
                }
            }
        }
    }
}
