//! The recorded lives of pods, lived again: the same pods with containers that are made up, in a
//! time that is made up, must show the same states in the same order.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::intake::{deletion, new_state};
use super::machine::Effect;
use super::state::{Ended, PodState, Waiting};
use super::status::{self, NodeFacts};

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

/// A pod with a made-up runtime and a made-up time.
struct Life<'a> {
    containers: &'a [(&'static str, Does)],
    missing_volume: bool,
    pod: Value,
    state: Option<PodState>,
    now: Timestamp,
    seen: Vec<Value>,
    /// When which container ends with which code.
    ends: Vec<(Timestamp, usize, i32)>,
    tries: usize,
    /// What others do to the pod: when, and what it looks like then.
    others: Vec<(Timestamp, Value)>,
    over: bool,
    /// The recording ends here.
    until: Timestamp,
}

impl<'a> Life<'a> {
    fn new(recording: &Value, containers: &'a [(&'static str, Does)]) -> Self {
        let events = recording["events"].as_array().unwrap();
        let begin = Timestamp::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let at = |event: &Value| begin + Duration::from_millis(event["t_ms"].as_u64().unwrap());
        let mut spec = recording["spec"].clone();
        if spec["terminationGracePeriodSeconds"].is_null() {
            spec["terminationGracePeriodSeconds"] = 30.into();
        }
        let pod = json!({
            "metadata": {"name": "pod", "namespace": "rec", "uid": "1", "generation": 1,
                "finalizers": recording["metadata"]["finalizers"]},
            "spec": spec,
            "status": {"phase": "Pending", "qosClass": "BestEffort"},
        });
        // Deletion, by whom ever, and the mark of an eviction come from outside.
        let mut others = Vec::new();
        for pair in events.windows(2) {
            let (before, after) = (&pair[0], &pair[1]);
            let marked = |event: &Value| {
                let conditions = event["status"]["conditions"].as_array();
                conditions
                    .into_iter()
                    .flatten()
                    .any(|one| one["type"] == "DisruptionTarget")
            };
            let grace = "deletionGracePeriodSeconds";
            let asked = before["metadata"][grace] != after["metadata"][grace];
            let by_kubelet = after["metadata"][grace] == 0 && !before["metadata"][grace].is_null();
            if (asked && !by_kubelet) || marked(before) != marked(after) {
                others.push((at(after), after.clone()));
            }
        }
        Self {
            containers,
            missing_volume: recording["spec"]["volumes"][0]["secret"]["secretName"] == "absent",
            pod,
            state: None,
            now: begin,
            seen: Vec::new(),
            ends: Vec::new(),
            tries: 0,
            others,
            over: false,
            until: at(events.last().unwrap()) + Duration::from_millis(500),
        }
    }

    fn live(&mut self) {
        self.see();
        self.pod["status"]["conditions"] = json!([{"type": "PodScheduled", "status": "True"}]);
        self.see();
        self.state = Some(new_state(&self.pod, self.now));
        while !self.over {
            let step = self.state.as_mut().unwrap().advance(self.now);
            self.tell();
            if step.effects.is_empty() {
                let ends = self.ends.iter().map(|(at, ..)| *at);
                let others = self.others.first().map(|(at, _)| *at);
                let next = ends
                    .chain(others)
                    .chain(step.wake)
                    .min()
                    .unwrap_or(self.until);
                if next >= self.until {
                    return;
                }
                self.now = next;
            }
            for effect in step.effects {
                self.carry_out(effect);
            }
            self.happen();
        }
    }

    fn see(&mut self) {
        self.seen.push(self.pod.clone());
    }

    fn tell(&mut self) {
        let facts = NodeFacts {
            address: "10.0.0.1".to_owned(),
            user: (0, 0),
        };
        status::write(
            &mut self.pod,
            self.state.as_ref().unwrap(),
            &facts,
            self.now,
        );
        self.see();
    }

    /// What has come to pass by now.
    fn happen(&mut self) {
        while let Some(index) = self.ends.iter().position(|(at, ..)| *at <= self.now) {
            let (at, container, code) = self.ends.remove(index);
            let mut ended = self.ended(container, code);
            ended.finished_at = Some(at);
            self.state
                .as_mut()
                .unwrap()
                .ended(container, ended, self.now);
        }
        while self.others.first().is_some_and(|(at, _)| *at <= self.now) {
            let (_, event) = self.others.remove(0);
            for (member, value) in event["metadata"].as_object().unwrap() {
                self.pod["metadata"][member] = value.clone();
            }
            let conditions = event["status"]["conditions"].as_array().unwrap();
            let target = conditions
                .iter()
                .find(|one| one["type"] == "DisruptionTarget");
            let known = self.pod["status"]["conditions"].as_array().unwrap().clone();
            if let Some(target) = target.filter(|target| !known.contains(target)) {
                self.pod["status"]["conditions"] = known.iter().chain([target]).cloned().collect();
            }
            self.see();
            if let Some(grace) = deletion(&self.pod) {
                self.state.as_mut().unwrap().delete(grace, self.now);
                // By force: the API removes the object at once.
                self.over = grace.is_zero();
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        let now = self.now;
        match effect {
            Effect::Prepare => {
                let missing = self.missing_volume;
                let state = self.state.as_mut().unwrap();
                if missing {
                    state.not_prepared(now);
                } else {
                    state.prepared();
                    self.now += Duration::from_millis(250);
                }
            }
            Effect::Launch(index) => self.launch(index),
            Effect::Stop(index) => {
                if let Obeys(millis, code) = self.does(index) {
                    self.ends
                        .push((now + Duration::from_millis(millis), index, code));
                }
            }
            Effect::Kill(index) => {
                self.ends.retain(|(_, container, _)| *container != index);
                self.ends
                    .push((now + Duration::from_millis(10), index, 137));
            }
            Effect::TellBackOff(_) | Effect::TellDeadline => {}
            Effect::Remove => {
                self.pod["metadata"]["deletionGracePeriodSeconds"] = 0.into();
                self.see();
                self.over = true;
            }
        }
    }

    fn launch(&mut self, index: usize) {
        self.now += Duration::from_millis(100);
        let now = self.now;
        let does = self.does(index);
        if let StartError = does {
            let mut ended = self.ended(index, 128);
            ended.reason = "StartError".to_owned();
            ended.message = Some("why".to_owned());
            ended.started_at = None;
            self.state.as_mut().unwrap().ended(index, ended, now);
            return;
        }
        if let Waits(reasons) = does {
            let (reason, millis) = reasons[self.tries % reasons.len()];
            self.tries += 1;
            let waiting = Waiting {
                reason: reason.to_owned(),
                message: Some("why".to_owned()),
            };
            let due = now + Duration::from_millis(millis);
            self.state.as_mut().unwrap().refused(index, waiting, due);
            return;
        }
        if let Ends(millis, code) = does {
            self.ends
                .push((now + Duration::from_millis(millis), index, code));
        }
        let id = self.next_id(index);
        self.state.as_mut().unwrap().started(index, id, now);
    }

    fn does(&self, index: usize) -> Does {
        let name = &self.state.as_ref().unwrap().containers[index].name;
        let found = self.containers.iter().find(|(known, _)| known == name);
        found.unwrap().1
    }

    fn next_id(&self, index: usize) -> String {
        let container = &self.state.as_ref().unwrap().containers[index];
        match &container.id {
            Some(_) => format!("run-{}", container.restarts + 1),
            None => "run-0".to_owned(),
        }
    }

    fn ended(&self, index: usize, exit_code: i32) -> Ended {
        let container = &self.state.as_ref().unwrap().containers[index];
        let message = self.pod["spec"].to_string().contains("the message");
        Ended {
            exit_code,
            reason: if exit_code == 0 { "Completed" } else { "Error" }.to_owned(),
            message: message.then(|| "the message\n".to_owned()),
            started_at: Some(self.now),
            finished_at: Some(self.now),
            id: Some(container.id.clone().unwrap_or_else(|| "run-0".to_owned())),
        }
    }
}
