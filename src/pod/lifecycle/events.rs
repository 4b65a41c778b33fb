//! What the cluster remarks about a pod.

use k8s_openapi::api::core::v1::Event;

use super::find::list;
use crate::clock::Timestamp;
use crate::pod::client::{ApiError, ClusterClient};
use crate::pod::observe::moment;
use crate::task::pods::PodIdentity;

/// One remark, possibly made several times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodEvent {
    /// `Normal` or `Warning`.
    pub kind: String,
    /// In one word: `FailedMount`, `Pulled`, ...
    pub reason: String,
    /// In words.
    pub message: String,
    /// When it was made last.
    pub last_seen: Option<Timestamp>,
    /// How often it was made.
    pub count: i32,
}

impl PodEvent {
    /// Whether it is a warning.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        self.kind == "Warning"
    }
}

/// What the cluster has remarked about exactly this pod, oldest first. Remarks outlive the pod
/// (by an hour as a rule).
///
/// # Errors
///
/// Any refusal, and what did not pass within a few attempts. Reading events needs a right of its
/// own, so a refusal should not fail a task.
pub async fn events_of(
    client: &ClusterClient,
    identity: &PodIdentity,
) -> Result<Vec<PodEvent>, ApiError> {
    let events: Vec<Event> = list(
        client,
        &["api", "v1", "namespaces", &identity.namespace, "events"],
        (
            "fieldSelector",
            &format!("involvedObject.uid={}", identity.uid),
        ),
        &format!(
            "list events of pod {}/{}",
            identity.namespace, identity.name
        ),
    )
    .await?;
    let mut events: Vec<(u64, PodEvent)> = events
        .into_iter()
        .map(|event| {
            let version = event.metadata.resource_version.as_deref();
            let version = version.and_then(|version| version.parse().ok());
            (version.unwrap_or_default(), remark(event))
        })
        .collect();
    // The kubelet tells whole seconds only and the scheduler microseconds: within a second the
    // order in which the server took them is the better guess.
    events.sort_by_key(|(version, event)| {
        let second = event.last_seen.map(|seen| seen.timestamp());
        (second, *version)
    });
    Ok(events.into_iter().map(|(_, event)| event).collect())
}

/// The kubelet fills in the old fields, the scheduler the new ones.
fn remark(event: Event) -> PodEvent {
    let in_series = event.series.as_ref();
    let micro = |time: &k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime| {
        moment(&k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(
            time.0,
        ))
    };
    let last_seen = in_series
        .and_then(|series| series.last_observed_time.as_ref())
        .and_then(micro)
        .or_else(|| event.last_timestamp.as_ref().and_then(moment))
        .or_else(|| event.event_time.as_ref().and_then(micro))
        .or_else(|| event.first_timestamp.as_ref().and_then(moment))
        .or_else(|| event.metadata.creation_timestamp.as_ref().and_then(moment));
    PodEvent {
        kind: event.type_.unwrap_or_else(|| "Normal".to_owned()),
        reason: event.reason.unwrap_or_default(),
        message: event.message.unwrap_or_default(),
        last_seen,
        count: in_series
            .and_then(|series| series.count)
            .or(event.count)
            .unwrap_or(1),
    }
}
