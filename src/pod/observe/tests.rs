use serde_json::{Value, json};

use super::*;

/// A pod whose base container is in that state; `change` is laid over it.
fn pod(phase: &str, base: Value, change: &Value) -> PodObservation {
    let mut pod = json!({
        "metadata": {"name": "p", "namespace": "n", "uid": "u", "resourceVersion": "7", "generation": 1},
        "spec": {"nodeName": "node1", "restartPolicy": "Never", "containers": [{"name": "base"}]},
        "status": {
            "phase": phase, "startTime": "2026-11-24T08:00:00Z",
            "containerStatuses": [{
                "name": "base", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
                "state": base,
            }],
        },
    });
    lay(&mut pod, change);
    let view: PodView = serde_json::from_value(pod.clone()).unwrap();
    let seen = view.into_observation();
    // Both ways to an observation agree.
    assert_eq!(observe(&serde_json::from_value(pod).unwrap()), seen);
    seen
}

fn lay(into: &mut Value, change: &Value) {
    match change {
        Value::Object(fields) => {
            if !into.is_object() {
                *into = json!({});
            }
            for (key, value) in fields {
                lay(&mut into[key], value);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            *into = change.clone();
        }
    }
}

fn ended(code: i32, finished: &str) -> Value {
    json!({"terminated": {
        "exitCode": code, "reason": if code == 0 { "Completed" } else { "Error" },
        "startedAt": "2026-11-24T08:00:01Z", "finishedAt": format!("2026-11-24T08:00:{finished}Z"),
    }})
}

fn running() -> Value {
    json!({"running": {"startedAt": "2026-11-24T08:00:01Z"}})
}

#[derive(Debug, PartialEq)]
enum Says {
    Pending(StartStage),
    Running,
    Succeeded,
    /// Exit code, cause, could not start, may be relaunched.
    Failed(Option<i32>, FailureCause, bool, bool),
}

fn says(seen: &PodObservation) -> Says {
    match judge(seen, "base") {
        PodVerdict::Pending(pending) => {
            assert!(!pending.detail.is_empty());
            Says::Pending(pending.stage)
        }
        PodVerdict::Running => Says::Running,
        PodVerdict::Succeeded => Says::Succeeded,
        PodVerdict::Failed(failure) => {
            assert!(
                !failure.reason.is_empty() && !failure.reason.ends_with('.'),
                "{failure}"
            );
            let relaunch = failure.may_relaunch();
            Says::Failed(
                failure.exit_code,
                failure.cause,
                failure.could_not_start,
                relaunch,
            )
        }
    }
}

#[test]
fn what_no_recording_shows_is_judged_by_the_same_rules() {
    use FailureCause as F;
    let none = json!({});
    let no_statuses = json!({"status": {"containerStatuses": null}});
    let reason = |word: &str| json!({"status": {"reason": word, "message": "words"}});
    let sidecar = |state: Value, base: Value| {
        json!({"status": {"containerStatuses": [
            {"name": "side", "image": "i", "imageID": "", "ready": true, "restartCount": 0, "state": state},
            {"name": "base", "image": "i", "imageID": "", "ready": true, "restartCount": 0, "state": base},
        ]}})
    };
    let deleted = |at: &str, grace: i64, known: i64| {
        json!({
            "metadata": {
                "deletionTimestamp": format!("2026-11-24T08:00:{at}Z"),
                "deletionGracePeriodSeconds": grace, "generation": 2,
            },
            "status": {"conditions": [{"type": "Ready", "status": "False", "observedGeneration": known}]},
        })
    };
    let deadline = |seconds: i64| json!({"spec": {"activeDeadlineSeconds": seconds}, "status": {"reason": "DeadlineExceeded"}});
    let cases = [
        // Exit code 0 is a success, whatever sidecars and phases say.
        (
            "Running",
            none.clone(),
            sidecar(running(), ended(0, "05")),
            Says::Succeeded,
        ),
        (
            "Failed",
            none.clone(),
            sidecar(ended(1, "09"), ended(0, "05")),
            Says::Succeeded,
        ),
        ("Unknown", ended(0, "05"), none.clone(), Says::Succeeded),
        // There is no success without an exit code.
        (
            "Succeeded",
            none.clone(),
            no_statuses.clone(),
            Says::Failed(None, F::NoExitCode, true, false),
        ),
        (
            "Succeeded",
            running(),
            none.clone(),
            Says::Failed(None, F::NoExitCode, false, false),
        ),
        (
            "Succeeded",
            ended(4, "05"),
            none.clone(),
            Says::Failed(Some(4), F::ExitCode, false, false),
        ),
        // A node that is silent decides nothing.
        ("Unknown", running(), none.clone(), Says::Running),
        (
            "Unknown",
            none.clone(),
            no_statuses.clone(),
            Says::Pending(StartStage::Starting),
        ),
        // Refused or taken away before anything ran: another pod may take its place.
        (
            "Failed",
            none.clone(),
            json!({"status": {"containerStatuses": null, "reason": "Evicted"}}),
            Says::Failed(None, F::Evicted, true, true),
        ),
        (
            "Failed",
            none.clone(),
            json!({"status": {"containerStatuses": [], "reason": "OutOfcpu"}}),
            Says::Failed(None, F::Rejected, true, true),
        ),
        (
            "Failed",
            json!({"waiting": {"reason": "ContainerCreating"}}),
            reason("Preempting"),
            Says::Failed(None, F::Preempted, true, true),
        ),
        // Taken away while it ran: not again without asking.
        (
            "Failed",
            ended(137, "05"),
            reason("Evicted"),
            Says::Failed(Some(137), F::Evicted, false, false),
        ),
        (
            "Failed",
            ended(143, "05"),
            reason("NodeShutdown"),
            Says::Failed(Some(143), F::NodeLost, false, false),
        ),
        (
            "Failed",
            running(),
            reason("NodeLost"),
            Says::Failed(None, F::NodeLost, false, false),
        ),
        // The deadline made it end, or came after its end.
        (
            "Failed",
            ended(0, "10"),
            deadline(10),
            Says::Failed(Some(0), F::DeadlineExceeded, false, false),
        ),
        ("Failed", ended(0, "09"), deadline(10), Says::Succeeded),
        (
            "Failed",
            ended(137, "10"),
            deadline(10),
            Says::Failed(Some(137), F::DeadlineExceeded, false, false),
        ),
        // Seen for the first time after a deletion: the time of the request tells, or whether the
        // node knew of it; without either the end was its own.
        (
            "Succeeded",
            ended(0, "10"),
            deleted("15", 5, 2),
            Says::Failed(Some(0), F::Deleted, false, false),
        ),
        (
            "Succeeded",
            ended(0, "09"),
            deleted("15", 5, 2),
            Says::Succeeded,
        ),
        (
            "Succeeded",
            ended(0, "10"),
            deleted("11", 0, 2),
            Says::Failed(Some(0), F::Deleted, false, false),
        ),
        (
            "Succeeded",
            ended(0, "10"),
            deleted("11", 0, 1),
            Says::Succeeded,
        ),
        (
            "Succeeded",
            ended(0, "10"),
            json!({"metadata": {"deletionTimestamp": "2026-11-24T08:00:11Z"}}),
            Says::Succeeded,
        ),
    ];
    for (index, (phase, base, change, expected)) in cases.into_iter().enumerate() {
        let seen = pod(phase, base, &change);
        assert_eq!(says(&seen), expected, "case {index}: {phase} {change}");
    }
}

#[test]
fn a_pod_that_is_gone_is_judged_by_its_last_state() {
    let gone = |phase, base| pod(phase, base, &json!({})).into_gone();
    assert_eq!(says(&gone("Running", ended(0, "05"))), Says::Succeeded);
    assert_eq!(
        says(&gone("Running", running())),
        Says::Failed(None, FailureCause::Vanished, false, false)
    );
    assert_eq!(
        says(&gone(
            "Pending",
            json!({"waiting": {"reason": "ContainerCreating"}})
        )),
        // The last that was seen may be older than its start: no other may take its place.
        Says::Failed(None, FailureCause::Vanished, true, false)
    );
    let unseen = PodObservation::unseen(gone("Pending", json!({})).identity).into_gone();
    // Whether it started is not known, so that it did not is not said.
    assert_eq!(
        says(&unseen),
        Says::Failed(None, FailureCause::Vanished, false, false)
    );
}

#[test]
fn what_was_seen_in_order_is_believed_before_times() {
    let deletion = json!({
        "metadata": {
            "deletionTimestamp": "2026-11-24T08:00:10Z", "deletionGracePeriodSeconds": 0, "generation": 2,
        },
        "status": {"conditions": [{"type": "Ready", "status": "False", "observedGeneration": 2}]},
    });
    let after = pod("Succeeded", ended(0, "10"), &deletion);
    assert_eq!(
        says(&after),
        Says::Failed(Some(0), FailureCause::Deleted, false, false)
    );
    let before = pod("Running", ended(0, "10"), &json!({}));
    assert_eq!(says(&after.clone().following(&before)), Says::Succeeded);

    // Without anything in the object that tells: only that it was seen alive under deletion.
    let mute = json!({"metadata": {"deletionTimestamp": "2026-11-24T08:00:10Z"}});
    let after = pod("Succeeded", ended(0, "10"), &mute);
    assert_eq!(says(&after), Says::Succeeded);
    let alive = pod("Running", running(), &mute);
    assert_eq!(
        says(&after.following(&alive)),
        Says::Failed(Some(0), FailureCause::Deleted, false, false)
    );
}

#[test]
fn nothing_that_is_missing_or_null_is_a_reason_to_panic() {
    for text in [
        "{}",
        r#"{"metadata":{},"spec":null,"status":null}"#,
        r#"{"metadata":{},"spec":{"containers":null,"initContainers":null},"status":{}}"#,
        r#"{"metadata":{},"status":{"conditions":null,"containerStatuses":null,"initContainerStatuses":null}}"#,
        r#"{"metadata":{},"status":{"containerStatuses":[{"name":"base","state":null,"lastState":null}]}}"#,
        r#"{"metadata":{},"status":{"containerStatuses":[{"name":"base","state":{}}]}}"#,
        r#"{"metadata":{},"status":{"phase":"Novel","containerStatuses":[{"name":"base","state":{"terminated":{"exitCode":0}}}]}}"#,
    ] {
        let view: PodView =
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let seen = view.into_observation();
        let now = says(&seen);
        assert!(
            matches!(now, Says::Pending(_) | Says::Succeeded),
            "{now:?}: {text}"
        );
        let gone = says(&seen.into_gone());
        assert!(
            matches!(gone, Says::Failed(..) | Says::Succeeded),
            "{gone:?}: {text}"
        );
    }
}

#[test]
fn a_waiting_pod_says_what_it_waits_for() {
    let unscheduled = json!({
        "spec": {"nodeName": null},
        "status": {"containerStatuses": null, "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes fit"},
        ]},
    });
    let PodVerdict::Pending(pending) = judge(&pod("Pending", json!({}), &unscheduled), "base")
    else {
        panic!("not pending");
    };
    assert_eq!(pending.stage, StartStage::Scheduling);
    assert!(pending.detail.contains("0/3 nodes fit"), "{pending:?}");

    let pulling = json!({"waiting": {"reason": "ErrImagePull", "message": "no such image"}});
    let PodVerdict::Pending(pending) = judge(&pod("Pending", pulling, &json!({})), "base") else {
        panic!("not pending");
    };
    assert_eq!(pending.stage, StartStage::Starting);
    assert_eq!(pending.detail, "ErrImagePull: no such image");

    let initializing = json!({"status": {"initContainerStatuses": [{
        "name": "init", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": running(),
    }]}});
    let waiting = json!({"waiting": {"reason": "PodInitializing"}});
    let PodVerdict::Pending(pending) = judge(&pod("Pending", waiting, &initializing), "base")
    else {
        panic!("not pending");
    };
    assert_eq!(pending.stage, StartStage::Initializing);
    assert!(pending.detail.contains("init"), "{pending:?}");
}

#[test]
fn a_transient_failure_to_pull_is_remembered_while_the_next_try_is_waited_for() {
    let waiting = |reason: &str, message: &str| {
        let state = json!({"waiting": {"reason": reason, "message": message}});
        pod("Pending", state, &json!({}))
    };
    let back_off = || waiting("ImagePullBackOff", "Back-off pulling image \"busybox\"");
    assert!(hopeless_start(&back_off()).is_some());

    let limited = waiting(
        "ErrImagePull",
        "429 Too Many Requests: you have reached your rate limit",
    );
    let first = back_off().following(&limited);
    assert_eq!(hopeless_start(&first), None);
    let second = back_off().following(&first);
    assert_eq!(second, first, "and not written down again and again");

    let denied = waiting("ErrImagePull", "manifest unknown");
    let hopeless = hopeless_start(&back_off().following(&denied)).unwrap();
    assert!(hopeless.message.contains("manifest unknown"), "{hopeless}");
}
