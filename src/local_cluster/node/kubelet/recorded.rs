//! The recorded lives of pods, lived again: the same pods with containers that are made up, in a
//! time that is made up, must show the same states in the same order.

mod life;

use serde_json::Value;

use life::Life;

const RECORDINGS: &str = include_str!("../../../../tests/fixtures/lifecycles.json");

/// What a container of a made-up runtime does.
#[derive(Debug, Clone, Copy)]
enum Does {
    /// Ends by itself after so many milliseconds with that code.
    Ends(u64, i32),
    /// Runs until it is asked to end, and then takes so long and ends with that code.
    Obeys(u64, i32),
    /// Runs until it is killed.
    Ignores,
    /// Cannot be started.
    StartError,
    /// Cannot be made: waits with this reason, then with the next, and so on.
    Waits(&'static [(&'static str, u64)]),
}

use Does::{Ends, Ignores, Obeys, StartError, Waits};

/// A recording and what its containers do.
struct Case(&'static str, &'static [(&'static str, Does)]);

const CASES: &[Case] = &[
    Case("success", &[("base", Ends(2000, 0))]),
    Case("exit_3", &[("base", Ends(500, 3))]),
    Case("killed_by_own_signal", &[("base", Ends(500, 137))]),
    Case("termination_message", &[("base", Ends(300, 1))]),
    Case(
        "two_containers",
        &[("base", Ends(1000, 0)), ("sidecar", Ends(6000, 0))],
    ),
    Case(
        "two_containers_base_fails",
        &[("base", Ends(50, 2)), ("sidecar", Ends(4000, 0))],
    ),
    Case(
        "init_container_ok",
        &[("init", Ends(2000, 0)), ("base", Ends(1000, 0))],
    ),
    Case(
        "init_container_failing",
        &[("init", Ends(200, 4)), ("base", Ignores)],
    ),
    Case(
        "native_sidecar",
        &[("side", Obeys(200, 0)), ("base", Ends(2000, 0))],
    ),
    Case("bad_command", &[("base", StartError)]),
    Case(
        "xcom",
        &[
            ("base", Ends(50, 0)),
            ("airflow-xcom-sidecar", Ends(3000, 0)),
        ],
    ),
    Case("sigterm_graceful", &[("base", Obeys(1000, 143))]),
    Case("sigterm_default_exit0", &[("base", Obeys(100, 0))]),
    Case("sigkill_ignores_term", &[("base", Ignores)]),
    Case("delete_second_time_shorter_grace", &[("base", Ignores)]),
    Case("finalizer_running_deleted", &[("base", Obeys(100, 0))]),
    Case("evicted_api", &[("base", Obeys(100, 143))]),
    Case("delete_while_creating", &[("base", Ignores)]),
    Case("missing_secret_volume", &[("base", Ignores)]),
    Case("delete_while_image_pull_backoff", &[("base", PULL)]),
    Case("image_pull_fail", &[("base", PULL)]),
    Case(
        "invalid_image_name",
        &[("base", Waits(&[("InvalidImageName", 2000)]))],
    ),
    Case(
        "err_image_never_pull",
        &[("base", Waits(&[("ErrImageNeverPull", 2000)]))],
    ),
    Case(
        "missing_configmap",
        &[("base", Waits(&[("CreateContainerConfigError", 2000)]))],
    ),
    Case("force_delete", &[("base", Ignores)]),
    Case("delete_finished", &[("base", Ends(500, 0))]),
    Case("finalizer_finished_deleted", &[("base", Ends(500, 0))]),
    Case("active_deadline_exceeded", &[("base", Ignores)]),
    // Longer than recorded, because the recorded back-off took 13 s instead of 10.
    Case("crash_loop", &[("base", Ends(4000, 1))]),
];

/// As recorded: 11 s, 15 s.
const PULL: Does = Waits(&[
    ("ErrImagePull", 11_000),
    ("ImagePullBackOff", 15_000),
    ("ErrImagePull", 11_000),
    ("ImagePullBackOff", 60_000),
]);

#[test]
fn pods_show_the_recorded_states_in_the_recorded_order() {
    let recordings: Value = serde_json::from_str(RECORDINGS).unwrap();
    for Case(name, containers) in CASES {
        let recording = &recordings[name];
        let expected = story(recording["events"].as_array().unwrap().iter().map(shown));
        let mut life = Life::new(recording, containers);
        life.live();
        let lived = story(life.seen.iter().map(shown));
        for (number, (lived, expected)) in lived.iter().zip(&expected).enumerate() {
            assert_eq!(
                lived.lines().collect::<Vec<_>>(),
                expected.lines().collect::<Vec<_>>(),
                "{name}, state {number}"
            );
        }
        assert_eq!(lived.len(), expected.len(), "{name}: {:#?}", lived.last());
    }
}

/// One line for every fact that a state shows; what belongs to the recorded node is left out.
fn shown(pod: &Value) -> String {
    let (status, metadata) = (&pod["status"], &pod["metadata"]);
    let mut lines = vec![format!(
        "{} reason={} message={} grace={}",
        status["phase"],
        status["reason"],
        status["message"],
        metadata["deletionGracePeriodSeconds"],
    )];
    for member in [
        "startTime",
        "hostIP",
        "hostIPs",
        "podIP",
        "podIPs",
        "qosClass",
    ] {
        if !status[member].is_null() {
            lines.push(format!("has {member}"));
        }
    }
    for one in status["conditions"].as_array().into_iter().flatten() {
        lines.push(format!(
            "{}={} reason={} message={} observed={}",
            one["type"], one["status"], one["reason"], one["message"], one["observedGeneration"]
        ));
    }
    for list in ["initContainerStatuses", "containerStatuses"] {
        for one in status[list].as_array().into_iter().flatten() {
            lines.push(format!("{list} {}", container(one)));
        }
    }
    lines.join("\n")
}

fn container(status: &Value) -> String {
    let members: Vec<&str> = status
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let (kind, state) = status["state"].as_object().unwrap().iter().next().unwrap();
    let moment = |value: &Value| match value.as_str() {
        Some("1970-01-01T00:00:00Z") => "epoch",
        Some(_) => "time",
        None => "none",
    };
    let facts: Vec<String> = state
        .as_object()
        .unwrap()
        .iter()
        .map(|(member, value)| match member.as_str() {
            "startedAt" | "finishedAt" => format!("{member}={}", moment(value)),
            // The texts about images and commands are our own.
            "message" | "containerID" => format!("{member}=..."),
            _ => format!("{member}={value}"),
        })
        .collect();
    format!(
        "{} {kind} {} last={} ready={} restarts={} started={} has {}",
        status["name"],
        facts.join(" "),
        status["lastState"]["terminated"]["exitCode"],
        status["ready"],
        status["restartCount"],
        status["started"],
        members.join(","),
    )
}

/// States that differ from the one before.
fn story(states: impl Iterator<Item = String>) -> Vec<String> {
    let mut story: Vec<String> = states.collect();
    story.dedup();
    story
}
