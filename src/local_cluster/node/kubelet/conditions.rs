//! The conditions of a pod.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::state::{Container, Ended, Ground, Outcome, PodState, Role};
use super::status::{is_ready, seconds};

/// The conditions that the kubelet writes, in its order, after those of others.
const OURS: [&str; 5] = [
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
    "PodScheduled",
];

/// One condition before its times are known.
struct Told {
    holds: bool,
    reason: Option<&'static str>,
    message: Option<String>,
}

impl Told {
    fn plain(holds: bool) -> Self {
        Self {
            holds,
            reason: None,
            message: None,
        }
    }

    fn because(holds: bool, reason: &'static str, message: Option<String>) -> Self {
        Self {
            holds,
            reason: Some(reason),
            message,
        }
    }
}

/// All conditions of `pod` as they are now.
pub fn conditions(pod: &Value, state: &PodState, now: Timestamp) -> Value {
    let before = pod["status"]["conditions"].as_array();
    let before: Vec<&Value> = before.into_iter().flatten().collect();
    let of_others = before
        .iter()
        .filter(|condition| !OURS.iter().any(|ours| condition["type"] == *ours))
        .map(|condition| (*condition).clone());
    let ours = OURS.iter().map(|name| {
        let former = before.iter().find(|condition| condition["type"] == *name);
        written(pod, name, &told(name, state), former.copied(), now)
    });
    of_others.chain(ours).collect()
}

fn written(pod: &Value, name: &str, told: &Told, former: Option<&Value>, now: Timestamp) -> Value {
    let holds = if told.holds { "True" } else { "False" };
    let since = former
        .filter(|former| former["status"] == holds)
        .map_or_else(
            || seconds(now),
            |former| former["lastTransitionTime"].clone(),
        );
    let mut condition = Map::new();
    let mut put = |member: &str, value: Value| condition.insert(member.to_owned(), value);
    put("type", name.into());
    put("observedGeneration", pod["metadata"]["generation"].clone());
    put("status", holds.into());
    put("lastProbeTime", Value::Null);
    put("lastTransitionTime", since);
    if let Some(reason) = told.reason {
        put("reason", reason.into());
    }
    if let Some(message) = &told.message {
        put("message", message.as_str().into());
    }
    Value::Object(condition)
}

fn told(name: &str, state: &PodState) -> Told {
    match name {
        "PodReadyToStartContainers" => Told::plain(stands(state)),
        "Initialized" => initialized(state),
        "Ready" | "ContainersReady" => ready(state),
        _ => Told::plain(true),
    }
}

/// Whether what containers run in is there: from the volumes to the final phase.
fn stands(state: &PodState) -> bool {
    state.ground == Ground::Ready && !state.settled && !state.torn_down
}

fn initialized(state: &PodState) -> Told {
    let left: Vec<&str> = state
        .containers
        .iter()
        .filter(|container| match container.role {
            Role::App => false,
            Role::Init => !is_ready(container),
            Role::Sidecar => !container.has_run(),
        })
        .map(|container| container.name.as_str())
        .collect();
    if !left.is_empty() {
        let message = format!("containers with incomplete status: [{}]", left.join(" "));
        return Told::because(false, "ContainersNotInitialized", Some(message));
    }
    match verdict(state) {
        Outcome::Succeeded => Told::because(true, "PodCompleted", None),
        Outcome::Pending | Outcome::Running | Outcome::Failed => Told::plain(true),
    }
}

fn ready(state: &PodState) -> Told {
    match verdict(state) {
        Outcome::Succeeded => return Told::because(false, "PodCompleted", None),
        Outcome::Failed => return Told::because(false, "PodFailed", None),
        Outcome::Pending | Outcome::Running => {}
    }
    let unready: Vec<&str> = state
        .containers
        .iter()
        .filter(|container| container.role != Role::Init && !is_ready(container))
        .map(|container| container.name.as_str())
        .collect();
    if unready.is_empty() {
        return Told::plain(true);
    }
    let message = format!("containers with unready status: [{}]", unready.join(" "));
    Told::because(false, "ContainersNotReady", Some(message))
}

/// What the pod has come to, as far as the reasons of conditions tell: a pod that was given up
/// before it ever started is not called failed there.
fn verdict(state: &PodState) -> Outcome {
    let lost = |one: &Container| one.ended().is_some_and(Ended::is_unknown);
    match &state.failure {
        Some(_) => Outcome::Failed,
        None if state.containers.iter().any(lost) => Outcome::Pending,
        None => state.outcome(),
    }
}
