//! One made-up pod.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use crate::local_cluster::node::kubelet::intake;
use crate::local_cluster::node::kubelet::machine::Effect;
use crate::local_cluster::node::kubelet::place::PodPlace;
use crate::local_cluster::node::kubelet::preparation::{self, Refusal};
use crate::local_cluster::node::kubelet::shared::Shared;
use crate::local_cluster::node::kubelet::state::{Ended, PodState, Role, Run};
use crate::local_cluster::node::kubelet::telling::Told;
use crate::local_cluster::node::kubelet::worker::Message;
use crate::local_cluster::node::made_up::Story;
use crate::local_cluster::objects::{EventType, Object, ObjectError, ObjectKey};

/// The exit code of a container that was made to end.
const KILLED: i32 = 137;

/// A pod whose containers are made up.
pub struct MadeUpPod {
    uid: Arc<str>,
    key: ObjectKey,
    /// As last seen or written. It has a tree only while the pod lives through something.
    pod: Object,
    state: PodState,
    /// What becomes of each container, in the order of the state's.
    plans: Vec<Plan>,
    /// Failed tries of each container's image.
    tries: Vec<u32>,
    /// The object is gone, so that nothing can be told any more.
    gone: bool,
    /// There is nothing more to do for the pod.
    removed: bool,
    /// The final phase was told by an earlier server: it stays as it is.
    closed: bool,
}

/// What becomes of a container.
#[derive(Debug, Clone, Copy, Default)]
enum Plan {
    /// Nothing by itself.
    #[default]
    None,
    /// It starts, and ends at once with the code if one was ordered meanwhile.
    Start(Timestamp, Option<i32>),
    /// It ends with a code.
    End(Timestamp, i32),
    /// It runs for ever.
    Run,
}

impl MadeUpPod {
    /// A pod that the node has just got, or takes up again as the API shows it.
    pub fn new(shared: &Shared, uid: Arc<str>, key: ObjectKey, pod: Object) -> Self {
        let place = PodPlace::new(&shared.config.state_dir, &uid);
        let mut state = intake::former_state(&pod, &place, Timestamp::now());
        let running = intake::take_told(&pod, &mut state);
        if let Some(grace) = intake::deletion(&pod) {
            state.delete(grace, Timestamp::now());
        }
        let mut made_up = Self {
            uid,
            key,
            plans: vec![Plan::None; state.containers.len()],
            tries: vec![0; state.containers.len()],
            closed: intake::is_final(&pod),
            pod,
            state,
            gone: false,
            removed: false,
        };
        for (index, started) in running {
            let end = end_of(&Story::of(&made_up.pod), started);
            made_up.set_plan(index, end);
        }
        made_up
    }

    /// Whether nothing is left of it.
    pub fn is_over(&self) -> bool {
        self.removed && self.gone
    }

    /// Takes in what has become of the object; tells whether there was anything new in it.
    pub fn take(&mut self, shared: &Shared, message: Message) -> bool {
        match message {
            // What we have written ourselves we know.
            Message::Changed(pod) if pod.version() <= self.pod.version() => return false,
            // Whoever deletes a pod that has ended takes it away, too: it is gone in a moment.
            Message::Changed(pod) if self.state.settled && intake::is_leaving(&pod) => {
                self.pod = pod.packed();
                return false;
            }
            Message::Changed(pod) => {
                self.pod = pod;
                self.learn();
            }
            Message::Gone => self.lose(),
            Message::Evict(why) => {
                shared.say(&self.pod, None, EventType::Warning, "Evicted", &why);
                self.state.evict(why, Timestamp::now());
            }
        }
        true
    }

    /// Does and tells all that is due; gives the moment at which to ask again.
    pub fn live(&mut self, shared: &Shared) -> Option<Timestamp> {
        loop {
            let now = Timestamp::now();
            self.let_happen(shared, now);
            let step = self.state.advance(now);
            let learned = self.tell(shared);
            if self.removed || (step.effects.is_empty() && !learned) {
                self.pod = self.pod.packed();
                let wakes = self.plans.iter().filter_map(Plan::at).chain(step.wake);
                return wakes.min().filter(|_| !self.removed);
            }
            for effect in step.effects {
                self.carry_out(shared, effect);
            }
        }
    }

    /// Lets containers start and end whose moment has come.
    fn let_happen(&mut self, shared: &Shared, now: Timestamp) {
        for index in 0..self.plans.len() {
            while let Some(plan) = self.plans.get(index).copied()
                && plan.at().is_some_and(|at| at <= now)
            {
                match plan {
                    Plan::Start(_, ordered) => {
                        self.start(shared, index, now);
                        if let Some(code) = ordered {
                            self.set_plan(index, Plan::End(now, code));
                        }
                    }
                    Plan::End(_, code) => {
                        self.set_plan(index, Plan::None);
                        self.end(index, code, now);
                    }
                    Plan::None | Plan::Run => {}
                }
            }
        }
    }

    fn start(&mut self, shared: &Shared, index: usize, now: Timestamp) {
        let number = self
            .state
            .containers
            .get(index)
            .map_or(1, |one| one.restarts + 1 + u32::from(one.id.is_some()));
        let place = PodPlace::new(&shared.config.state_dir, &self.uid);
        let id = place.id(self.name(index), number);
        self.state.started(index, id, now);
        let end = end_of(&Story::of(&self.pod), now);
        self.set_plan(index, end);
    }

    fn end(&mut self, index: usize, exit_code: i32, now: Timestamp) {
        let Some(container) = self.state.containers.get(index) else {
            return;
        };
        let started_at = match &container.run {
            Run::Running { started_at, .. } => Some(*started_at),
            Run::Waiting(_) | Run::Ended(_) => None,
        };
        let ended = Ended {
            exit_code,
            reason: if exit_code == 0 { "Completed" } else { "Error" }.to_owned(),
            message: None,
            started_at,
            finished_at: Some(now),
            id: container.id.clone(),
        };
        self.state.ended(index, ended, now);
    }

    fn carry_out(&mut self, shared: &Shared, effect: Effect) {
        match effect {
            Effect::Prepare => self.state.prepared(),
            Effect::Launch(index) => self.launch(shared, index),
            Effect::Stop(index) => {
                let text = format!("Stopping container {}", self.name(index));
                self.say_of(shared, index, EventType::Normal, "Killing", &text);
                self.order(index, Story::of(&self.pod).stop_code);
            }
            Effect::Kill(index) => self.order(index, KILLED),
            Effect::TellBackOff(index) => {
                let (name, title) = (self.name(index), &self.state.title);
                let text = format!("Back-off restarting failed container {name} in pod {title}");
                self.say_of(shared, index, EventType::Warning, "BackOff", &text);
            }
            Effect::TellDeadline => {
                let text = "Pod was active on the node longer than the specified deadline";
                shared.say(&self.pod, None, EventType::Normal, "DeadlineExceeded", text);
            }
            Effect::Remove => self.remove(shared),
        }
    }

    fn launch(&mut self, shared: &Shared, index: usize) {
        let tries = self.tries.get(index).copied().unwrap_or_default();
        match preparation::image(shared, self.spec(index), tries) {
            Ok(()) => {
                let delay = Story::of(&self.pod).start_delay;
                let now = Timestamp::now();
                if delay.is_zero() {
                    self.start(shared, index, now);
                } else {
                    self.state.starting(index);
                    let start = now.checked_add(delay).unwrap_or(Timestamp::MAX);
                    self.set_plan(index, Plan::Start(start, None));
                }
            }
            Err(Refusal::Wait {
                waiting,
                after,
                events,
            }) => {
                for (kind, reason, text) in events {
                    self.say_of(shared, index, kind, reason, &text);
                }
                if let Some(tries) = self.tries.get_mut(index) {
                    *tries += 1;
                }
                self.state.refused(index, waiting, Timestamp::now() + after);
            }
            Err(Refusal::Never { reason, message }) => {
                self.say_of(shared, index, EventType::Warning, reason, &message);
                self.state.fail(reason, message, Timestamp::now());
            }
        }
    }

    /// Makes a container end with `code`.
    fn order(&mut self, index: usize, code: i32) {
        let next = match self.plans.get(index).copied().unwrap_or_default() {
            Plan::None => Plan::None,
            Plan::Start(at, ordered) => Plan::Start(at, ordered.or(Some(code))),
            Plan::End(..) | Plan::Run => Plan::End(Timestamp::now(), code),
        };
        self.set_plan(index, next);
    }

    fn remove(&mut self, shared: &Shared) {
        self.removed = true;
        if self.gone {
            return;
        }
        let told = Told {
            shared,
            key: &self.key,
            uid: &self.uid,
        };
        match told.let_go() {
            // There is nothing to be learnt from what is gone, or waits for its finalizers.
            Ok(pod) => self.pod = pod.packed(),
            Err(error) => {
                self.note(Err(error));
            }
        }
    }

    /// Writes the status; tells whether the object that was written on held anything new.
    fn tell(&mut self, shared: &Shared) -> bool {
        if self.gone || self.removed || self.closed {
            return false;
        }
        let told = Told {
            shared,
            key: &self.key,
            uid: &self.uid,
        };
        match told.tell(&mut self.pod, &self.state) {
            Ok(None) => false,
            Ok(Some(pod)) => self.note(Ok(pod)),
            Err(error) => self.note(Err(error)),
        }
    }

    fn note(&mut self, written: Result<Object, ObjectError>) -> bool {
        match written {
            Ok(pod) => {
                self.pod = pod;
                self.learn()
            }
            Err(ObjectError::NotFound(_) | ObjectError::Conflict { .. }) => {
                self.lose();
                true
            }
            Err(error) => {
                tracing::error!(%error, pod = self.state.title, "a status could not be written");
                false
            }
        }
    }

    /// Takes in what others want of the pod; tells whether that was new.
    fn learn(&mut self) -> bool {
        let (deadline, deletion) = (intake::deadline(&self.pod), intake::deletion(&self.pod));
        let new = deadline != self.state.deadline
            || (deletion.is_some() && self.state.deletion.is_none());
        self.state.deadline = deadline;
        if let Some(grace) = deletion {
            self.state.delete(grace, Timestamp::now());
        }
        new
    }

    fn lose(&mut self) {
        self.gone = true;
        self.state.orphan(Timestamp::now());
    }

    fn set_plan(&mut self, index: usize, next: Plan) {
        if let Some(plan) = self.plans.get_mut(index) {
            *plan = next;
        }
    }

    fn say_of(&self, shared: &Shared, index: usize, kind: EventType, reason: &str, text: &str) {
        let member = match self.state.containers.get(index).map(|one| one.role) {
            Some(Role::Init | Role::Sidecar) => "initContainers",
            Some(Role::App) | None => "containers",
        };
        let path = format!("spec.{member}{{{}}}", self.name(index));
        shared.say(&self.pod, Some(&path), kind, reason, text);
    }

    fn name(&self, index: usize) -> &str {
        let container = self.state.containers.get(index);
        container.map_or("", |one| one.name.as_str())
    }

    fn spec(&self, index: usize) -> &Value {
        match self.state.containers.get(index) {
            Some(container) => intake::spec_of(&self.pod, container),
            None => &Value::Null,
        }
    }
}

impl Plan {
    /// When something happens by itself.
    fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Start(at, _) | Self::End(at, _) => Some(*at),
            Self::None | Self::Run => None,
        }
    }
}

/// How a container ends by itself that began at `started`.
fn end_of(story: &Story, started: Timestamp) -> Plan {
    let run_time = story.run_time;
    match run_time.and_then(|run_time| started.checked_add(run_time).ok()) {
        Some(end) => Plan::End(end, story.exit_code),
        None => Plan::Run,
    }
}
