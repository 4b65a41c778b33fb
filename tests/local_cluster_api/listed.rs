//! The recorded lists and watches again: selectors, pages, forms, bookmarks.

use http::Request;
use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use kube::Api;
use kube::api::{ListParams, PostParams};
use kube::client::Body;
use serde_json::{Value, json};

use crate::cluster::{Cluster, options, phase, pod, until};

/// Recorded while something else was done at the same time; see the client's tests.
const IN_MOTION: [&str; 3] = [
    "watch from a resourceVersion, timeoutSeconds=3",
    "watch with labelSelector app=x while",
    "watch with fieldSelector status.phase=Running over the life",
];

fn recorded() -> Vec<Value> {
    let text = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/recordings/watch_list.json"
    ))
    .unwrap();
    serde_json::from_str(&text).unwrap()
}

struct Replay {
    client: kube::Client,
    version: String,
}

impl Replay {
    /// Makes the pods that were there when the lists were recorded.
    async fn new(cluster: &Cluster) -> Self {
        let client = cluster.client().await;
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let namespace = serde_json::from_value(json!({"metadata": {"name": "rec2"}})).unwrap();
        namespaces
            .create(&PostParams::default(), &namespace)
            .await
            .unwrap();
        let pods: Api<Pod> = Api::namespaced(client.clone(), "rec2");
        let big = json!({
            "airflow-worker": "1", "airflow_version": "3.1.0", "dag_id": "example",
            "kubernetes_executor": "True", "run_id": "manual", "task_id": "t", "try_number": "1",
        });
        for (name, labels, script) in [
            ("a1", json!({"app": "x", "tier": "front"}), None),
            ("a2", json!({"app": "x", "tier": "back"}), None),
            ("a3", json!({"app": "y"}), None),
            ("a4", json!({"other": "1"}), None),
            ("a5", json!({}), None),
            ("bad", json!({"app": "x", "kind": "bad"}), Some("exit 1")),
            ("big", big, Some("true")),
            ("ok", json!({"app": "x", "kind": "ok"}), Some("true")),
            (
                "run",
                json!({"app": "x", "kind": "run"}),
                Some("sleep 1000"),
            ),
        ] {
            let mut pod = serde_json::to_value(pod(name, script.unwrap_or("true"))).unwrap();
            pod["metadata"]["labels"] = labels;
            if script.is_none() {
                pod["spec"]["nodeSelector"] = json!({"no": "where"});
            }
            let pod = serde_json::from_value(pod).unwrap();
            pods.create(&PostParams::default(), &pod).await.unwrap();
        }
        for (name, wanted) in [
            ("bad", "Failed"),
            ("big", "Succeeded"),
            ("ok", "Succeeded"),
            ("run", "Running"),
        ] {
            until(&pods, name, |pod| phase(pod) == wanted).await;
        }
        let list = pods.list(&ListParams::default()).await.unwrap();
        Self {
            client,
            version: list.metadata.resource_version.unwrap(),
        }
    }

    /// The status and the body, as one value or as the lines of a watch.
    async fn get(&self, path: &str, accept: &str) -> (u64, Value) {
        let request = Request::get(path)
            .header("accept", accept)
            .body(Body::from(Vec::new()))
            .unwrap();
        let response = self.client.send(request).await.unwrap();
        let status = u64::from(response.status().as_u16());
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let lines: Vec<Value> = serde_json::Deserializer::from_slice(&bytes)
            .into_iter()
            .map(Result::unwrap)
            .collect();
        let watching = path.contains("watch=1");
        let body = match <[Value; 1]>::try_from(lines) {
            Ok([one]) if !watching || status != 200 => one,
            Ok(one) => json!(one),
            Err(lines) => json!(lines),
        };
        (status, body)
    }

    /// The recorded path with a version that this cluster knows.
    fn path(&self, recorded: &str) -> String {
        let mut path = recorded.to_owned();
        for version in ["1978", "1988", "1996"] {
            path = path.replace(
                &format!("resourceVersion={version}"),
                &format!("resourceVersion={}", self.version),
            );
        }
        path
    }
}

/// What of a body must be the same.
fn essence(body: &Value) -> Value {
    let names = |list: &Value| -> Vec<Value> {
        list.as_array()
            .into_iter()
            .flatten()
            .map(|item| item["metadata"]["name"].clone())
            .collect()
    };
    let members = |value: &Value| -> Vec<String> {
        let mut members: Vec<String> = value
            .as_object()
            .into_iter()
            .flat_map(|map| map.keys().cloned())
            .collect();
        members.sort();
        members
    };
    match body {
        Value::Array(lines) => {
            // How often a plain bookmark comes is a matter of timing.
            let marked = |line: &Value| line["object"]["metadata"]["annotations"].is_object();
            let after_mark = lines
                .iter()
                .any(|line| line["type"] == "BOOKMARK" && marked(line));
            lines
                .iter()
                .filter(|line| !after_mark || line["type"] != "BOOKMARK" || marked(line))
                .map(essence)
                .collect()
        }
        line if line.get("type").is_some() => json!({
            "type": line["type"],
            "kind": line["object"]["kind"],
            "name": line["object"]["metadata"]["name"],
            "annotations": line["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"],
            "reason": line["object"]["reason"],
            "bookmark": (line["type"] == "BOOKMARK").then(|| members(&line["object"])),
        }),
        table if table["kind"] == "Table" => json!({
            "metadata": members(&table["metadata"]),
            "columns": table["columnDefinitions"]
                .as_array()
                .unwrap()
                .iter()
                .map(|column| json!([
                    column["name"], column["type"], column["format"], column["priority"]
                ]))
                .collect::<Value>(),
            "rows": table["rows"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| json!([
                    row["cells"].as_array().unwrap()[..4],
                    row["conditions"],
                    row["object"]["kind"],
                    members(row),
                ]))
                .collect::<Value>(),
        }),
        list if list.get("items").is_some() => json!({
            "kind": list["kind"],
            "apiVersion": list["apiVersion"],
            "metadata": members(&list["metadata"]),
            "remaining": list["metadata"]["remainingItemCount"],
            "names": names(&list["items"]),
            "item": members(&list["items"][0]),
        }),
        one => json!({
            "kind": one["kind"],
            "name": one["metadata"]["name"],
            "reason": one["reason"],
            "details": one["details"],
            "members": members(one),
        }),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_lists_and_watches_look_the_same() {
    let mut options = options();
    // So that version 1 is too old.
    options.settings.watch_history = Some(4);
    let cluster = Cluster::start_with(&options);
    let replay = Replay::new(&cluster).await;
    let mut compared = 0;
    let mut different = Vec::new();
    for one in recorded() {
        let about = one["about"].as_str().unwrap().to_owned();
        let (path, accept, status, wanted, selected);
        if let Some((parameter, selector)) = about
            .split_once(' ')
            .filter(|(first, _)| matches!(*first, "labelSelector" | "fieldSelector"))
        {
            let selector: String = selector
                .replace("node1", "local")
                .bytes()
                .map(|byte| format!("%{byte:02x}"))
                .collect();
            path = format!("/api/v1/namespaces/rec2/pods?{parameter}={selector}");
            accept = "application/json".to_owned();
            status = one["status"].as_u64().unwrap();
            wanted = one["names"].clone();
            selected = true;
        } else if let Some(recorded) = one["request"]["path"].as_str()
            && !IN_MOTION.iter().any(|start| about.starts_with(start))
        {
            path = replay.path(recorded);
            accept = one["request"]["accept"].as_str().unwrap().to_owned();
            status = one["response"]["status"].as_u64().unwrap();
            // A single line is recorded without its list.
            let body = &one["response"]["body"];
            let single = body.get("type").is_some();
            wanted = essence(&if single { json!([body]) } else { body.clone() });
            selected = false;
        } else {
            continue;
        }
        compared += 1;
        let (found_status, body) = replay.get(&path, &accept).await;
        let found = if selected {
            essence(&body).get("names").cloned().unwrap_or(Value::Null)
        } else {
            essence(&body)
        };
        if found_status != status || found != wanted {
            different.push(format!(
                "{about}\n  wanted {status} {wanted}\n  found  {found_status} {found}"
            ));
        }
    }
    assert!(compared > 70, "only {compared} were compared");
    assert!(
        different.is_empty(),
        "{} of {compared} differ:\n{}",
        different.len(),
        different.join("\n")
    );
}

#[tokio::test]
async fn pages_over_all_namespaces_hold_each_object_once() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    for name in ["a", "a-b"] {
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let namespace = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
        let parameters = PostParams::default();
        namespaces.create(&parameters, &namespace).await.unwrap();
        let maps: Api<ConfigMap> = Api::namespaced(client.clone(), name);
        let map = serde_json::from_value(json!({"metadata": {"name": "x"}})).unwrap();
        maps.create(&parameters, &map).await.unwrap();
    }
    let maps: Api<ConfigMap> = Api::all(client);
    let mut seen = Vec::new();
    let mut page = ListParams::default().limit(1);
    loop {
        let list = maps.list(&page).await.unwrap();
        seen.extend(list.items.into_iter().map(|map| map.metadata.namespace));
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = ListParams::default().limit(1).continue_token(&token),
            None => break,
        }
    }
    assert_eq!(seen, [Some("a".to_owned()), Some("a-b".to_owned())]);
}
