//! The recorded requests for logs again: the same scripts, the same questions, the same answers.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, PostParams};
use kube::client::Body;
use serde_json::{Value, json};

use crate::cluster::{Cluster, PATIENCE, phase, until};

/// What writes more than the node keeps in one file.
pub const LARGE: &str = "yes 0123456789";
/// What runs until it is ended.
const ENDLESS: &str = "while true";
/// What is started again.
const AGAIN: &str = "$RANDOM";
/// A stamp of the same length as every other.
const STAMP: &str = "2000-01-01T00:00:00.000000000Z";

pub struct Exchange {
    pub about: String,
    pub script: String,
    pub query: Value,
    pub response: Value,
}

pub fn exchanges() -> Vec<Exchange> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/recordings/logs.json"
    );
    let all: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    all.iter()
        .filter(|one| one["script"].is_string())
        .map(|one| Exchange {
            about: one["about"].as_str().unwrap().to_owned(),
            script: one["script"].as_str().unwrap().to_owned(),
            query: one["query"].clone(),
            response: one["response"].clone(),
        })
        .collect()
}

/// The pods that run the recorded scripts, by script.
struct Pods {
    client: Client,
    names: BTreeMap<String, String>,
}

impl Pods {
    async fn start(client: Client, exchanges: &[Exchange]) -> Self {
        let api: Api<Pod> = Api::default_namespaced(client.clone());
        let mut names = BTreeMap::new();
        for exchange in exchanges {
            let name = format!("log-{}", names.len());
            if names.contains_key(&exchange.script) || exchange.script.starts_with("echo up") {
                continue;
            }
            create(&api, &name, &exchange.script).await;
            names.insert(exchange.script.clone(), name);
        }
        Self { client, names }
    }

    async fn log(&self, script: &str, query: &Value) -> (u16, Option<String>, Vec<u8>) {
        let (code, kind, body) = get(&self.client, &self.names[script], query).await;
        (code, kind, body.unwrap())
    }

    /// The stamped lines that a script has written.
    async fn lines(&self, script: &str) -> Vec<String> {
        let (_, _, body) = self.log(script, &json!({"timestamps": "true"})).await;
        let text = String::from_utf8(body).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

pub async fn create(api: &Api<Pod>, name: &str, script: &str) {
    let script = script
        .replace("usleep 250000", "sleep 0.25")
        .replace(AGAIN, "$(cat /proc/sys/kernel/random/uuid)");
    let policy = if script.contains("random/uuid") {
        "OnFailure"
    } else {
        "Never"
    };
    let pod = serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": policy,
            "terminationGracePeriodSeconds": 5,
            "containers": [{"name": "base", "image": "busybox", "command": ["sh", "-c", script]}],
        },
    }));
    let params = PostParams::default();
    api.create(&params, &pod.unwrap()).await.unwrap();
}

/// A log; its body is an error if it has broken off.
pub async fn get(
    client: &Client,
    name: &str,
    query: &Value,
) -> (u16, Option<String>, Result<Vec<u8>, String>) {
    let query: Vec<String> = query
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| {
            let value = value.as_str().map_or(value.to_string(), str::to_owned);
            format!("{name}={}", value.replace('+', "%2B"))
        })
        .collect();
    let path = format!(
        "/api/v1/namespaces/default/pods/{name}/log?{}",
        query.join("&")
    );
    let request = Request::get(path).body(Body::from(Vec::new())).unwrap();
    let response = client.send(request).await.unwrap();
    let code = response.status().as_u16();
    let kind = response.headers().get("content-type");
    let kind = kind.map(|kind| kind.to_str().unwrap().to_owned());
    let body = tokio::time::timeout(PATIENCE, response.into_body().collect()).await;
    let body = body.unwrap().map(|body| body.to_bytes().to_vec());
    (code, kind, body.map_err(|error| error.to_string()))
}

/// With every stamp the same.
fn unstamped(body: &[u8]) -> Vec<u8> {
    let mut shown = Vec::new();
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let is_stamp = line.len() > STAMP.len()
            && line[4] == b'-'
            && line[10] == b'T'
            && line[STAMP.len() - 1] == b'Z';
        if is_stamp {
            shown.extend_from_slice(STAMP.as_bytes());
            shown.extend_from_slice(&line[STAMP.len()..]);
        } else {
            shown.extend_from_slice(line);
        }
    }
    shown
}

fn sorted(body: &[u8]) -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = body
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    lines.sort();
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_questions_get_the_recorded_logs() {
    let cluster = Cluster::start();
    let mut exchanges = exchanges();
    assert_eq!(exchanges.len(), 71);
    let known = exchanges.len();
    exchanges.retain(|one| {
        ![LARGE, ENDLESS, AGAIN]
            .iter()
            .any(|part| one.script.contains(part))
    });
    // The others are asked below.
    assert_eq!(exchanges.len(), known - 3 - 7);
    let pods = Pods::start(cluster.client().await, &exchanges).await;
    let api: Api<Pod> = Api::default_namespaced(pods.client.clone());
    let mut different = Vec::new();
    for exchange in &exchanges {
        if exchange.query.get("follow").is_none() {
            let name = &pods.names[&exchange.script];
            until(&api, name, |pod| phase(pod) == "Succeeded").await;
        } else {
            let name = &pods.names[&exchange.script];
            until(&api, name, |pod| phase(pod) != "Pending").await;
        }
        let (query, expected_lines) = timed(&pods, exchange, &exchanges).await;
        let (code, kind, body) = pods.log(&exchange.script, &query).await;
        let wanted = &exchange.response;
        let same = u64::from(code) == wanted["status"].as_u64().unwrap()
            && kind.as_deref() == wanted["content_type"].as_str()
            && match expected_lines {
                Some(lines) => String::from_utf8_lossy(&body) == lines,
                None => is_body(&body, exchange),
            };
        if !same {
            let shown: String = String::from_utf8_lossy(&body).chars().take(400).collect();
            different.push(format!("{}: {code} {kind:?} {shown:?}", exchange.about));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// Questions about moments are asked about moments of our own; what is then to come is what our
/// own log has from the whole second on.
async fn timed(pods: &Pods, exchange: &Exchange, all: &[Exchange]) -> (Value, Option<String>) {
    let mut query = exchange.query.clone();
    let tail = query["tailLines"].as_u64();
    let since = match (query["sinceTime"].as_str(), query["sinceSeconds"].as_u64()) {
        (Some(since), _) if since.starts_with("2026") && since.len() > STAMP.len() - 11 => {
            let recorded = all
                .iter()
                .find(|one| one.about == "lines every 250 ms")
                .unwrap();
            let recorded = recorded.response["body"].as_str().unwrap();
            // Where no line has that very stamp it was made of the eleventh line's.
            let line = recorded.lines().position(|line| line.starts_with(since));
            let own = pods.lines(&exchange.script).await;
            let own = own[line.unwrap_or(10)].split(' ').next().unwrap();
            let own = match &since[19..] {
                _ if line.is_some() => own.to_owned(),
                rest => format!("{}{rest}", &own[..19]),
            };
            // Two hours earlier there was nothing yet.
            let second = if since.ends_with("+02:00") {
                "2"
            } else {
                &own[..19]
            };
            let second = second.to_owned();
            query["sinceTime"] = own.into();
            Some(second)
        }
        (None, Some(3)) => {
            // How much that is depends on when it is asked: all of it has been for a while.
            query["sinceSeconds"] = 100_000.into();
            Some("2".to_owned())
        }
        _ => None,
    };
    let Some(since) = since else {
        return (query, None);
    };
    let mut lines = pods.lines(&exchange.script).await;
    if let Some(tail) = tail {
        let skipped = lines.len().saturating_sub(usize::try_from(tail).unwrap());
        lines.drain(..skipped);
    }
    let stamped = query["timestamps"] == "true";
    let expected = lines
        .iter()
        .filter(|line| line.as_str() >= since.as_str())
        .map(|line| {
            let line = if stamped {
                line
            } else {
                line.split_once(' ').unwrap().1
            };
            format!("{line}\n")
        })
        .collect();
    (query, Some(expected))
}

/// Whether the body is the recorded one.
pub fn is_body(body: &[u8], exchange: &Exchange) -> bool {
    let wanted = &exchange.response;
    if let Some(chunks) = wanted["chunks"].as_array() {
        let whole: String = chunks
            .iter()
            .map(|chunk| chunk["bytes"].as_str().unwrap())
            .collect();
        return unstamped(body) == unstamped(whole.as_bytes());
    }
    let text = match &wanted["body"] {
        Value::Null => None,
        Value::String(text) => Some(text.clone().into_bytes()),
        Value::Object(body) if body.contains_key("base64") => {
            Some(STANDARD.decode(body["base64"].as_str().unwrap()).unwrap())
        }
        status => {
            let found: Value = serde_json::from_slice(body).unwrap();
            return ["kind", "status", "reason", "code"]
                .iter()
                .all(|member| found[member] == status[member])
                && found["details"]["causes"][0]["field"]
                    == status["details"]["causes"][0]["field"];
        }
    };
    if let Some(text) = text {
        let (found, wanted) = (unstamped(body), unstamped(&text));
        // The order between the two outputs is that of the node's reads.
        return found == wanted
            || (exchange.script.contains(">&2") && sorted(&found) == sorted(&wanted));
    }
    let found = unstamped(body);
    let end = |member: &str| unstamped(wanted[member].as_str().unwrap().as_bytes());
    let (head, tail) = (end("head"), end("tail"));
    wanted["length"].as_u64() == u64::try_from(body.len()).ok()
        && found[..STAMP.len()] == head[..STAMP.len()]
        && found.ends_with(tail.get(tail.len() - 4..).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_followed_log_ends_as_recorded_however_its_container_does() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let api: Api<Pod> = Api::default_namespaced(client.clone());
    let all = exchanges();
    let about = |words: &str| all.iter().find(|one| one.about.contains(words)).unwrap();
    let follow = json!({"follow": "true"});
    for (name, words, grace, expected) in [
        ("graceful", "deleted gracefully", 5, "up\ngot TERM\n"),
        ("forced", "force deleted", 0, "up\n"),
    ] {
        let exchange = about(words);
        create(&api, name, &exchange.script).await;
        until(&api, name, |pod| phase(pod) == "Running").await;
        let deleting = async {
            crate::cluster::until_up(&api, name).await;
            let params = kube::api::DeleteParams::default().grace_period(grace);
            api.delete(name, &params).await.unwrap();
        };
        let ((code, _, body), ()) = tokio::join!(get(&client, name, &follow), deleting);
        let body = String::from_utf8(body.unwrap()).unwrap();
        assert_eq!(code, 200);
        assert!(body.starts_with(expected), "{name}: {body:?}");
        assert!(grace == 0 || body == expected, "{name}: {body:?}");
    }

    let endless = &about("limitBytes=20: the stream").script;
    create(&api, "endless", endless).await;
    until(&api, "endless", |pod| phase(pod) == "Running").await;
    let twenty = json!({"follow": "true", "limitBytes": 20});
    let (_, _, body) = get(&client, "endless", &twenty).await;
    assert_eq!(body.unwrap(), b"up\nt1\nt2\nt3\nt4\nt5\nt6"[..20]);
    let future = json!({"follow": "true", "sinceTime": "2099-01-01T00:00:00Z"});
    let silent = get(&client, "endless", &future);
    let silent = tokio::time::timeout(Duration::from_secs(1), silent).await;
    assert!(silent.is_err(), "{silent:?}");

    create(&api, "again", &about("container restarts").script).await;
    until(&api, "again", |pod| phase(pod) == "Running").await;
    let (_, _, first) = get(&client, "again", &follow).await;
    let first = String::from_utf8(first.unwrap()).unwrap();
    assert_eq!((first.lines().count(), &first[..4]), (1, "run "));
    let restarts = |pod: &Pod| {
        let status = pod.status.as_ref().unwrap().container_statuses.as_ref();
        let status = &status.unwrap()[0];
        let runs = status.state.as_ref().unwrap().running.is_some();
        (status.restart_count, runs)
    };
    until(&api, "again", |pod| restarts(pod) == (1, true)).await;
    let (_, _, previous) = get(&client, "again", &json!({"previous": "true"})).await;
    assert_eq!(previous.unwrap(), first.as_bytes());
    let (_, _, now) = get(&client, "again", &follow).await;
    assert_ne!(now.unwrap(), first.as_bytes());
}
