//! Those who listen to one step of a task.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use serde_json::Value;

use super::alone::{Fault, alone};
use super::change::lost_identity;
use super::moments::{ManifestTold, TaskTold};
use super::registry::{CallbackLimits, Listener, Registered, complaint};
use super::told::{BuiltTold, Told};
use crate::clock::{Clock, Timestamp};
use crate::operator::{TaskContext, WIND_UP};
use crate::pod::client::ClusterClient;
use crate::pod::spec::PodManifest;
use crate::task::file::{CallbackEvent, TaskFile};

/// The listeners of a task, in the order of its file.
pub struct Listeners {
    all: Vec<Listener>,
    task: TaskTold,
    clock: Clock,
    begun: Timestamp,
    deadline: Option<Timestamp>,
    limits: CallbackLimits,
    /// Events that need not be told again, by their marks.
    told: Mutex<HashSet<String>>,
    /// Listeners that were too slow with log lines: they hear no more of them in this step.
    slow: Mutex<HashSet<usize>>,
}

impl Listeners {
    /// Whom a task tells. What it names and cannot be used is logged: it was refused at submit, so
    /// the program has changed since, and that decides no task's fate.
    pub fn of(registered: &Registered, file: &TaskFile, context: &TaskContext) -> Self {
        let (all, faults) = registered.listeners(&file.pod);
        for fault in faults {
            tracing::warn!(task = %context.task, fault, "nobody is told");
        }
        Self {
            all,
            task: TaskTold {
                id: context.task,
                key: context.key.clone(),
                try_number: context.try_number,
                deferrable: file.pod.deferrable,
                base_container: file.pod.base_container_name.clone(),
            },
            clock: context.clock.clone(),
            begun: context.clock.now(),
            deadline: context.deadline,
            limits: registered.limits(),
            told: Mutex::default(),
            slow: Mutex::default(),
        }
    }

    /// The task, as listeners are told of it.
    pub fn task(&self) -> TaskTold {
        self.task.clone()
    }

    /// Whether anybody wants to be told of such events.
    pub fn wants(&self, event: CallbackEvent) -> bool {
        self.all.iter().any(|listener| wants(listener, event))
    }

    /// Whether the event of this mark was told in this step already; it counts as told from now
    /// on.
    pub fn told_before(&self, mark: &str) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        !told.insert(mark.to_owned())
    }

    /// Tells everybody who wants to know, all at once; answers what went wrong.
    pub async fn tell(&self, told: Told) -> Vec<String> {
        let event = told.event();
        if !self.wants(event) {
            return Vec::new();
        }
        let at = self.clock.now();
        let limit = self.limit();
        let lines = event == CallbackEvent::ProgressCallback;
        let telling = self
            .all
            .iter()
            .enumerate()
            .filter(|(index, listener)| wants(listener, event) && !(lines && self.is_slow(*index)))
            .map(|(index, listener)| {
                let told = told.clone();
                let work = tell_one(listener.clone(), told, at);
                async move { (index, alone(limit, work).await) }
            });
        let mut complaints = Vec::new();
        crate::failpoint::reach!("callback.before");
        let results = join_all(telling).await;
        crate::failpoint::reach!("callback.after");
        for (index, result) in results {
            let Err(fault) = result else { continue };
            if lines && matches!(fault, Fault::TooSlow(_)) {
                let mut slow = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
                slow.insert(index);
            }
            complaints.push(self.complain(index, event, &fault));
        }
        complaints
    }

    /// Lets the registered callbacks change the pod, one after the other. The changes of one that
    /// fails, or that touches what says whose pod it is, are dropped.
    pub async fn shape(&self, client: &ClusterClient, pod: &mut PodManifest) {
        let event = CallbackEvent::OnPodManifestCreated;
        for (index, listener) in self.all.iter().enumerate() {
            let callbacks = match listener {
                Listener::Registered {
                    callbacks,
                    lines_alone: false,
                    ..
                } => callbacks.clone(),
                Listener::Registered { .. } | Listener::Webhook(_) => continue,
            };
            let told = ManifestTold {
                task: self.task(),
                client: client.clone(),
            };
            let mut changing: Value = pod.as_value().clone();
            let work = async move {
                callbacks
                    .on_pod_manifest_created(&told, &mut changing)
                    .await?;
                Ok(changing)
            };
            let changed = alone(self.limit(), work).await.and_then(|changed| {
                let lost = lost_identity(pod.as_value(), &changed, &self.task.base_container);
                if lost.is_empty() {
                    Ok(changed)
                } else {
                    let words =
                        "its changes are dropped, since they touch what says whose pod it is";
                    Err(Fault::Failed(
                        format!("{words}: {}", lost.join(", ")).into(),
                    ))
                }
            });
            match changed {
                Ok(changed) => *pod = PodManifest::new(changed),
                Err(fault) => {
                    self.complain(index, event, &fault);
                }
            }
        }
        let built = BuiltTold {
            task: self.task(),
            namespace: pod.namespace().to_owned(),
            name: pod.name().to_owned(),
        };
        self.tell(Told::ManifestCreated(Arc::new(built))).await;
    }

    /// How long one call may take: never more than half of the time that the step itself has, so
    /// that nobody who listens makes a task late.
    fn limit(&self) -> Duration {
        let limit = self.limits.callback;
        let Some(deadline) = self.deadline else {
            return limit;
        };
        let now = self.clock.now();
        let end = if deadline > now {
            deadline
        } else {
            deadline.max(self.begun) + WIND_UP
        };
        limit.min((end - now).to_std().unwrap_or_default() / 2)
    }

    fn is_slow(&self, index: usize) -> bool {
        let slow = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
        slow.contains(&index)
    }

    fn complain(&self, index: usize, event: CallbackEvent, fault: &Fault) -> String {
        let words = complaint(&self.all[index], event, fault);
        tracing::warn!(task = %self.task.id, "{words}");
        words
    }
}

fn wants(listener: &Listener, event: CallbackEvent) -> bool {
    match listener {
        Listener::Registered { lines_alone, .. } => {
            !lines_alone || event == CallbackEvent::ProgressCallback
        }
        Listener::Webhook(webhook) => webhook.wants(event),
    }
}

async fn tell_one(listener: Listener, told: Told, at: Timestamp) -> super::CallbackResult {
    match listener {
        Listener::Registered { callbacks, .. } => told.call(callbacks.as_ref()).await,
        Listener::Webhook(webhook) => webhook.tell(&told, at).await,
    }
}
