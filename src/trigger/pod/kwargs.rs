//! The stored form of a pod trigger.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::task::deferral::TriggerSpec;
use crate::task::pods::{ConnectionRef, PodIdentity};
use crate::trigger::TriggerUnusable;

/// The name of this kind of trigger.
pub const KIND: &str = "pod";

/// The version of the stored form that this program writes.
pub const VERSION: u32 = 1;

/// What a pod trigger is built from. Moments are absolute, so that a restart moves none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PodTriggerKwargs {
    /// Which cluster.
    pub connection: ConnectionRef,
    /// Which pod.
    pub pod: PodIdentity,
    /// What it waits for.
    #[serde(flatten)]
    pub terms: PodTerms,
    /// How often in a row the wait has ended in an error although the pod lived, carried into the
    /// event.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub errors: u32,
    /// The user's own, carried into the event.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub trigger_kwargs: Map<String, Value>,
}

/// What a trigger waits for. Kept in memory for each task that waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PodTerms {
    /// The container that decides.
    pub base_container: String,
    /// The longest time between two looks, in seconds.
    pub poll_interval_seconds: f64,
    /// How often the task is resumed for its newest logs, in seconds; not at all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logging_interval_seconds: Option<f64>,
    /// When the task is to be resumed for its newest logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_log_at: Option<Timestamp>,
    /// When a node must have been chosen.
    pub schedule_by: Timestamp,
    /// `schedule_timeout_seconds`, for the message.
    pub schedule_timeout_seconds: f64,
    /// How long the base container may take to start once a node has been chosen, in seconds.
    pub startup_timeout_seconds: f64,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands a reference over"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl PodTriggerKwargs {
    /// The trigger as it is stored.
    #[must_use]
    pub fn to_spec(&self) -> TriggerSpec {
        TriggerSpec {
            kind: KIND.to_owned(),
            version: VERSION,
            // A struct of plain values always serialises.
            kwargs: serde_json::to_value(self).unwrap_or_default(),
            next_log_at: self.terms.next_log_at,
        }
    }

    /// Reads a stored trigger.
    ///
    /// # Errors
    /// [`TriggerUnusable`] for a row of a newer program, or one that makes no sense.
    pub fn from_spec(spec: &TriggerSpec) -> Result<Self, TriggerUnusable> {
        if spec.version > VERSION {
            return Err(TriggerUnusable::NewerVersion {
                kind: KIND.to_owned(),
                found: spec.version,
                known: VERSION,
            });
        }
        serde_json::from_value(spec.kwargs.clone()).map_err(|error| TriggerUnusable::BadKwargs {
            kind: KIND.to_owned(),
            detail: error.to_string(),
        })
    }
}

impl PodTerms {
    /// The longest time between two looks; never so short that looking is all that happens.
    #[must_use]
    pub fn poll_interval(&self) -> Duration {
        Duration::try_from_secs_f64(self.poll_interval_seconds)
            .unwrap_or(Duration::from_secs(2))
            .max(Duration::from_millis(100))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row as version 1 wrote it. It must stay readable.
    const YESTERDAY: &str = r#"{
        "connection": {"name": "kubernetes_default"},
        "pod": {"namespace": "jobs", "name": "a-1", "uid": "u1"},
        "base_container": "base",
        "poll_interval_seconds": 2.0,
        "logging_interval_seconds": 30.0,
        "next_log_at": "2026-11-24T08:00:30Z",
        "schedule_by": "2026-11-24T08:02:00Z",
        "schedule_timeout_seconds": 120.0,
        "startup_timeout_seconds": 120.0
    }"#;

    fn stored(version: u32) -> TriggerSpec {
        TriggerSpec {
            kind: KIND.to_owned(),
            version,
            kwargs: serde_json::from_str(YESTERDAY).unwrap(),
            next_log_at: None,
        }
    }

    #[test]
    fn yesterdays_row_is_read_and_written_back_the_same() {
        let kwargs = PodTriggerKwargs::from_spec(&stored(1)).unwrap();
        assert_eq!(kwargs.pod.uid, "u1");
        assert_eq!(kwargs.to_spec().kwargs, stored(1).kwargs);
    }

    #[test]
    fn a_row_of_a_newer_program_is_refused() {
        let refused = PodTriggerKwargs::from_spec(&stored(2));
        assert!(matches!(
            refused,
            Err(TriggerUnusable::NewerVersion { found: 2, .. })
        ));
    }
}
