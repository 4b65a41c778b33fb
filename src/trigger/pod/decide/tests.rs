//! Looks at a pod and the events that they call for.

use chrono::DateTime;
use serde_json::{Value, json};

use super::*;
use crate::pod::observe::observe;

fn at(second: i64) -> Timestamp {
    DateTime::from_timestamp(second, 0).unwrap()
}

/// Deferred at second 1000, with 120 s for a node and 60 s to start.
fn terms(logging_interval_seconds: Option<f64>) -> PodTerms {
    PodTerms {
        base_container: "base".into(),
        poll_interval_seconds: 2.0,
        logging_interval_seconds,
        next_log_at: logging_interval_seconds.map(|interval| after(at(1000), seconds(interval))),
        schedule_by: at(1120),
        schedule_timeout_seconds: 120.0,
        startup_timeout_seconds: 60.0,
    }
}

fn pod(phase: &str, node: Option<&str>, state: Option<Value>) -> PodObservation {
    let statuses: Vec<Value> = state
        .into_iter()
        .map(|state| {
            json!({"name": "base", "state": state, "lastState": {}, "ready": false,
                   "restartCount": 0, "image": "busybox", "imageID": "",
                   "containerID": "containerd://c"})
        })
        .collect();
    let pod = serde_json::from_value(json!({
        "metadata": {"name": "a", "namespace": "jobs", "uid": "u"},
        "spec": {"nodeName": node, "restartPolicy": "Never",
                 "containers": [{"name": "base"}]},
        "status": {"phase": phase, "containerStatuses": statuses},
    }));
    observe(&pod.unwrap())
}

fn running() -> PodObservation {
    let state = json!({"running": {"startedAt": "1970-01-01T00:16:45Z"}});
    pod("Running", Some("n"), Some(state))
}

fn ended(code: i32) -> PodObservation {
    let state = json!({"terminated": {"exitCode": code, "reason": "Error",
                       "startedAt": "1970-01-01T00:16:45Z", "finishedAt": "1970-01-01T00:16:50Z"}});
    pod("Running", Some("n"), Some(state))
}

fn creating() -> PodObservation {
    pod(
        "Pending",
        Some("n"),
        Some(json!({"waiting": {"reason": "ContainerCreating"}})),
    )
}

fn status(
    terms: &PodTerms,
    seen: FirstSeen,
    observation: &PodObservation,
    now: i64,
) -> Option<EventStatus> {
    decide(terms, seen, observation, at(now)).map(|event| event.status)
}

#[test]
fn a_base_container_that_has_ended_is_told_before_the_phase_says_so() {
    let never = FirstSeen::default();
    let success = status(&terms(None), never, &ended(0), 1010);
    assert_eq!(success, Some(EventStatus::Success));
    let failed = decide(&terms(None), never, &ended(3), at(1010)).unwrap();
    assert_eq!(failed.status, EventStatus::Failed);
    assert_eq!(failed.reason, "container base ended with exit code 3");
}

#[test]
fn without_a_logging_interval_a_running_pod_calls_for_nothing() {
    let never = FirstSeen::default();
    assert_eq!(status(&terms(None), never, &running(), 999_999), None);
    assert_eq!(next_moment(&terms(None), never, &running()), None);
}

#[test]
fn with_a_logging_interval_a_running_pod_calls_for_a_resume_each_interval() {
    // Started at second 1005; the interval of 30 s is counted from then.
    let (terms, never) = (terms(Some(30.0)), FirstSeen::default());
    assert_eq!(next_moment(&terms, never, &running()), Some(at(1035)));
    assert_eq!(status(&terms, never, &running(), 1034), None);
    assert_eq!(
        status(&terms, never, &running(), 1035),
        Some(EventStatus::Running)
    );
}

#[test]
fn a_pod_that_has_ended_is_never_only_running() {
    let terms = terms(Some(30.0));
    let told = status(&terms, FirstSeen::default(), &ended(0), 5000);
    assert_eq!(told, Some(EventStatus::Success));
}

#[test]
fn a_pod_without_a_node_is_late_when_the_schedule_timeout_has_passed() {
    let (terms, never) = (terms(None), FirstSeen::default());
    let unscheduled = pod("Pending", None, None);
    assert_eq!(next_moment(&terms, never, &unscheduled), Some(at(1120)));
    assert_eq!(status(&terms, never, &unscheduled, 1119), None);
    let late = decide(&terms, never, &unscheduled, at(1120)).unwrap();
    assert_eq!(late.status, EventStatus::Timeout);
    assert!(
        late.reason.contains("schedule_timeout_seconds (120 s)"),
        "{}",
        late.reason
    );
}

#[test]
fn the_start_timeout_counts_from_when_a_node_was_seen() {
    let terms = terms(None);
    let seen = FirstSeen::default().and(&creating(), at(1010));
    assert_eq!(next_moment(&terms, seen, &creating()), Some(at(1070)));
    assert_eq!(status(&terms, seen, &creating(), 1069), None);
    let late = decide(&terms, seen, &creating(), at(1070)).unwrap();
    assert_eq!(late.status, EventStatus::Timeout);
    assert!(
        late.reason.contains("startup_timeout_seconds (60 s)"),
        "{}",
        late.reason
    );
}

#[test]
fn a_restart_cannot_put_the_start_timeout_off_for_ever() {
    // Seen scheduled for the first time long after the node had to be chosen.
    let seen = FirstSeen::default().and(&creating(), at(9000));
    assert_eq!(
        status(&terms(None), seen, &creating(), 9000),
        Some(EventStatus::Timeout)
    );
}

#[test]
fn an_image_that_can_never_be_pulled_is_told_at_once() {
    let waiting = json!({"waiting": {"reason": "InvalidImageName", "message": "bad name"}});
    let hopeless = pod("Pending", Some("n"), Some(waiting));
    let event = decide(&terms(None), FirstSeen::default(), &hopeless, at(1001)).unwrap();
    assert_eq!(event.status, EventStatus::Failed);
    assert!(
        event.reason.contains("InvalidImageName"),
        "{}",
        event.reason
    );
}

#[test]
fn a_pod_that_is_gone_is_an_event_like_any_other() {
    let never = FirstSeen::default();
    let vanished = running().into_gone();
    assert_eq!(
        status(&terms(None), never, &vanished, 1010),
        Some(EventStatus::Error)
    );
    // What was seen of its end still counts.
    let finished = ended(0).into_gone();
    assert_eq!(
        status(&terms(None), never, &finished, 1010),
        Some(EventStatus::Success)
    );
}

#[test]
fn a_silent_node_gets_a_while_to_come_back() {
    let mut silent = running();
    silent.node_silent = true;
    let seen = FirstSeen::default()
        .and(&silent, at(1010))
        .and(&silent, at(1100));
    let terms = terms(None);
    assert_eq!(next_moment(&terms, seen, &silent), Some(at(1310)));
    assert_eq!(status(&terms, seen, &silent, 1309), None);
    assert_eq!(
        status(&terms, seen, &silent, 1310),
        Some(EventStatus::Error)
    );
    let back = seen.and(&running(), at(1200));
    assert_eq!(next_moment(&terms, back, &running()), None);
}

#[test]
fn the_event_carries_what_was_seen() {
    let event = decide(&terms(None), FirstSeen::default(), &ended(3), at(1010)).unwrap();
    let seen: PodObservation = serde_json::from_value(event.payload).unwrap();
    assert_eq!(seen, ended(3));
}
