//! What the store must do, in a hundred lines of other words: tasks, who holds them, what counts.

use std::collections::{BTreeMap, HashSet};

pub const LEASE: i64 = 30;

/// What a worker says about the task that it holds, or held.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    Defer,
    Complete,
    Skip,
    FailForNow,
    FailForGood,
    Killed,
    Postpone,
    Release,
    Renew,
}

/// Where a task is, in the model's own words.
#[derive(Debug, Clone, PartialEq)]
pub enum Whereabouts {
    Queued(&'static str, i64),
    Running {
        entry: &'static str,
        until: i64,
        cancelling: bool,
        owner: String,
    },
    Deferred,
    ForRetry(i64),
    Ended(&'static str),
}

pub use Whereabouts::{Deferred, Ended, ForRetry, Queued, Running};

#[derive(Debug, Clone)]
pub struct Task {
    pub place: Whereabouts,
    pub fence: i64,
    pub attempt: u32,
    pub lines: i64,
    pub changed: i64,
}

#[derive(Debug, Default)]
pub struct Model {
    pub tasks: BTreeMap<i64, Task>,
    pub names: BTreeMap<usize, i64>,
    pub now: i64,
}

impl Model {
    /// The ids that a claim of two takes: kills, then resumes, then starts.
    pub fn claim(&mut self, owner: &str) -> Vec<i64> {
        let mut ready: Vec<(usize, i64, i64)> = self
            .tasks
            .iter()
            .filter_map(|(id, task)| match task.place {
                Queued(entry, at) if at <= self.now => {
                    let rank = ["kill", "reentry", "execute"]
                        .iter()
                        .position(|word| *word == entry);
                    Some((rank?, at, *id))
                }
                Queued(..) | Running { .. } | Deferred | ForRetry(_) | Ended(_) => None,
            })
            .collect();
        ready.sort_unstable();
        let ids: Vec<i64> = ready.into_iter().take(2).map(|(_, _, id)| id).collect();
        for id in &ids {
            let (now, task) = (self.now, self.tasks.get_mut(id).unwrap());
            let Queued(entry, _) = task.place else {
                unreachable!()
            };
            let (until, owner) = (now + LEASE, owner.to_owned());
            let cancelling = false;
            task.place = Running {
                entry,
                until,
                cancelling,
                owner,
            };
            task.fence += 1;
            task.changed = now;
        }
        ids
    }

    /// Whether a worker's step counts.
    pub fn step(&mut self, id: i64, fence: i64, step: Step) -> bool {
        let (now, task) = (self.now, self.tasks.get_mut(&id).unwrap());
        let Running {
            entry,
            cancelling,
            owner,
            ..
        } = task.place.clone()
        else {
            return false;
        };
        let killing = entry == "kill";
        let again = if cancelling { "kill" } else { entry };
        let next = match step {
            _ if task.fence != fence => return false,
            Step::Postpone => Queued(again, now + 5),
            Step::Release => Queued(again, now),
            Step::Renew => Running {
                entry,
                until: now + LEASE,
                cancelling,
                owner,
            },
            Step::Killed if killing || cancelling => Ended("cancelled"),
            Step::Killed => return false,
            _ if killing => return false,
            Step::Defer if cancelling => Queued("kill", now),
            Step::Defer => Deferred,
            Step::Complete => Ended("success"),
            Step::Skip => Ended("skipped"),
            Step::FailForNow | Step::FailForGood if cancelling => Ended("cancelled"),
            Step::FailForNow => ForRetry(now + 3),
            Step::FailForGood => Ended("failed"),
        };
        (task.place, task.changed) = (next, now);
        true
    }

    pub fn append(&mut self, id: i64, fence: i64, lines: i64) -> bool {
        let task = self.tasks.get_mut(&id).unwrap();
        let held = task.fence == fence && matches!(task.place, Running { .. });
        task.lines += if held { lines } else { 0 };
        held
    }

    pub fn fire(&mut self, id: i64, fence: i64) -> bool {
        let (now, task) = (self.now, self.tasks.get_mut(&id).unwrap());
        let waits = task.place == Deferred && task.fence == fence;
        if waits {
            (task.place, task.fence, task.changed) = (Queued("reentry", now), fence + 1, now);
        }
        waits
    }

    pub fn cancel(&mut self, id: i64) -> bool {
        let (now, task) = (self.now, self.tasks.get_mut(&id).unwrap());
        match &mut task.place {
            Queued("kill", _) => {}
            Queued(..) => task.place = Queued("kill", now),
            Running {
                entry, cancelling, ..
            } => *cancelling = *entry != "kill",
            Deferred => {
                task.fence += 1;
                task.place = Queued("kill", now);
            }
            ForRetry(_) => task.place = Ended("cancelled"),
            Ended(_) => return false,
        }
        task.changed = now;
        true
    }

    pub fn retry(&mut self, id: i64) -> bool {
        let (now, task) = (self.now, self.tasks.get_mut(&id).unwrap());
        let may = match task.place {
            ForRetry(_) => true,
            Ended(end) => end != "success",
            Queued(..) | Running { .. } | Deferred => false,
        };
        if may {
            task.attempt += 1;
            (task.place, task.changed) = (Queued("execute", now), now);
        }
        may
    }

    pub fn tidy(&mut self, dead: &HashSet<String>) {
        let now = self.now;
        for task in self.tasks.values_mut() {
            // What is more than two seconds ahead was written before the clock was set back.
            let back = task.changed - now;
            let ahead = back > 2;
            match &mut task.place {
                Queued(_, at) | ForRetry(at) | Running { until: at, .. } if ahead => {
                    *at -= back;
                    task.changed = now;
                }
                Queued(..) | Running { .. } | Deferred | ForRetry(_) | Ended(_) => {}
            }
            match task.place.clone() {
                Running {
                    entry,
                    until,
                    cancelling,
                    owner,
                } if until <= now || dead.contains(&owner) => {
                    let again = if cancelling { "kill" } else { entry };
                    task.fence += 1;
                    (task.place, task.changed) = (Queued(again, now), now);
                }
                ForRetry(at) if at <= now => {
                    task.attempt += 1;
                    (task.place, task.changed) = (Queued("execute", now), now);
                }
                Queued(..) | Running { .. } | Deferred | ForRetry(_) | Ended(_) => {}
            }
        }
    }
}
