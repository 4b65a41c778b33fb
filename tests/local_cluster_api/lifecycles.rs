//! The recorded lives of pods, lived again on our own node: the same pods, real processes, the
//! same requests, and the same states in the same order.

use std::time::Duration;

use futures::{Stream, StreamExt, TryStreamExt, stream};
use http::Request;
use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, AttachParams, WatchEvent};
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::cluster::{Cluster, PATIENCE, options};
use crate::story::{State, add, difference, story};

/// Between two requests as much time passes as in the recording, but no more than this: enough
/// for what must not happen meanwhile to happen.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// So many lives are lived at a time: most of them wait most of the time.
const AT_ONCE: usize = 16;

fn recordings() -> Vec<Value> {
    let dir = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/recordings/lifecycles"
    );
    let mut paths: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_live_as_recorded() {
    let mut options = options();
    options.settings.images = vec!["busybox".to_owned()];
    let cluster = Cluster::start_with(&options);
    let client = cluster.client().await;
    let namespace = json!({"metadata": {"name": "rec"}});
    let (code, _) = send(&client, "POST", "/api/v1/namespaces", None, &namespace).await;
    assert_eq!(code, 201);
    let recordings = recordings();
    assert_eq!(recordings.len(), 36);
    let lives = recordings.iter().map(|one| live(&client, one));
    let different: Vec<Option<String>> = stream::iter(lives)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let different: Vec<String> = different.into_iter().flatten().collect();
    assert!(
        different.is_empty(),
        "{} lives differ:\n{}",
        different.len(),
        different.join("\n")
    );
}

/// Lives one life; tells what was different.
async fn live(client: &Client, recording: &Value) -> Option<String> {
    let name = recording["manifest"]["metadata"]["name"].as_str().unwrap();
    let events = recording["watch_events"].as_array().unwrap();
    let expected = story(events.iter().map(|event| {
        let kind = event["type"].as_str().unwrap();
        (kind, &event["object"])
    }));
    let (seen, news) = watch::channel(Vec::new());
    let watching = follow(watch_for(client, name).await, seen);
    let living = async {
        let mut complaints = act(client, recording, news.clone()).await;
        let lived = wait(news.clone(), |lived| is_over(&expected, lived)).await;
        if let Some(why) = difference(&expected, &lived) {
            complaints.push(why);
        }
        complaints.extend(last_logs(client, recording).await);
        complaints
    };
    let complaints = tokio::select! {
        complaints = living => complaints,
        () = watching => vec!["the watch has ended".to_owned()],
    };
    (!complaints.is_empty()).then(|| format!("{name}: {}", complaints.join("\n  ")))
}

/// Watches the pod from before its creation on.
async fn watch_for(
    client: &Client,
    name: &str,
) -> impl Stream<Item = kube::Result<WatchEvent<Value>>> + use<> {
    let path = format!(
        "/api/v1/namespaces/rec/pods?watch=1&fieldSelector=metadata.name={name}&timeoutSeconds=120"
    );
    let request = Request::get(path).body(Vec::new()).unwrap();
    client.request_events(request).await.unwrap()
}

async fn follow(
    events: impl Stream<Item = kube::Result<WatchEvent<Value>>>,
    seen: watch::Sender<Vec<State>>,
) {
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.try_next().await.unwrap() {
        let (kind, pod) = match &event {
            WatchEvent::Added(pod) => ("ADDED", pod),
            WatchEvent::Modified(pod) => ("MODIFIED", pod),
            WatchEvent::Deleted(pod) => ("DELETED", pod),
            other => panic!("{other:?}"),
        };
        let state = State::of(kind, pod);
        seen.send_modify(|seen| add(seen, state));
    }
}

/// Waits until the life is as wanted, or for long enough.
async fn wait(
    mut news: watch::Receiver<Vec<State>>,
    wanted: impl Fn(&[State]) -> bool,
) -> Vec<State> {
    let waiting = tokio::time::timeout(PATIENCE, news.wait_for(|lived| wanted(lived)));
    if let Ok(lived) = waiting.await {
        return lived.unwrap().clone();
    }
    news.borrow().clone()
}

/// Sends the recorded requests, each once the pod has come to where it was in the recording.
async fn act(client: &Client, recording: &Value, news: watch::Receiver<Vec<State>>) -> Vec<String> {
    let mut complaints = Vec::new();
    for action in recording["actions"].as_array().unwrap() {
        let at = |event: &Value| event["t_ms"].as_u64().unwrap();
        let events = recording["watch_events"].as_array().unwrap();
        let before: Vec<&Value> = events
            .iter()
            .filter(|event| at(event) < at(action))
            .collect();
        if let Some(last) = before.last() {
            let former = story(
                before
                    .iter()
                    .map(|event| (event["type"].as_str().unwrap(), &event["object"])),
            );
            let state = former.last().unwrap().clone();
            let times = |lived: &[State]| lived.iter().filter(|one| **one == state).count();
            let wanted = times(&former);
            let lived = wait(news.clone(), |lived| times(lived) >= wanted).await;
            if times(&lived) < wanted {
                complaints.push(format!("it never came to {state:?}"));
                return complaints;
            }
            let pause = Duration::from_millis(at(action) - at(last));
            tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
        }
        let request = &action["request"];
        let wanted = action["response"]["status"].as_u64();
        let found = match request["command"].as_array() {
            Some(_) => exec(client, recording, request).await,
            None => {
                let (code, _) = send(
                    client,
                    request["method"].as_str().unwrap(),
                    request["path"].as_str().unwrap(),
                    request["content_type"].as_str(),
                    &request["body"],
                )
                .await;
                Some(u64::from(code))
            }
        };
        if found != wanted {
            complaints.push(format!(
                "{}: wanted {wanted:?}, found {found:?}",
                action["about"]
            ));
        }
    }
    complaints
}

/// Runs a command to its end. None if all is well, as in the recording.
async fn exec(client: &Client, recording: &Value, request: &Value) -> Option<u64> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), "rec");
    let name = recording["manifest"]["metadata"]["name"].as_str().unwrap();
    let command: Vec<&str> = request["command"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let params = AttachParams::default()
        .container(request["container"].as_str().unwrap())
        .stdout(true)
        .stderr(false);
    match pods.exec(name, command, &params).await {
        Ok(mut process) => {
            let status = process.take_status().unwrap().await;
            assert_eq!(status.unwrap().status.as_deref(), Some("Success"));
            None
        }
        // The client does not tell the status of a refused upgrade apart.
        Err(_) => Some(500),
    }
}

async fn send(
    client: &Client,
    method: &str,
    path: &str,
    content_type: Option<&str>,
    body: &Value,
) -> (u16, Vec<u8>) {
    let body = match body {
        Value::Null => Vec::new(),
        body => body.to_string().into_bytes(),
    };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", content_type.unwrap_or("application/json"))
        .body(Body::from(body))
        .unwrap();
    let response = client.send(request).await.unwrap();
    let code = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (code, bytes.to_vec())
}

/// What of the logs that were asked for when all was over is different.
async fn last_logs(client: &Client, recording: &Value) -> Vec<String> {
    let mut complaints = Vec::new();
    let name = recording["manifest"]["metadata"]["name"].as_str().unwrap();
    let end = |list: &str| {
        let last = recording[list].as_array().unwrap().last();
        last.map_or(0, |one| one["t_ms"].as_u64().unwrap())
    };
    let over = end("watch_events").max(end("actions"));
    for one in recording["logs"].as_array().unwrap() {
        if one["t_ms"].as_u64().unwrap() <= over {
            continue;
        }
        let container = one["container"].as_str().unwrap();
        let path =
            format!("/api/v1/namespaces/rec/pods/{name}/log?container={container}&timestamps=true");
        let (code, body) = send(client, "GET", &path, None, &Value::Null).await;
        let body = String::from_utf8(body).unwrap();
        let wanted = one["text"].as_str().unwrap();
        if u64::from(code) != one["status"].as_u64().unwrap() || lines(&body) != lines(wanted) {
            complaints.push(format!("the log of {container}: {code} {body}"));
        }
    }
    complaints
}

/// The lines without their stamps. Those of the two outputs may come in any order.
fn lines(log: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = log
        .lines()
        .map(|line| match line.split_once(' ') {
            Some((stamp, line)) if stamp.len() == 30 && stamp.ends_with('Z') => line,
            Some(_) | None => line,
        })
        .collect();
    lines.sort_unstable();
    lines
}

/// Whether all has happened that the recording shows.
fn is_over(expected: &[State], lived: &[State]) -> bool {
    difference(expected, lived).is_none() || lived.last().is_some_and(|last| last.kind == "DELETED")
}
