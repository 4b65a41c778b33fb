use serde_json::{Value, json};

use super::*;
use crate::local_cluster::node::kubelet::intake::new_state;
use crate::local_cluster::node::kubelet::state::Outcome;

fn at(seconds: u64) -> Timestamp {
    Timestamp::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// The state of a pod with that spec, its volumes made at second 0.
fn pod(mut spec: Value) -> PodState {
    for list in ["containers", "initContainers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            container["image"] = json!("busybox");
        }
    }
    let mut state = new_state(&json!({"metadata": {"name": "p"}, "spec": spec}), at(0));
    state.prepared();
    state
}

fn one(restart_policy: &str) -> PodState {
    pod(json!({"restartPolicy": restart_policy, "containers": [{"name": "base"}]}))
}

fn end(run: u32, from: Timestamp, to: Timestamp, exit_code: i32) -> Ended {
    Ended {
        exit_code,
        reason: "Error".to_owned(),
        message: None,
        started_at: Some(from),
        finished_at: Some(to),
        id: Some(format!("run-{run}")),
    }
}

#[test]
fn whether_a_container_is_started_again_depends_on_policy_and_code() {
    for (policy, code, expected) in [
        ("Never", 0, Outcome::Succeeded),
        ("Never", 1, Outcome::Failed),
        ("OnFailure", 0, Outcome::Succeeded),
        ("OnFailure", 1, Outcome::Running),
        ("Always", 0, Outcome::Running),
        ("Always", 1, Outcome::Running),
    ] {
        let mut state = one(policy);
        assert_eq!(state.advance(at(0)).effects, [Effect::Launch(0)]);
        state.started(0, "run-1".to_owned(), at(0));
        assert_eq!(state.outcome(), Outcome::Running);
        state.ended(0, end(1, at(0), at(5), code), at(5));
        assert_eq!(state.outcome(), expected, "{policy} {code}");
        let again = state.advance(at(5)).effects == [Effect::Launch(0)];
        assert_eq!(again, expected == Outcome::Running, "{policy} {code}");
    }
}

#[test]
fn the_back_off_doubles_up_to_five_minutes_and_is_forgotten_after_a_good_run() {
    let mut state = one("Always");
    let mut now = at(0);
    let mut delays = Vec::new();
    for run in 1..=9 {
        let length = if run == 8 {
            GOOD_RUN
        } else {
            Duration::from_secs(1)
        };
        state.started(0, format!("run-{run}"), now);
        let ended = now + length;
        state.ended(0, end(run, now, ended, 1), ended);
        delays.push(state.containers[0].delay.as_secs());
        now = state.containers[0].due.unwrap();
        assert!(state.advance(now).effects.contains(&Effect::Launch(0)));
    }
    assert_eq!(delays, [0, 10, 20, 40, 80, 160, 300, 0, 10]);
    assert_eq!(state.containers[0].restarts, 8);
}

#[test]
fn a_container_that_takes_long_to_start_is_started_once_and_can_be_stopped() {
    let mut state = one("Never");
    assert_eq!(state.advance(at(0)).effects, [Effect::Launch(0)]);
    state.starting(0);
    assert_eq!(state.advance(at(1)).effects, []);
    state.delete(Duration::from_secs(30), at(2));
    assert_eq!(state.advance(at(2)).effects, [Effect::Stop(0)]);
    assert_eq!(state.advance(at(3)).effects, []);
    assert_eq!(state.advance(at(32)).effects, [Effect::Kill(0)]);
}

#[test]
fn only_the_first_deletion_sets_the_moment_of_the_kill() {
    let mut state = one("Never");
    state.started(0, "run-1".to_owned(), at(0));
    state.delete(Duration::from_secs(20), at(10));
    assert_eq!(state.advance(at(10)).effects, [Effect::Stop(0)]);
    state.delete(Duration::from_secs(1), at(11));
    let step = state.advance(at(12));
    assert_eq!((step.effects, step.wake), (vec![], Some(at(30))));
    assert_eq!(state.advance(at(30)).effects, [Effect::Kill(0)]);
}

#[test]
fn sidecars_are_stopped_last_and_only_when_the_others_are_done() {
    let mut state = pod(json!({
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 5,
        "initContainers": [{"name": "side", "restartPolicy": "Always"}],
        "containers": [{"name": "base"}],
    }));
    assert_eq!(state.advance(at(0)).effects, [Effect::Launch(0)]);
    state.started(0, "side-1".to_owned(), at(0));
    assert_eq!(state.advance(at(0)).effects, [Effect::Launch(1)]);
    state.started(1, "run-1".to_owned(), at(0));
    state.delete(Duration::from_secs(5), at(1));
    assert_eq!(state.advance(at(1)).effects, [Effect::Stop(1)]);
    state.ended(1, end(1, at(0), at(2), 0), at(2));
    assert_eq!(state.advance(at(2)).effects, [Effect::Stop(0)]);
    assert_eq!(state.advance(at(6)).effects, [Effect::Kill(0)]);
}

#[test]
fn a_pod_that_waits_for_its_image_fails_at_its_deadline() {
    let mut state = pod(json!({
        "restartPolicy": "Never",
        "activeDeadlineSeconds": 5,
        "containers": [{"name": "base"}],
    }));
    let waiting = Waiting {
        reason: "ImagePullBackOff".to_owned(),
        message: None,
    };
    assert_eq!(state.advance(at(0)).effects, [Effect::Launch(0)]);
    state.refused(0, waiting.clone(), at(100));
    assert_eq!(state.advance(at(0)).wake, Some(at(5)));
    assert_eq!(state.advance(at(5)).effects, [Effect::TellDeadline]);
    assert!(!state.settled);
    assert_eq!(state.advance(at(6)).wake, Some(at(7)));
    assert!(state.settled);
    assert_eq!(state.containers[0].run, Run::Waiting(Some(waiting)));
    state.advance(at(7));
    assert!(state.containers[0].ended().unwrap().is_unknown());
}

#[test]
fn volumes_that_cannot_be_made_are_tried_ever_more_seldom() {
    let mut state = one("Never");
    state.ground = Ground::Missing {
        due: at(0),
        delay: Duration::ZERO,
    };
    let mut now = at(0);
    let mut delays = Vec::new();
    for _ in 0..4 {
        assert_eq!(state.advance(now).effects, [Effect::Prepare]);
        state.not_prepared(now);
        let next = state.advance(now).wake.unwrap();
        delays.push(Duration::try_from(next - now).unwrap().as_millis());
        now = next;
    }
    assert_eq!(delays, [500, 1000, 2000, 4000]);
}
