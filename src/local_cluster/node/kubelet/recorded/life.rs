//! A pod whose containers are made up, in a time that is made up.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Does::{self, Ends, Obeys, StartError, Waits};
use crate::local_cluster::node::kubelet::intake::{deletion, new_state};
use crate::local_cluster::node::kubelet::machine::Effect;
use crate::local_cluster::node::kubelet::state::{Ended, PodState, Waiting};
use crate::local_cluster::node::kubelet::status::{self, NodeFacts};

/// A pod with a made-up runtime and a made-up time.
pub(super) struct Life<'a> {
    containers: &'a [(&'static str, Does)],
    missing_volume: bool,
    pod: Value,
    state: Option<PodState>,
    now: Timestamp,
    pub(super) seen: Vec<Value>,
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
    pub(super) fn new(recording: &Value, containers: &'a [(&'static str, Does)]) -> Self {
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

    pub(super) fn live(&mut self) {
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
        let state = self.state.as_ref().unwrap();
        if let Some(next) = status::next(&self.pod, state, &facts, self.now) {
            self.pod["status"] = next;
        }
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
