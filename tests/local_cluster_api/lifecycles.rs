//! The recorded lives of pods, lived again on our own node: the same pods, real processes, the
//! same requests, and the same states in the same order.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::TryStreamExt;
use futures::future::join_all;
use http::Request;
use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, AttachParams, WatchEvent};
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::cluster::{Cluster, PATIENCE, options};

/// Between two requests as much time passes as in the recording, but no more than this: enough
/// for what must not happen meanwhile to happen.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

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
    let different: Vec<String> = join_all(lives).await.into_iter().flatten().collect();
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
    let watching = follow(client, name, seen);
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

async fn follow(client: &Client, name: &str, seen: watch::Sender<Vec<State>>) {
    let path = format!(
        "/api/v1/namespaces/rec/pods?watch=1&fieldSelector=metadata.name={name}&timeoutSeconds=120"
    );
    let request = Request::get(path).body(Vec::new()).unwrap();
    let stream = client.request_events::<Value>(request).await.unwrap();
    let mut stream = std::pin::pin!(stream);
    while let Some(event) = stream.try_next().await.unwrap() {
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

/// What one event shows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    kind: String,
    facts: Vec<String>,
    /// By name.
    containers: BTreeMap<String, String>,
}

impl State {
    fn of(kind: &str, pod: &Value) -> Self {
        let status = &pod["status"];
        let mut facts = vec![
            format!("phase={}", status["phase"]),
            format!("reason={}", status["reason"]),
            format!("grace={}", pod["metadata"]["deletionGracePeriodSeconds"]),
        ];
        let mut conditions: Vec<String> = status["conditions"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| format!("{}={}/{}", one["type"], one["status"], one["reason"]))
            .collect();
        conditions.sort();
        facts.extend(conditions);
        let mut containers = BTreeMap::new();
        for list in ["initContainerStatuses", "containerStatuses"] {
            for one in status[list].as_array().into_iter().flatten() {
                let (kind, state) = one["state"].as_object().unwrap().iter().next().unwrap();
                let shown = format!(
                    "{kind}/{}/{} restarts={} last={}",
                    state["reason"],
                    state["exitCode"],
                    one["restartCount"],
                    one["lastState"]["terminated"]["exitCode"],
                );
                containers.insert(one["name"].to_string(), shown);
            }
        }
        Self {
            kind: kind.to_owned(),
            facts,
            containers,
        }
    }

    /// Whether a node that is quicker or slower than the recorded one may leave this state out: a
    /// container ends, or goes from one try of its image to the next, before anybody has looked.
    fn may_be_missed(&self, next: Option<&Self>) -> bool {
        let Some(next) = next.filter(|_| self.kind == "MODIFIED") else {
            return false;
        };
        self.containers.iter().any(|(name, now)| {
            let then = next.containers.get(name).map_or("", String::as_str);
            let ends = now.starts_with("running") && then.starts_with("terminated");
            let pulls = |state: &str| {
                state.starts_with("waiting/\"ErrImagePull\"")
                    || state.starts_with("waiting/\"ImagePullBackOff\"")
            };
            ends || (pulls(now) && pulls(then))
        })
    }
}

/// Adds a state, if it shows anything new.
fn add(story: &mut Vec<State>, state: State) {
    let known = story.last().is_some_and(|last| {
        state.kind == "MODIFIED" && last.facts == state.facts && last.containers == state.containers
    });
    if !known {
        story.push(state);
    }
}

fn story<'a>(events: impl Iterator<Item = (&'a str, &'a Value)>) -> Vec<State> {
    let mut story = Vec::new();
    for (kind, pod) in events {
        add(&mut story, State::of(kind, pod));
    }
    story
}

/// Whether all has happened that the recording shows.
fn is_over(expected: &[State], lived: &[State]) -> bool {
    difference(expected, lived).is_none() || lived.last().is_some_and(|last| last.kind == "DELETED")
}

/// Where two lives part.
fn difference(expected: &[State], lived: &[State]) -> Option<String> {
    let (mut i, mut j) = (0, 0);
    while i < expected.len() || j < lived.len() {
        let (wanted, found) = (expected.get(i), lived.get(j));
        if wanted == found {
            (i, j) = (i + 1, j + 1);
        } else if wanted.is_some_and(|one| one.may_be_missed(expected.get(i + 1))) {
            i += 1;
        } else if found.is_some_and(|one| one.may_be_missed(lived.get(j + 1))) {
            j += 1;
        } else {
            return Some(format!("wanted {wanted:?}\n  found  {found:?}"));
        }
    }
    None
}

/// The comparison itself must notice what it is there for.
#[test]
fn lives_that_differ_are_told_apart() {
    let pod = |phase: &str, state: Value| {
        json!({"metadata": {}, "status": {"phase": phase, "containerStatuses": [
            {"name": "base", "state": state, "restartCount": 0, "lastState": {}}]}})
    };
    let waiting = pod(
        "Pending",
        json!({"waiting": {"reason": "ContainerCreating"}}),
    );
    let running = pod("Running", json!({"running": {}}));
    let ended = pod(
        "Running",
        json!({"terminated": {"reason": "Error", "exitCode": 1}}),
    );
    let failed = pod(
        "Failed",
        json!({"terminated": {"reason": "Error", "exitCode": 1}}),
    );
    let life = |pods: &[&Value]| story(pods.iter().map(|pod| ("MODIFIED", *pod)));
    let whole = life(&[&waiting, &running, &ended, &failed]);
    assert_eq!(
        difference(&whole, &life(&[&waiting, &ended, &failed])),
        None
    );
    assert_eq!(
        difference(&life(&[&waiting, &ended, &failed]), &whole),
        None
    );
    for wrong in [
        life(&[&waiting, &running, &ended]),
        life(&[&waiting, &running, &failed]),
        life(&[&running, &waiting, &ended, &failed]),
        life(&[&waiting, &running, &ended, &failed, &running]),
    ] {
        assert!(difference(&whole, &wrong).is_some(), "{wrong:?}");
    }
}
