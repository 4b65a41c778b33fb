//! The recorded requests again, to see that the refusals are the same.

use std::collections::{BTreeSet, HashMap};

use axum::body::Bytes;
use http::Request;
use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::client::Body;
use serde_json::{Value, json};

use crate::cluster::{Cluster, options, phase, until};

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
    // These want a running pod in the namespace that others want to see going.
    let (first, then): (Vec<_>, Vec<_>) = all
        .iter()
        .partition(|one| one.about.starts_with("exec RBAC:"));
    assert_eq!((first.len(), then.len()), (6, 166));
    for (index, exchange) in first.iter().chain(&then).enumerate() {
        if index == first.len() {
            replay.delete("/api/v1/namespaces/rec3").await;
        }
        let wanted = essence(
            exchange.response["status"].as_u64().unwrap(),
            &exchange.response["body"],
            exchange.response["headers"].get("warning").is_some(),
        );
        let (found, body) = replay.send(exchange).await;
        // These texts are shown to people, who look for the rights that they lack in them.
        let is_about_rights =
            exchange.about.starts_with("forbidden:") || exchange.about.starts_with("exec RBAC:");
        let same_text =
            !is_about_rights || exchange.response["body"].get("message") == body.get("message");
        if found != wanted || !same_text {
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
    /// Service accounts, by what the recording calls them.
    accounts: HashMap<&'static str, kube::Client>,
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
        let nobody = kube::Client::try_from(config.clone()).unwrap();
        let mut replay = Self {
            owner,
            stranger,
            nobody,
            accounts: HashMap::new(),
            uids: std::sync::Mutex::new(HashMap::new()),
        };
        replay.furnish().await;
        for (namespace, name, verbs) in [
            ("rec", "norights", &[] as &[&str]),
            ("rec3", "onlyget", &["get"]),
            ("rec3", "onlycreate", &["create"]),
            ("rec3", "both", &["get", "create"]),
        ] {
            let token = replay.account(namespace, name, verbs).await;
            config.auth_info.token = Some(token.into());
            let client = kube::Client::try_from(config.clone()).unwrap();
            replay.accounts.insert(name, client);
        }
        replay
    }

    /// Makes a service account that may do so much on `pods/exec`, and gives a token of it.
    async fn account(&self, namespace: &str, name: &str, verbs: &[&str]) -> String {
        let core = format!("/api/v1/namespaces/{namespace}");
        let rights = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}");
        let metadata = json!({"name": name});
        let accounts = format!("{core}/serviceaccounts");
        self.create(&accounts, json!({"metadata": metadata})).await;
        if !verbs.is_empty() {
            let rule = json!({"apiGroups": [""], "resources": ["pods/exec"], "verbs": verbs});
            let role = json!({"metadata": metadata, "rules": [rule]});
            self.create(&format!("{rights}/roles"), role).await;
            let binding = json!({
                "metadata": metadata,
                "roleRef": {"kind": "Role", "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
            });
            self.create(&format!("{rights}/rolebindings"), binding)
                .await;
        }
        let path = format!("{accounts}/{name}/token");
        let answer = self.create(&path, json!({"spec": {}})).await;
        answer["status"]["token"].as_str().unwrap().to_owned()
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
        self.create(
            "/api/v1/namespaces/rec3/pods",
            json!({
                "metadata": {"name": "x"},
                "spec": {"containers": [up("base", "up")], "terminationGracePeriodSeconds": 0},
            }),
        )
        .await;
        let third: Api<Pod> = Api::namespaced(self.owner.clone(), "rec3");
        until(&third, "x", |pod| phase(pod) == "Running").await;
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
    }

    async fn delete(&self, path: &str) {
        let request = Request::delete(path).body(Body::from(Vec::new())).unwrap();
        assert_eq!(self.owner.send(request).await.unwrap().status(), 200);
    }

    async fn create(&self, path: &str, object: Value) -> Value {
        let request = Request::post(path)
            .header("content-type", "application/json")
            .body(Body::from(object.to_string().into_bytes()))
            .unwrap();
        let response = self.owner.send(request).await.unwrap();
        assert_eq!(response.status(), 201, "{object}");
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&bytes).unwrap()
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
        if request["headers"]["Upgrade"] == "websocket"
            && request["headers"].get("Sec-WebSocket-Key").is_none()
        {
            // Left out of the recording.
            built = built.header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        }
        for (header, member) in [("content-type", "content_type"), ("accept", "accept")] {
            if let Some(text) = request[member].as_str() {
                built = built.header(header, text);
            }
        }
        let about = &exchange.about;
        let client = if about.starts_with("forbidden:") {
            &self.accounts["norights"]
        } else if let Some(rest) = about.strip_prefix("exec RBAC: role with verbs ") {
            &self.accounts[rest.split(' ').next().unwrap()]
        } else if exchange.about.starts_with("unauthorized") {
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
        let bytes = if status == 101 {
            // What follows is no body: the connection belongs to the command now.
            Bytes::new()
        } else {
            response.into_body().collect().await.unwrap().to_bytes()
        };
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
