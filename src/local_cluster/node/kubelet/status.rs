//! What the API shows of a pod: pure, from what the kubelet knows to `status`.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::conditions::conditions;
use super::images;
use super::intake::spec_of;
use super::state::{Container, Ended, Outcome, PodState, Role, Run};

/// What a status tells of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFacts {
    /// The address of the node, which is that of its pods too: they share its network.
    pub address: String,
    /// User and group of a container's first process, as seen inside.
    pub user: (u32, u32),
}

/// The status of `pod`, whose former status is taken into account: conditions keep the time of
/// their last change, and those of others stay.
fn status(pod: &Value, state: &PodState, facts: &NodeFacts, now: Timestamp) -> Value {
    let before = &pod["status"];
    let mut status = Map::new();
    let mut put = |member: &str, value: Value| status.insert(member.to_owned(), value);
    put("observedGeneration", pod["metadata"]["generation"].clone());
    put("phase", phase(state).into());
    put("conditions", conditions(pod, state, now));
    if let Some(failure) = state.failure.as_ref().filter(|_| state.settled) {
        put("message", failure.message.as_str().into());
        put("reason", failure.reason.as_str().into());
    }
    put("hostIP", facts.address.as_str().into());
    put("hostIPs", json!([{"ip": facts.address}]));
    if !before["podIP"].is_null() || state.containers.iter().any(is_past_creation) {
        put("podIP", facts.address.as_str().into());
        put("podIPs", json!([{"ip": facts.address}]));
    }
    put("startTime", seconds(state.started));
    if state.containers.iter().any(|one| one.role != Role::App) {
        let inits = state.containers.iter().filter(|one| one.role != Role::App);
        put("initContainerStatuses", statuses(pod, state, facts, inits));
    }
    let mut apps: Vec<_> = state.of(Role::App).collect();
    apps.sort_by(|one, other| one.name.cmp(&other.name));
    put("containerStatuses", statuses(pod, state, facts, apps));
    put("qosClass", before["qosClass"].clone());
    put("resources", json!({}));
    Value::Object(status)
}

/// The status that `pod` should show; none if it shows it already. The order of conditions alone,
/// which others may have changed, is not worth an event.
#[must_use]
pub fn next(pod: &Value, state: &PodState, facts: &NodeFacts, now: Timestamp) -> Option<Value> {
    let next = status(pod, state, facts, now);
    (!says_the_same(&pod["status"], &next)).then_some(next)
}

fn says_the_same(one: &Value, other: &Value) -> bool {
    let (Some(one), Some(other)) = (one.as_object(), other.as_object()) else {
        return false;
    };
    let same = |name: &str, value: &Value| match (name, value, other.get(name)) {
        ("conditions", Value::Array(one), Some(Value::Array(other))) => {
            one.len() == other.len() && one.iter().all(|condition| other.contains(condition))
        }
        (_, value, found) => found == Some(value),
    };
    one.len() == other.len() && one.iter().all(|(name, value)| same(name, value))
}

/// The phase that is shown. It follows the end of the containers only after a while, unless the
/// pod is made to end.
fn phase(state: &PodState) -> &'static str {
    if state.settled {
        let failed = state.failure.is_some() || state.deletion.is_some();
        return match state.outcome() {
            Outcome::Succeeded if state.failure.is_none() => Outcome::Succeeded.phase(),
            Outcome::Pending | Outcome::Running if !failed => state.outcome().phase(),
            Outcome::Pending | Outcome::Running | Outcome::Succeeded | Outcome::Failed => {
                Outcome::Failed.phase()
            }
        };
    }
    match state.outcome() {
        Outcome::Pending => Outcome::Pending.phase(),
        Outcome::Running => Outcome::Running.phase(),
        Outcome::Succeeded | Outcome::Failed => {
            if state.of(Role::App).any(Container::has_run) {
                Outcome::Running.phase()
            } else {
                Outcome::Pending.phase()
            }
        }
    }
}

/// Whether more is known of the container than that it waits for its turn.
fn is_past_creation(container: &Container) -> bool {
    container.id.is_some() || matches!(container.run, Run::Waiting(Some(_)))
}

fn statuses<'a>(
    pod: &Value,
    state: &PodState,
    facts: &NodeFacts,
    containers: impl IntoIterator<Item = &'a Container>,
) -> Value {
    containers
        .into_iter()
        .map(|container| container_status(spec_of(pod, container), state, facts, container))
        .collect()
}

fn container_status(
    spec: &Value,
    state: &PodState,
    facts: &NodeFacts,
    container: &Container,
) -> Value {
    let image = spec["image"].as_str().unwrap_or_default();
    let exists = container.id.is_some();
    let mut status = Map::new();
    let mut put = |member: &str, value: Value| status.insert(member.to_owned(), value);
    put("name", container.name.as_str().into());
    put("state", run(state, container));
    put("lastState", last(container));
    put("ready", is_ready(container).into());
    put("restartCount", container.restarts.into());
    if exists {
        put("image", images::resolved(image).into());
        put("imageID", images::id(image).into());
    } else {
        put("image", image.into());
        put("imageID", "".into());
    }
    if let Some(id) = &container.id {
        put("containerID", id.as_str().into());
    }
    put("started", container.is_running().into());
    if exists {
        if let Some(requests) = spec["resources"].get("requests") {
            put("allocatedResources", requests.clone());
        }
        let resources = spec.get("resources").cloned();
        put("resources", resources.unwrap_or_else(|| json!({})));
    }
    if let Some(mounts) = spec["volumeMounts"]
        .as_array()
        .filter(|all| !all.is_empty())
    {
        put("volumeMounts", mounts.iter().map(mount_status).collect());
    }
    if exists {
        let (uid, gid) = facts.user;
        let linux = json!({"uid": uid, "gid": gid, "supplementalGroups": [gid]});
        put("user", json!({"linux": linux}));
    }
    Value::Object(status)
}

fn mount_status(mount: &Value) -> Value {
    let mut shown = json!({"name": mount["name"], "mountPath": mount["mountPath"]});
    if mount["readOnly"] == true {
        shown["readOnly"] = true.into();
        shown["recursiveReadOnly"] = "Disabled".into();
    }
    shown
}

/// Whether a container counts as ready: one that runs, or an init container that has done its
/// work.
#[must_use]
pub fn is_ready(container: &Container) -> bool {
    match container.role {
        Role::App | Role::Sidecar => container.is_running(),
        Role::Init => container.ended().is_some_and(|ended| ended.exit_code == 0),
    }
}

fn run(state: &PodState, container: &Container) -> Value {
    match &container.run {
        Run::Waiting(waiting) => {
            // A pod that is to go is told of as if nothing had been tried.
            let waiting = waiting.as_ref().filter(|_| state.deletion.is_none());
            let Some(waiting) = waiting else {
                return json!({"waiting": {"reason": turn_reason(state)}});
            };
            let mut told = json!({"reason": waiting.reason});
            if let Some(message) = &waiting.message {
                told["message"] = message.as_str().into();
            }
            json!({"waiting": told})
        }
        Run::Running { started_at, .. } => json!({"running": {"startedAt": seconds(*started_at)}}),
        Run::Ended(ended) => json!({"terminated": terminated(ended)}),
    }
}

/// Why a container waits that nothing is wrong with.
fn turn_reason(state: &PodState) -> &'static str {
    if state.containers.iter().any(|one| one.role != Role::App) {
        "PodInitializing"
    } else {
        "ContainerCreating"
    }
}

fn last(container: &Container) -> Value {
    match &container.last {
        Some(ended) => json!({"terminated": terminated(ended)}),
        None => json!({}),
    }
}

fn terminated(ended: &Ended) -> Value {
    let mut told = json!({"exitCode": ended.exit_code, "reason": ended.reason});
    if let Some(message) = &ended.message {
        told["message"] = message.as_str().into();
    }
    // A container that was made but could not be started began at the beginning of time.
    let never = ended.id.as_ref().map(|_| Timestamp::UNIX_EPOCH);
    told["startedAt"] = ended.started_at.or(never).map_or(Value::Null, seconds);
    told["finishedAt"] = ended.finished_at.map_or(Value::Null, seconds);
    if let Some(id) = &ended.id {
        told["containerID"] = id.as_str().into();
    }
    told
}

/// A moment as the API writes it: whole seconds.
#[must_use]
pub fn seconds(moment: Timestamp) -> Value {
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into()
}
