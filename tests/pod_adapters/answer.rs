//! What the small API server answers to which request.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::api::Shared;
use crate::streams::{serve_log, watch};

pub(crate) fn status(code: u16, reason: &str, details: Value) -> Value {
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
pub(crate) fn matches(pod: &Value, selector: &str) -> bool {
    selector
        .split(',')
        .filter(|part| !part.is_empty())
        .all(|part| {
            let labels = &pod["metadata"]["labels"];
            if let Some((key, value)) = part.split_once("!=") {
                return labels[key] != value;
            }
            match part.split_once('=') {
                Some((key, value)) => labels[key] == value,
                None => !labels[part].is_null(),
            }
        })
}

pub(crate) async fn answer(State(shared): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let line = format!("{} {}", parts.method, parts.uri);
    shared.inner.lock().unwrap().requests.push(line.clone());
    shared.asked.notify_waiters();
    let_go(&shared, &line).await;
    let fault = {
        let mut inner = shared.inner.lock().unwrap();
        if let Some(token) = &inner.token {
            let given = parts
                .headers
                .get("authorization")
                .map(|value| value.to_str().unwrap());
            if given != Some(&format!("Bearer {token}")) {
                inner.refused += 1;
                return send(401, &status(401, "Unauthorized", Value::Null));
            }
        }
        let at = inner
            .faults
            .iter()
            .position(|fault| line.contains(fault.what));
        at.and_then(|at| inner.faults.remove(at))
    };
    let Some(fault) = fault else {
        return carry_out(shared, &parts, &body);
    };
    if fault.done {
        drop(carry_out(shared, &parts, &body));
    }
    let mut response = send(fault.code, &fault.body);
    if let Some(seconds) = fault.retry_after {
        response.headers_mut().insert("retry-after", seconds.into());
    }
    response
}

/// Waits until a request like that may be answered.
async fn let_go(shared: &Shared, line: &str) {
    loop {
        let changed = shared.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let held = shared.inner.lock().unwrap().held;
        if held.is_none_or(|what| !line.contains(what)) {
            return;
        }
        changed.await;
    }
}

fn carry_out(shared: Shared, parts: &http::request::Parts, body: &[u8]) -> Response {
    let query: BTreeMap<String, String> = serde_query(parts.uri.query().unwrap_or_default());
    let mut inner = shared.inner.lock().unwrap();
    let path: Vec<&str> = parts.uri.path().trim_matches('/').split('/').collect();
    let get = |key: &str| query.get(key).map(String::as_str).unwrap_or_default();
    match (&parts.method, path.as_slice()) {
        (&Method::GET, ["version"]) => send(200, &json!({"gitVersion": "v1.36.2"})),
        (&Method::POST, ["api", "v1", "namespaces", namespace, "pods"]) => {
            let mut pod: Value = serde_json::from_slice(body).unwrap();
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
            let options: Value = serde_json::from_slice(body).unwrap();
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
            let patch: Value = serde_json::from_slice(body).unwrap();
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
