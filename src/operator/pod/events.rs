//! What the cluster remarks about the pod, and what the pod looked like when it failed, in the
//! task's own log.
//!
//! Remarks help a person; none of them decides anything. A cluster that does not hand them out
//! changes nothing.

use super::call::{Call, OwnPod};
use crate::operator::Failure;
use crate::pod::lifecycle::{self, PodEvent};
use crate::pod::observe::{ContainerState, PodObservation};
use crate::pod::spec::{PodManifest, redact, to_yaml};
use crate::task::log::LogCursor;
use crate::task::outcome::FailureKind;

/// The cursor of the cluster's events; no container can have this name.
const EVENTS: &str = "(events)";

/// How many of the cluster's last events are kept with a failed attempt.
const LAST_EVENTS: usize = 10;

/// The cursor of what is told about a failed pod.
const EXPLANATION: &str = "(explanation)";

impl Call<'_> {
    /// Notes what the cluster remarked while the pod was being started, once.
    pub async fn note_startup_events(&self, own: &OwnPod) -> Result<(), Failure> {
        if !self.file.pod.log_events_on_startup {
            return Ok(());
        }
        let journal = &self.context.journal;
        let noted = journal.log_cursor(&own.identity.uid, EVENTS).await?;
        if noted.stamp_ns > 0 {
            return Ok(());
        }
        self.note_events(own).await
    }

    /// Notes what the cluster has remarked since it was last asked.
    async fn note_events(&self, own: &OwnPod) -> Result<(), Failure> {
        let noted = self
            .context
            .journal
            .log_cursor(&own.identity.uid, EVENTS)
            .await?;
        let Some(events) = self.events(own).await else {
            return Ok(());
        };
        let stamp = |event: &PodEvent| {
            event
                .last_seen
                .and_then(|seen| seen.timestamp_nanos_opt())
                .unwrap_or_default()
        };
        let fresh: Vec<(i64, String)> = events
            .iter()
            .filter(|event| stamp(event) > noted.stamp_ns)
            .map(|event| (stamp(event), words(event)))
            .collect();
        let Some(last) = fresh.iter().map(|(stamp, _)| *stamp).max() else {
            return Ok(());
        };
        let cursor = LogCursor {
            stamp_ns: last,
            ..LogCursor::default()
        };
        self.remark(own, EVENTS, fresh, cursor).await
    }

    async fn events(&self, own: &OwnPod) -> Option<Vec<PodEvent>> {
        match lifecycle::events_of(&own.client, &own.identity).await {
            Ok(events) => Some(events),
            Err(error) => {
                tracing::info!(task = %self.context.task, %error, "the pod's events could not be read");
                None
            }
        }
    }

    /// The cluster's last warning about a pod that could not be started.
    pub async fn last_warning(&self, own: &OwnPod, kind: FailureKind) -> Option<String> {
        match kind {
            FailureKind::CouldNotStart => {
                let events = self.events(own).await?;
                let last = events.iter().rev().find(|event| event.is_warning())?;
                Some(format!("the cluster says: {}", words(last)))
            }
            FailureKind::Failed | FailureKind::TimedOut => None,
        }
    }

    /// What the last look at the pod showed, for whoever asks later: the pod's name, and its
    /// containers and events.
    pub async fn observed(
        &self,
        own: &OwnPod,
        observation: &PodObservation,
    ) -> (String, serde_json::Value) {
        let events = self.events(own).await.unwrap_or_default();
        let from = events.len().saturating_sub(LAST_EVENTS);
        let events: Vec<String> = events[from..].iter().map(words).collect();
        let containers: Vec<String> = states(observation).collect();
        let seen = serde_json::json!({
            "phase": observation.phase.as_str(),
            "node": observation.node,
            "containers": containers,
            "events": events,
        });
        (own.record.intent.name.clone(), seen)
    }

    /// Says in the log what a failed pod looked like, once: its events, its containers, its spec,
    /// as far as the task wants to know.
    pub async fn explain(&self, own: &OwnPod, observation: &PodObservation) -> Result<(), Failure> {
        let parameters = &self.file.pod;
        if parameters.log_events_on_failure {
            self.note_events(own).await?;
        }
        let uid = &own.identity.uid;
        if self
            .context
            .journal
            .log_cursor(uid, EXPLANATION)
            .await?
            .complete
        {
            return Ok(());
        }
        let mut lines = Vec::new();
        if parameters.log_events_on_failure {
            lines.extend(states(observation));
        }
        if parameters.log_pod_spec_on_failure
            && let Some(yaml) = self.spec_without_secrets(own).await
        {
            lines.extend(yaml.lines().map(str::to_owned));
        }
        let now = self.context.clock.now();
        let stamp = now.timestamp_nanos_opt().unwrap_or_default();
        let cursor = LogCursor {
            stamp_ns: stamp,
            complete: true,
            ..LogCursor::default()
        };
        let lines = lines.into_iter().map(|line| (stamp, line)).collect();
        self.remark(own, EXPLANATION, lines, cursor).await
    }
}

impl Call<'_> {
    /// The pod as it is on the cluster, without what a log must not show.
    async fn spec_without_secrets(&self, own: &OwnPod) -> Option<String> {
        let found = lifecycle::get_same(&own.client, &own.identity).await;
        let mut pod = match found {
            Ok(pod) => serde_json::to_value(pod?).ok()?,
            Err(error) => {
                tracing::info!(task = %self.context.task, %error, "the pod's spec could not be read");
                return None;
            }
        };
        pod["metadata"]["managedFields"].take();
        pod["status"].take();
        redact(&mut pod);
        Some(to_yaml(&PodManifest::new(pod)))
    }
}

fn words(event: &PodEvent) -> String {
    let times = match event.count {
        ..=1 => String::new(),
        count => format!(" ({count} times)"),
    };
    format!("{} {}: {}{times}", event.kind, event.reason, event.message)
}

/// One line for each container.
fn states(observation: &PodObservation) -> impl Iterator<Item = String> {
    observation.containers.iter().map(|container| {
        let or_nothing = |words: &Option<String>| words.clone().unwrap_or_default();
        let state = match &container.state {
            ContainerState::Waiting { reason, message } => {
                format!("waiting {} {}", or_nothing(reason), or_nothing(message))
            }
            ContainerState::Running { .. } => "running".to_owned(),
            ContainerState::Terminated(end) => format!(
                "terminated with exit code {} {} {}",
                end.exit_code,
                or_nothing(&end.reason),
                or_nothing(&end.message)
            ),
            ContainerState::Unreported => "not reported".to_owned(),
        };
        format!("container {}: {}", container.name, state.trim_end())
    })
}
