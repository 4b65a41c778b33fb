//! Replays recorded lives of pods through the observation and the verdict.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot read its fixture has failed"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use adjourn::pod::observe::{
    ContainerPhase, FailureCause, PodObservation, PodVerdict, container_is_completed,
    container_is_running, container_is_succeeded, container_is_terminated, container_is_waiting,
    container_phase, hopeless_start, judge, observe, termination_message,
};
use adjourn::task::pods::PodIdentity;
use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Every look that a perfect watch would have at the pod of one recording.
fn looks(name: &str) -> Vec<PodObservation> {
    let path = fixtures()
        .join("recordings/lifecycles")
        .join(name)
        .with_extension("json");
    read(&path)["watch_events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| {
            let pod: Pod = serde_json::from_value(event["object"].clone()).unwrap();
            let look = observe(&pod);
            if event["type"] == "DELETED" {
                look.into_gone()
            } else {
                look
            }
        })
        .collect()
}

fn recordings() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(fixtures().join("recordings/lifecycles"))
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    names.sort();
    assert!(names.len() >= 36, "recordings are missing: {names:?}");
    names
}

/// What must not change about a verdict.
type Gist = (&'static str, Option<i32>, Option<FailureCause>, bool);

fn gist(verdict: &PodVerdict) -> Gist {
    match verdict {
        PodVerdict::Pending(_) => ("pending", None, None, false),
        PodVerdict::Running => ("running", None, None, false),
        PodVerdict::Succeeded => ("succeeded", Some(0), None, false),
        PodVerdict::Failed(failure) => (
            "failed",
            failure.exit_code,
            Some(failure.cause),
            failure.could_not_start,
        ),
    }
}

/// The verdicts after each look, each look following the one before.
fn verdicts(looks: &[PodObservation]) -> Vec<Gist> {
    let mut seen: Option<PodObservation> = None;
    looks
        .iter()
        .map(|look| {
            let look = match &seen {
                Some(earlier) => look.clone().following(earlier),
                None => look.clone(),
            };
            let verdict = judge(&look, "base");
            seen = Some(look);
            gist(&verdict)
        })
        .collect()
}

#[test]
fn every_recorded_life_ends_with_the_verdict_that_a_person_would_give() {
    use FailureCause as F;
    let failed = |code, cause, could_not_start| ("failed", code, Some(cause), could_not_start);
    let expected: BTreeMap<&str, Gist> = BTreeMap::from([
        (
            "active_deadline_exceeded",
            failed(Some(137), F::DeadlineExceeded, false),
        ),
        (
            "active_deadline_image_pull",
            failed(None, F::DeadlineExceeded, true),
        ),
        (
            "active_deadline_unschedulable",
            failed(None, F::Deleted, true),
        ),
        ("bad_command", failed(Some(128), F::StartError, true)),
        ("crash_loop", failed(Some(1), F::ExitCode, false)),
        ("delete_finished", ("succeeded", Some(0), None, false)),
        ("delete_pending_unscheduled", failed(None, F::Deleted, true)),
        (
            "delete_second_time_shorter_grace",
            failed(Some(137), F::Deleted, false),
        ),
        ("delete_while_creating", failed(None, F::Deleted, true)),
        (
            "delete_while_image_pull_backoff",
            failed(None, F::Deleted, true),
        ),
        ("err_image_never_pull", failed(None, F::Deleted, true)),
        ("evicted_api", failed(Some(143), F::Evicted, false)),
        ("exit_3", failed(Some(3), F::ExitCode, false)),
        (
            "finalizer_finished_deleted",
            ("succeeded", Some(0), None, false),
        ),
        (
            "finalizer_running_deleted",
            failed(Some(0), F::Deleted, false),
        ),
        ("force_delete", failed(None, F::Deleted, false)),
        ("image_pull_fail", failed(None, F::Deleted, true)),
        (
            "init_container_failing",
            failed(None, F::InitContainer, false),
        ),
        ("init_container_ok", ("succeeded", Some(0), None, false)),
        ("invalid_image_name", failed(None, F::Deleted, true)),
        (
            "killed_by_own_signal",
            failed(Some(137), F::ExitCode, false),
        ),
        ("missing_configmap", failed(None, F::Deleted, true)),
        ("missing_secret_volume", failed(None, F::Deleted, true)),
        ("native_sidecar", ("succeeded", Some(0), None, false)),
        ("oom_killed", failed(Some(137), F::OutOfMemory, false)),
        ("sigkill_ignores_term", failed(Some(137), F::Deleted, false)),
        ("sigterm_default_exit0", failed(Some(0), F::Deleted, false)),
        ("sigterm_graceful", failed(Some(143), F::Deleted, false)),
        ("success", ("succeeded", Some(0), None, false)),
        ("termination_message", failed(Some(1), F::ExitCode, false)),
        (
            "termination_message_fallback",
            failed(Some(1), F::ExitCode, false),
        ),
        ("two_containers", ("succeeded", Some(0), None, false)),
        (
            "two_containers_base_fails",
            failed(Some(2), F::ExitCode, false),
        ),
        ("unschedulable", failed(None, F::Deleted, true)),
        ("unschedulable_resources", failed(None, F::Deleted, true)),
        ("xcom", ("succeeded", Some(0), None, false)),
    ]);
    let seen: BTreeMap<String, Gist> = recordings()
        .into_iter()
        .map(|name| {
            let last = *verdicts(&looks(&name)).last().unwrap();
            (name, last)
        })
        .collect();
    let expected: BTreeMap<String, Gist> = expected
        .into_iter()
        .map(|(name, gist)| (name.to_owned(), gist))
        .collect();
    assert_eq!(seen, expected);
}

fn assert_never_flips(name: &str, how: &str, seen: &[Gist], last: Gist) {
    let mut decided: Option<Gist> = None;
    for verdict in seen {
        if let Some(decided) = decided {
            assert_eq!(*verdict, decided, "{name}, {how}: {seen:?}");
        }
        if matches!(verdict.0, "succeeded" | "failed") {
            decided = Some(*verdict);
        }
    }
    assert_eq!(*seen.last().unwrap(), last, "{name}, {how}: {seen:?}");
}

#[test]
fn a_verdict_once_reached_never_changes() {
    for name in recordings() {
        let looks = looks(&name);
        let all = verdicts(&looks);
        assert_never_flips(&name, "every event", &all, *all.last().unwrap());
    }
}

#[test]
fn missed_events_do_not_change_the_verdict() {
    for name in recordings() {
        let looks = looks(&name);
        let last = *verdicts(&looks).last().unwrap();
        let end = looks.len();
        // Every gap: the events from..to are missed. The last one is always seen, as a watch that
        // comes back sees the newest state.
        for from in 0..end {
            for to in from + 1..end {
                let kept: Vec<PodObservation> =
                    looks[..from].iter().chain(&looks[to..]).cloned().collect();
                let seen = verdicts(&kept);
                assert_never_flips(&name, &format!("without {from}..{to}"), &seen, last);
            }
        }
    }
}

#[test]
fn repeated_events_do_not_change_the_verdict() {
    for name in recordings() {
        let looks = looks(&name);
        let last = *verdicts(&looks).last().unwrap();
        let twice: Vec<PodObservation> = looks
            .iter()
            .flat_map(|look| [look.clone(), look.clone()])
            .collect();
        assert_never_flips(&name, "every event twice", &verdicts(&twice), last);
    }
}

#[test]
fn a_verdict_at_the_end_of_any_prefix_agrees_with_the_end_or_is_no_verdict() {
    for name in recordings() {
        let looks = looks(&name);
        let last = *verdicts(&looks).last().unwrap();
        for end in 1..=looks.len() {
            // Only the newest state is seen, as after a restart of this program.
            let alone = gist(&judge(&looks[end - 1], "base"));
            if matches!(alone.0, "succeeded" | "failed") {
                assert_eq!(alone, last, "{name} seen for the first time at event {end}");
            }
        }
    }
}

#[test]
fn an_observation_survives_storage() {
    for name in recordings() {
        for look in looks(&name) {
            let stored = serde_json::to_string(&look).unwrap();
            assert!(stored.len() < 2500, "{name}: {} bytes", stored.len());
            assert_eq!(
                serde_json::from_str::<PodObservation>(&stored).unwrap(),
                look,
                "{name}"
            );
        }
    }
}

#[test]
fn an_observation_that_was_stored_by_the_first_version_is_still_read() {
    let stored = r#"{
        "version": 1,
        "identity": {"namespace": "jobs", "name": "load-x1", "uid": "u-1"},
        "resource_version": "77", "phase": "Failed", "scheduled": true, "node": "node1",
        "reason": "Evicted", "message": "The node was low on resource: memory.",
        "start_time": "2026-11-24T08:54:42Z",
        "deletion": {"requested_at": "2026-11-24T08:54:43Z", "known_to_node": true},
        "disruption": {"reason": "TerminationByKubelet", "at": "2026-11-24T08:54:43Z"},
        "containers": [{
            "name": "base", "kind": "app", "container_id": "containerd://1", "image": "busybox",
            "state": {"terminated": {"exit_code": 137, "reason": "Error",
                "started_at": "2026-11-24T08:54:42Z", "finished_at": "2026-11-24T08:54:44Z"}},
            "started": true, "fate": "alive_at_deletion"
        }],
        "gone": true
    }"#;
    let seen: PodObservation = serde_json::from_str(stored).unwrap();
    let PodVerdict::Failed(failure) = judge(&seen, "base") else {
        panic!("not failed");
    };
    assert_eq!(
        (failure.exit_code, failure.cause),
        (Some(137), FailureCause::Evicted)
    );
    assert!(!failure.may_relaunch());
    assert!(failure.reason.contains("evicted"), "{failure}");
}

#[test]
fn of_a_pod_that_nobody_saw_nothing_is_claimed_once_it_is_gone() {
    let identity = PodIdentity {
        namespace: "jobs".to_owned(),
        name: "load-x1".to_owned(),
        uid: "u-1".to_owned(),
    };
    let gone = PodObservation::unseen(identity).into_gone();
    let PodVerdict::Failed(failure) = judge(&gone, "base") else {
        panic!("not failed");
    };
    assert_eq!(
        failure.reason,
        "the pod is gone; how container base ended is not known"
    );
    assert!(!failure.could_not_start);
    assert!(!failure.may_relaunch(), "its work may have been done");
}

fn golden(function: &str) -> Vec<(Value, Value)> {
    let all = read(&fixtures().join("golden/helpers.json"));
    let cases: Vec<(Value, Value)> = all
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["function"] == function)
        .flat_map(|entry| entry["cases"].as_array().unwrap().clone())
        .map(|case| (case["in"].clone(), case["out"].clone()))
        .collect();
    assert!(!cases.is_empty(), "{function}");
    cases
}

/// A pod of a reference case. The reference's null pod is one of which nothing is known.
fn reference_pod(pod: &Value) -> PodObservation {
    if pod.is_null() {
        return observe(&Pod::default());
    }
    observe(&serde_json::from_value(pod.clone()).unwrap())
}

#[test]
fn questions_about_one_container_are_answered_as_the_reference_does() {
    type Question = fn(&PodObservation, &str) -> bool;
    let questions: [(&str, Question); 5] = [
        ("container_is_running", container_is_running),
        ("container_is_completed", container_is_completed),
        ("container_is_succeeded", container_is_succeeded),
        ("container_is_wait", container_is_waiting),
        ("container_is_terminated", container_is_terminated),
    ];
    for (function, question) in questions {
        for (input, output) in golden(function) {
            let name = input["container_name"].as_str().unwrap();
            let seen = question(&reference_pod(&input["pod"]), name);
            assert_eq!(Value::Bool(seen), output, "{function} {input}");
        }
    }
    for (input, output) in golden("get_container_termination_message") {
        let pod = reference_pod(&input["pod"]);
        let seen = termination_message(&pod, input["container_name"].as_str().unwrap());
        assert_eq!(seen, output.as_str(), "{input}");
    }
}

#[test]
fn a_status_without_a_state_is_no_error_here() {
    for (input, output) in golden("container_status_without_state") {
        let pod = reference_pod(&input["pod"]);
        let seen = container_is_running(&pod, input["container_name"].as_str().unwrap());
        // The reference fails on its own lookup where the container asked for has no state.
        assert_eq!(seen, output.as_bool().unwrap_or(false), "{input}");
    }
}

#[test]
fn the_base_container_is_described_as_the_reference_does() {
    for (input, output) in golden("define_pod_container_state") {
        let pod = reference_pod(&input["pod"]);
        let seen = container_phase(&pod, input["base_container_name"].as_str().unwrap());
        if output["error"].is_string() {
            // The reference fails where the list lacks the base container.
            assert_eq!(seen, ContainerPhase::Undefined, "{input}");
        } else {
            assert_eq!(Value::from(seen.as_str()), output, "{input}");
        }
    }
}

#[test]
fn a_start_is_hopeless_exactly_where_the_reference_gives_up() {
    for (input, output) in golden("detect_pod_terminate_early_issues") {
        let seen = hopeless_start(&reference_pod(&input));
        match output.as_str() {
            None => assert_eq!(seen, None, "{input}"),
            Some(text) => {
                let seen = seen.unwrap_or_else(|| panic!("not hopeless: {input}"));
                assert!(
                    text.ends_with(&format!("{}\n{}", seen.reason, seen.message)),
                    "{input}"
                );
            }
        }
    }
}
