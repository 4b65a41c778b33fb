//! What a pod's events tell, for comparison: states in their order, without moments and names.

use std::collections::BTreeMap;

use serde_json::Value;

/// What one event shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub kind: String,
    facts: Vec<String>,
    /// By name.
    containers: BTreeMap<String, String>,
}

impl State {
    pub fn of(kind: &str, pod: &Value) -> Self {
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
        let ends =
            !status["reason"].is_null() || !pod["metadata"]["deletionGracePeriodSeconds"].is_null();
        let mut containers = BTreeMap::new();
        for list in ["initContainerStatuses", "containerStatuses"] {
            for one in status[list].as_array().into_iter().flatten() {
                let (kind, state) = one["state"].as_object().unwrap().iter().next().unwrap();
                // Which of the two it is when a pod is made to end is a matter of moments.
                let reason = match state["reason"].as_str() {
                    Some("ErrImagePull") if ends => "ImagePullBackOff",
                    Some(reason) => reason,
                    None => "",
                };
                let shown = format!(
                    "{kind}/{reason}/{} restarts={} last={}",
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
                state.starts_with("waiting/ErrImagePull/")
                    || state.starts_with("waiting/ImagePullBackOff/")
            };
            ends || (pulls(now) && pulls(then))
        })
    }
}

/// Adds a state, if it shows anything new.
pub fn add(story: &mut Vec<State>, state: State) {
    let known = story.last().is_some_and(|last| {
        state.kind == "MODIFIED" && last.facts == state.facts && last.containers == state.containers
    });
    if !known {
        story.push(state);
    }
}

pub fn story<'a>(events: impl Iterator<Item = (&'a str, &'a Value)>) -> Vec<State> {
    let mut story = Vec::new();
    for (kind, pod) in events {
        add(&mut story, State::of(kind, pod));
    }
    story
}

/// Where two lives part.
pub fn difference(expected: &[State], lived: &[State]) -> Option<String> {
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

#[test]
fn lives_that_differ_are_told_apart() {
    use serde_json::json;

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
