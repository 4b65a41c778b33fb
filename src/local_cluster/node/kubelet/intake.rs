//! From a pod as the API has it to what the kubelet knows of it.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::place::PodPlace;
use super::state::{Container, Ended, Failure, Ground, PodState, RestartPolicy, Role, Run};
use crate::local_cluster::objects::Object;

/// What the kubelet knows of a pod that it has just got.
#[must_use]
pub fn new_state(pod: &Value, now: Timestamp) -> PodState {
    let spec = &pod["spec"];
    let grace = spec["terminationGracePeriodSeconds"].as_u64().unwrap_or(30);
    let inits = list(&spec["initContainers"]).map(|init| match init["restartPolicy"].as_str() {
        Some("Always") => container(init, Role::Sidecar),
        _ => container(init, Role::Init),
    });
    let apps = list(&spec["containers"]).map(|app| container(app, Role::App));
    PodState {
        title: title(pod),
        started: moment(&pod["status"]["startTime"]).unwrap_or(now),
        restart_policy: match spec["restartPolicy"].as_str() {
            Some("Never") => RestartPolicy::Never,
            Some("OnFailure") => RestartPolicy::OnFailure,
            _ => RestartPolicy::Always,
        },
        grace: Duration::from_secs(grace),
        deadline: deadline(pod),
        ground: Ground::Missing {
            due: now,
            delay: Duration::ZERO,
        },
        containers: inits.chain(apps).collect(),
        failure: None,
        deletion: None,
        over_since: None,
        torn_down: false,
        settled: false,
    }
}

/// What the kubelet knows of a pod that an earlier server had already begun with; the state of
/// containers that have a directory is to be told afterwards.
#[must_use]
pub fn former_state(pod: &Value, place: &PodPlace, now: Timestamp) -> PodState {
    let mut state = new_state(pod, now);
    let status = &pod["status"];
    if is_final(pod) {
        state.settled = true;
        state.over_since = Some(now);
    }
    if let (true, Some(reason)) = (state.settled, status["reason"].as_str()) {
        state.failure = Some(Failure {
            reason: reason.to_owned(),
            message: status["message"].as_str().unwrap_or_default().to_owned(),
            since: now,
            kill_at: now,
        });
    }
    let mut begun = false;
    for container in &mut state.containers {
        let told = container_status(pod, container);
        let newest = place.newest_run(&container.name);
        begun |= newest.is_some() || !told["containerID"].is_null();
        match newest {
            Some(number) => {
                container.restarts = number.saturating_sub(1);
                container.id = Some(place.id(&container.name, number));
            }
            None if !told["containerID"].is_null() || !told["state"]["terminated"].is_null() => {
                // It ran, and its files are gone: nobody will ever know.
                container.run = Run::Ended(Ended::unknown());
            }
            None => {}
        }
    }
    if begun {
        state.ground = Ground::Ready;
    }
    state
}

/// Takes in what the API shows of containers that take no process: there is nothing else that
/// knows of them. Gives those that run, with the moment of their start.
pub fn take_told(pod: &Value, state: &mut PodState) -> Vec<(usize, Timestamp)> {
    let mut running = Vec::new();
    for (index, container) in state.containers.iter_mut().enumerate() {
        let told = container_status(pod, container);
        let Some(id) = told["containerID"].as_str() else {
            continue;
        };
        container.id = Some(id.to_owned());
        container.restarts = count(&told["restartCount"]);
        container.last = told["lastState"].get("terminated").map(ended);
        if let Some(started_at) = moment(&told["state"]["running"]["startedAt"]) {
            running.push((index, started_at));
            container.run = Run::Running {
                id: id.to_owned(),
                started_at,
            };
        } else if let Some(told) = told["state"].get("terminated") {
            container.run = Run::Ended(ended(told));
        } else {
            container.run = Run::Waiting(None);
        }
        state.ground = Ground::Ready;
    }
    running
}

fn ended(told: &Value) -> Ended {
    let text = |member: &str| told[member].as_str().map(str::to_owned);
    Ended {
        exit_code: i32::try_from(told["exitCode"].as_i64().unwrap_or_default()).unwrap_or(-1),
        reason: text("reason").unwrap_or_default(),
        message: text("message"),
        started_at: moment(&told["startedAt"]),
        finished_at: moment(&told["finishedAt"]),
        id: text("containerID"),
    }
}

fn count(told: &Value) -> u32 {
    told.as_u64()
        .and_then(|count| u32::try_from(count).ok())
        .unwrap_or_default()
}

/// Whether the API already shows the final phase.
#[must_use]
pub fn is_final(pod: &Value) -> bool {
    matches!(
        pod["status"]["phase"].as_str(),
        Some("Succeeded" | "Failed")
    )
}

/// `activeDeadlineSeconds`.
#[must_use]
pub fn deadline(pod: &Value) -> Option<Duration> {
    let seconds = pod["spec"]["activeDeadlineSeconds"].as_u64()?;
    Some(Duration::from_secs(seconds))
}

/// The time that a pod which is being deleted gets to end.
#[must_use]
pub fn deletion(pod: &Value) -> Option<Duration> {
    let metadata = &pod["metadata"];
    metadata["deletionTimestamp"].as_str()?;
    let seconds = metadata["deletionGracePeriodSeconds"]
        .as_u64()
        .unwrap_or(30);
    Some(Duration::from_secs(seconds))
}

/// Whether `told` is nothing but `own`, our own last write, all of which `state` knows. What others
/// have written before that was told by itself, unless the watch has begun anew meanwhile.
#[must_use]
pub fn is_echo(told: &Object, own: &Object, state: &PodState) -> bool {
    told.is_version(own)
        && state.deadline == deadline(own)
        && state.deletion.is_some() == deletion(own).is_some()
}

/// Whether the API has let the pod go, and its object is gone in a moment: nothing is to be told
/// of it any more.
#[must_use]
pub fn is_let_go(pod: &Value) -> bool {
    let metadata = &pod["metadata"];
    let held = metadata["finalizers"]
        .as_array()
        .is_some_and(|all| !all.is_empty());
    metadata["deletionGracePeriodSeconds"] == 0 && !held
}

/// As [`is_let_go`], read from the object's bytes.
#[must_use]
pub fn is_leaving(pod: &Object) -> bool {
    let held = || {
        let finalizers = pod.member(&["metadata", "finalizers"]);
        finalizers.is_some_and(|all| all.as_array().is_some_and(|all| !all.is_empty()))
    };
    pod.member(&["metadata", "deletionGracePeriodSeconds"]) == Some(0.into()) && !held()
}

/// The spec of `container`.
#[must_use]
pub fn spec_of<'a>(pod: &'a Value, container: &Container) -> &'a Value {
    let member = match container.role {
        Role::App => "containers",
        Role::Init | Role::Sidecar => "initContainers",
    };
    let found = list(&pod["spec"][member]).find(|one| one["name"] == container.name.as_str());
    found.unwrap_or(&Value::Null)
}

fn container_status<'a>(pod: &'a Value, container: &Container) -> &'a Value {
    let member = match container.role {
        Role::App => "containerStatuses",
        Role::Init | Role::Sidecar => "initContainerStatuses",
    };
    let found = list(&pod["status"][member]).find(|one| one["name"] == container.name.as_str());
    found.unwrap_or(&Value::Null)
}

fn container(spec: &Value, role: Role) -> Container {
    Container::new(spec["name"].as_str().unwrap_or_default(), role)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn moment(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

fn title(pod: &Value) -> String {
    let metadata = &pod["metadata"];
    let text = |member: &str| metadata[member].as_str().unwrap_or_default();
    format!("{}_{}({})", text("name"), text("namespace"), text("uid"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::local_cluster::objects::{ObjectKey, Objects, Preconditions, Resource};

    #[test]
    fn whether_a_pod_is_let_go_is_read_from_its_bytes_too() {
        for (metadata, leaving) in [
            (json!({}), false),
            (json!({"deletionGracePeriodSeconds": 30}), false),
            (json!({"deletionGracePeriodSeconds": 0}), true),
            (
                json!({"deletionGracePeriodSeconds": 0, "finalizers": []}),
                true,
            ),
            (
                json!({"deletionGracePeriodSeconds": 0, "finalizers": ["x/y"]}),
                false,
            ),
        ] {
            let pod = Object::from(json!({"metadata": metadata}));
            assert_eq!(is_leaving(&pod.packed()), leaving, "{pod:?}");
            assert_eq!(is_let_go(&pod), leaving, "{pod:?}");
        }
    }

    #[test]
    fn only_our_own_last_write_of_what_we_know_is_an_echo() {
        let objects = Objects::in_memory();
        let pod = json!({"metadata": {"name": "p", "namespace": "n"}, "spec": {}});
        let first = objects.create(Resource::Pod, pod).unwrap();
        let state = new_state(&first, Timestamp::now());
        let key = ObjectKey::namespaced(Resource::Pod, "n", "p");
        let write = |change: fn(&mut Value)| {
            objects.update(&key, Preconditions::none(), change).unwrap();
            objects.get(&key).unwrap()
        };
        assert!(is_echo(&objects.get(&key).unwrap(), &first, &state));
        let own = write(|pod| pod["status"] = json!({"phase": "Running"}));
        assert!(is_echo(&own, &own, &state));
        // Somebody else's write, however little it says.
        let label = write(|pod| pod["metadata"]["labels"] = json!({"a": "1"}));
        assert!(!is_echo(&label, &own, &state));
        // Our own write, on top of what another wanted and we were never told of.
        let shortened = write(|pod| pod["spec"]["activeDeadlineSeconds"] = 5.into());
        assert!(!is_echo(&shortened, &shortened, &state));
        let deleted = write(|pod| {
            pod["spec"] = json!({});
            pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        });
        assert!(!is_echo(&deleted, &deleted, &state));
    }
}
