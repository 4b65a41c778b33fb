//! The life of a pod: what to do next, and what to remember of what has happened.
//!
//! [`PodState::advance`] looks at the state and the time and says what is due; the others take in
//! what has happened. None of them does anything itself.

use std::time::Duration;

use jiff::Timestamp;

use super::state::{Container, Deletion, Ended, Failure, Ground, PodState, Role, Run, Waiting};

/// Between the end of the last container and the final phase; also before a pod that never
/// started is given up.
const SETTLE: Duration = Duration::from_secs(1);
/// Between the final phase of a deleted pod and its removal.
const LINGER: Duration = Duration::from_millis(500);
/// Between the wish to delete a pod that never started and the end of what was made for it.
const TEAR_DOWN: Duration = Duration::from_millis(100);
/// How long an ended container is shown as ended before it is shown as waiting for its restart:
/// until the kubelet would look again, and at the latest so shortly before the restart.
const SHOWN: Duration = Duration::from_secs(12);
const SHOWN_BEFORE: Duration = Duration::from_millis(250);
/// How long a pod that was removed by force gets to end.
const ORPHAN_GRACE: Duration = Duration::from_secs(2);
/// A container that ran this long starts its back-off anew.
const GOOD_RUN: Duration = Duration::from_secs(600);
const FIRST_DELAY: Duration = Duration::from_secs(10);
const LONGEST_DELAY: Duration = Duration::from_secs(300);
const FIRST_MOUNT_DELAY: Duration = Duration::from_millis(500);
const LONGEST_MOUNT_DELAY: Duration = Duration::from_secs(120);

/// Something to do. Containers are named by their place in [`PodState::containers`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Make directories and volumes.
    Prepare,
    /// Start a container.
    Launch(usize),
    /// Ask a container to end.
    Stop(usize),
    /// Make a container end.
    Kill(usize),
    /// Tell that a container waits before it is started again.
    TellBackOff(usize),
    /// Tell that the pod has run too long.
    TellDeadline,
    /// The pod can go.
    Remove,
}

/// What is due now, and when to ask again.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// In this order.
    pub effects: Vec<Effect>,
    /// The next moment at which something is due by itself.
    pub wake: Option<Timestamp>,
}

impl Step {
    fn wake_at(&mut self, moment: Timestamp) {
        self.wake = Some(self.wake.map_or(moment, |wake| wake.min(moment)));
    }
}

impl PodState {
    /// What is due at `now`. Whoever calls it must carry out the effects and report back what
    /// came of them.
    pub fn advance(&mut self, now: Timestamp) -> Step {
        let mut step = Step::default();
        self.look_at_deadline(now, &mut step);
        if let Some(kill_at) = self.end_by() {
            self.stop(now, kill_at, &mut step);
        } else if self.is_done_but_for_sidecars() {
            self.stop(now, now + self.grace, &mut step);
        } else {
            self.run(now, &mut step);
        }
        self.look_at_end(now, &mut step);
        step
    }

    /// Volumes and directories are there.
    pub fn prepared(&mut self) {
        self.ground = Ground::Ready;
    }

    /// They could not be made; tried again later, and ever later.
    pub fn not_prepared(&mut self, now: Timestamp) {
        let delay = match self.ground {
            Ground::Missing { delay, .. } => delay.max(FIRST_MOUNT_DELAY),
            Ground::Ready => FIRST_MOUNT_DELAY,
        };
        self.ground = Ground::Missing {
            due: now + delay,
            delay: (delay * 2).min(LONGEST_MOUNT_DELAY),
        };
    }

    /// A new run of a container was made; its command is still to be started.
    pub fn starting(&mut self, index: usize) {
        if let Some(container) = self.containers.get_mut(index) {
            container.starting = true;
        }
    }

    /// The command of a container runs.
    pub fn started(&mut self, index: usize, id: String, started_at: Timestamp) {
        if let Some(container) = self.begin(index, &id) {
            container.run = Run::Running { id, started_at };
        }
    }

    /// A container could not be made; tried again at `due`.
    pub fn refused(&mut self, index: usize, waiting: Waiting, due: Timestamp) {
        if let Some(container) = self.containers.get_mut(index) {
            if let Run::Ended(ended) = &container.run {
                container.last = Some(ended.clone());
            }
            container.run = Run::Waiting(Some(waiting));
            container.due = Some(due);
        }
    }

    /// A container has ended, or its start has failed.
    pub fn ended(&mut self, index: usize, ended: Ended, now: Timestamp) {
        let id = ended.id.clone().unwrap_or_default();
        let Some(container) = self.begin(index, &id) else {
            return;
        };
        let ran = match (ended.started_at, ended.finished_at) {
            (Some(from), Some(to)) => Duration::try_from(to - from).unwrap_or_default(),
            _ => Duration::ZERO,
        };
        container.delay = match (container.restarts, container.delay) {
            _ if ran >= GOOD_RUN => Duration::ZERO,
            (0, _) => Duration::ZERO,
            (_, Duration::ZERO) => FIRST_DELAY,
            (_, delay) => (delay * 2).min(LONGEST_DELAY),
        };
        container.due = Some(now + container.delay);
        container.run = Run::Ended(ended);
    }

    /// The pod is to go, with so much time to end.
    pub fn delete(&mut self, grace: Duration, now: Timestamp) {
        // Only the first request sets the moment of the kill.
        self.deletion.get_or_insert(Deletion {
            since: now,
            kill_at: now + grace,
        });
    }

    /// The pod's object is gone already.
    pub fn orphan(&mut self, now: Timestamp) {
        let kill_at = now + ORPHAN_GRACE;
        let deletion = self.deletion.get_or_insert(Deletion {
            since: now,
            kill_at,
        });
        deletion.kill_at = deletion.kill_at.min(kill_at);
    }

    /// The pod must end for another reason than its containers.
    pub fn fail(&mut self, reason: &str, message: String, now: Timestamp) {
        let kill_at = now + self.grace;
        self.failure.get_or_insert(Failure {
            reason: reason.to_owned(),
            message,
            since: now,
            kill_at,
        });
    }

    /// The node needs what the pod takes: it must end at once.
    pub fn evict(&mut self, message: String, now: Timestamp) {
        self.failure.get_or_insert(Failure {
            reason: "Evicted".to_owned(),
            message,
            since: now,
            kill_at: now,
        });
    }

    /// Takes note that run `id` of a container is the newest one.
    fn begin(&mut self, index: usize, id: &str) -> Option<&mut Container> {
        let container = self.containers.get_mut(index)?;
        container.starting = false;
        if container.id.as_deref() != Some(id) {
            let again = container.id.is_some();
            if let Run::Ended(ended) = &container.run {
                container.last = Some(ended.clone());
            }
            container.restarts += u32::from(again);
            container.id = Some(id.to_owned());
            container.stopping = None;
            container.killed = false;
        }
        Some(container)
    }

    fn look_at_deadline(&mut self, now: Timestamp, step: &mut Step) {
        let Some(deadline) = self.deadline else {
            return;
        };
        if self.is_stopping() || self.over_since.is_some() {
            return;
        }
        let expires = self.started + deadline;
        if now < expires {
            step.wake_at(expires);
            return;
        }
        let message = "Pod was active on the node longer than the specified deadline";
        self.fail("DeadlineExceeded", message.to_owned(), now);
        step.effects.push(Effect::TellDeadline);
    }

    fn end_by(&self) -> Option<Timestamp> {
        let failure = self.failure.as_ref().map(|failure| failure.kill_at);
        let deletion = self.deletion.map(|deletion| deletion.kill_at);
        match (failure, deletion) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// Ends what runs: sidecars only when they are the last.
    fn stop(&mut self, now: Timestamp, kill_at: Timestamp, step: &mut Step) {
        let mains_run = self
            .containers
            .iter()
            .any(|one| one.is_alive() && one.role != Role::Sidecar);
        for (index, container) in self.containers.iter_mut().enumerate() {
            if !container.is_alive() {
                // A run that is not going to be repeated is the last word on its container.
                if let (Run::Waiting(_), Some(last)) = (&container.run, &container.last) {
                    container.run = Run::Ended(last.clone());
                }
                continue;
            }
            let turn = container.role != Role::Sidecar || !mains_run;
            let kill_at = match container.stopping {
                Some(moment) => moment.min(kill_at),
                None => kill_at,
            };
            if turn && container.stopping.is_none() {
                step.effects.push(Effect::Stop(index));
            }
            if turn {
                container.stopping = Some(kill_at);
            }
            if now >= kill_at {
                if !container.killed {
                    step.effects.push(Effect::Kill(index));
                    container.killed = true;
                }
            } else {
                step.wake_at(kill_at);
            }
        }
    }

    fn run(&mut self, now: Timestamp, step: &mut Step) {
        if let Ground::Missing { due, .. } = self.ground {
            if now >= due {
                step.effects.push(Effect::Prepare);
            } else {
                step.wake_at(due);
            }
            return;
        }
        for index in 0..self.containers.len() {
            let (startable, blocks) = self.turn_of(index);
            if startable {
                self.consider(index, now, step);
            }
            if blocks {
                return;
            }
        }
    }

    /// Whether the container may be started, and whether those after it have to wait.
    fn turn_of(&self, index: usize) -> (bool, bool) {
        let Some(container) = self.containers.get(index) else {
            return (false, true);
        };
        let startable = match &container.run {
            _ if container.starting => false,
            Run::Waiting(_) => true,
            Run::Running { .. } => false,
            Run::Ended(ended) => self.will_restart(container, ended.exit_code),
        };
        let blocks = match container.role {
            Role::App => false,
            Role::Init => container.ended().is_none_or(|ended| ended.exit_code != 0),
            Role::Sidecar => !container.has_run(),
        };
        (startable, blocks)
    }

    fn consider(&mut self, index: usize, now: Timestamp, step: &mut Step) {
        let title = self.title.clone();
        let Some(container) = self.containers.get_mut(index) else {
            return;
        };
        let due = container.due.unwrap_or(now);
        if now >= due {
            step.effects.push(Effect::Launch(index));
            return;
        }
        step.wake_at(due);
        let Run::Ended(ended) = &container.run else {
            return;
        };
        let shown_until = ((due - container.delay) + SHOWN).min(due - SHOWN_BEFORE);
        if now < shown_until {
            step.wake_at(shown_until);
            return;
        }
        let (delay, name) = (container.delay.as_secs(), &container.name);
        let message = format!("back-off {delay}s restarting failed container={name} pod={title}");
        container.last = Some(ended.clone());
        container.run = Run::Waiting(Some(Waiting {
            reason: "CrashLoopBackOff".to_owned(),
            message: Some(message),
        }));
        step.effects.push(Effect::TellBackOff(index));
    }

    fn look_at_end(&mut self, now: Timestamp, step: &mut Step) {
        let stopping = self.is_stopping();
        if !self.is_quiet() || !(stopping || self.outcome().is_final()) {
            return;
        }
        let over = *self.over_since.get_or_insert(now);
        let never_ran = !self.containers.iter().any(Container::has_run);
        self.tear_down(never_ran, now, step);
        let settles = match (&self.failure, self.deletion) {
            (_, Some(deletion)) if never_ran && !self.settled => deletion.since + SETTLE,
            (_, Some(_)) => over,
            (Some(failure), None) => failure.since + SETTLE,
            (None, None) => over + SETTLE,
        };
        if now < settles {
            step.wake_at(settles);
            return;
        }
        self.settled = true;
        let given_up = if self.deletion.is_some() {
            settles
        } else {
            settles + SETTLE
        };
        if stopping && now >= given_up {
            self.give_up_on_waiting();
        } else if stopping {
            step.wake_at(given_up);
        }
        let Some(deletion) = self.deletion else {
            return;
        };
        let linger = if never_ran { Duration::ZERO } else { LINGER };
        let gone = settles.max(deletion.since) + linger;
        if now >= gone {
            step.effects.push(Effect::Remove);
        } else {
            step.wake_at(gone);
        }
    }

    /// A pod that is made to end loses what its containers ran in with the last of them.
    fn tear_down(&mut self, never_ran: bool, now: Timestamp, step: &mut Step) {
        let sidecars = self.of(Role::Sidecar);
        let sidecars_were_stopped = sidecars.into_iter().any(|one| one.stopping.is_some());
        match self.deletion {
            Some(deletion) if never_ran && now < deletion.since + TEAR_DOWN => {
                step.wake_at(deletion.since + TEAR_DOWN);
            }
            Some(_) => self.torn_down = true,
            None => self.torn_down |= sidecars_were_stopped,
        }
    }

    fn give_up_on_waiting(&mut self) {
        for container in &mut self.containers {
            if matches!(container.run, Run::Waiting(_)) {
                container.run = Run::Ended(Ended::unknown());
            }
        }
    }
}

#[cfg(test)]
mod tests;
