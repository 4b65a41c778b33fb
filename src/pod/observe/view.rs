//! From a pod as the API writes it to an observation.

use k8s_openapi::api::core::v1::{
    ContainerState as ApiState, ContainerStateTerminated, ContainerStatus, Pod, PodCondition,
    PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Deserialize;

use super::observation::{
    ContainerKind, ContainerObservation, ContainerState, Deletion, Disruption, Fate,
    OBSERVATION_VERSION, PodObservation, PodPhase, RestartPolicy, Terminated,
};
use crate::clock::Timestamp;
use crate::task::pods::PodIdentity;

/// The parts of a pod that are read here. Lists and watches are parsed into this instead of the
/// whole object: half of a pod's bytes are `managedFields`, and most of the rest is its spec.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PodView {
    pub(crate) metadata: MetaView,
    spec: Option<SpecView>,
    status: Option<PodStatus>,
}

/// A part of a pod's metadata.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct MetaView {
    pub(crate) name: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: Option<String>,
    generation: Option<i64>,
    pub(crate) deletion_timestamp: Option<Time>,
    deletion_grace_period_seconds: Option<i64>,
    pub(crate) annotations: Option<AnnotationsView>,
}

/// The one annotation that a watch needs: the mark at the end of the initial list.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AnnotationsView {
    #[serde(rename = "k8s.io/initial-events-end")]
    pub(crate) initial_events_end: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SpecView {
    node_name: Option<String>,
    restart_policy: Option<String>,
    active_deadline_seconds: Option<i64>,
    // Lists may be null: a bookmark has `containers: null`.
    containers: Option<Vec<ContainerView>>,
    init_containers: Option<Vec<ContainerView>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContainerView {
    name: String,
    restart_policy: Option<String>,
}

/// Reduces a pod to what decides a task.
#[must_use]
pub fn observe(pod: &Pod) -> PodObservation {
    let container_view = |container: &k8s_openapi::api::core::v1::Container| ContainerView {
        name: container.name.clone(),
        restart_policy: container.restart_policy.clone(),
    };
    let meta = &pod.metadata;
    PodView {
        metadata: MetaView {
            name: meta.name.clone(),
            namespace: meta.namespace.clone(),
            uid: meta.uid.clone(),
            resource_version: meta.resource_version.clone(),
            generation: meta.generation,
            deletion_timestamp: meta.deletion_timestamp.clone(),
            deletion_grace_period_seconds: meta.deletion_grace_period_seconds,
            annotations: None,
        },
        spec: pod.spec.as_ref().map(|spec| SpecView {
            node_name: spec.node_name.clone(),
            restart_policy: spec.restart_policy.clone(),
            active_deadline_seconds: spec.active_deadline_seconds,
            containers: Some(spec.containers.iter().map(container_view).collect()),
            init_containers: spec
                .init_containers
                .as_ref()
                .map(|containers| containers.iter().map(container_view).collect()),
        }),
        status: pod.status.clone(),
    }
    .into_observation()
}

impl PodView {
    /// Reduces the pod to what decides a task.
    pub(crate) fn into_observation(self) -> PodObservation {
        let spec = self.spec.unwrap_or_default();
        let status = self.status.unwrap_or_default();
        let conditions = status.conditions.as_deref().unwrap_or_default();
        let find = |kind: &str| conditions.iter().find(|condition| condition.type_ == kind);
        let pressed = if self.metadata.deletion_timestamp.is_some() {
            Pressure::Deletion
        } else if status
            .reason
            .as_deref()
            .is_some_and(|reason| !reason.is_empty())
            || find("DisruptionTarget").is_some_and(|condition| condition.status == "True")
        {
            Pressure::Other
        } else {
            Pressure::None
        };
        let pod_policy = restart_policy(spec.restart_policy.as_deref());

        let mut containers: Vec<ContainerObservation> = status
            .container_statuses
            .iter()
            .flatten()
            .map(|container| (container, spec.containers.as_ref(), false))
            .chain(
                status
                    .init_container_statuses
                    .iter()
                    .flatten()
                    .map(|container| (container, spec.init_containers.as_ref(), true)),
            )
            .map(|(container, specs, is_init)| {
                let own = specs
                    .and_then(|specs| specs.iter().find(|spec| spec.name == container.name))
                    .and_then(|spec| spec.restart_policy.as_deref());
                let kind = match (is_init, own) {
                    (false, _) => ContainerKind::App,
                    (true, Some("Always")) => ContainerKind::Sidecar,
                    (true, _) => ContainerKind::Init,
                };
                let policy = match (own, is_init, pod_policy) {
                    (Some(_), _, _) => restart_policy(own),
                    // An init container that ended well is not run again, whatever the pod says.
                    (None, true, RestartPolicy::Always) => RestartPolicy::OnFailure,
                    (None, _, policy) => policy,
                };
                observe_container(container, kind, policy, pressed)
            })
            .collect();
        // Kept for as long as the pod is waited for, ten thousand times over.
        containers.shrink_to_fit();

        let scheduled = find("PodScheduled");
        PodObservation {
            version: OBSERVATION_VERSION,
            phase: phase(&status),
            deletion: deletion(&self.metadata, find("Ready")),
            disruption: find("DisruptionTarget")
                .filter(|condition| condition.status == "True")
                .map(|condition| {
                    Box::new(Disruption {
                        reason: condition.reason.clone().unwrap_or_default(),
                        at: condition.last_transition_time.as_ref().and_then(moment),
                    })
                }),
            scheduled: spec.node_name.is_some()
                || scheduled.is_some_and(|condition| condition.status == "True"),
            unschedulable: scheduled
                .filter(|condition| condition.status == "False")
                .map(|condition| {
                    let reason = condition.reason.as_deref().unwrap_or("Unschedulable");
                    match &condition.message {
                        Some(message) => format!("{reason}: {message}").into_boxed_str(),
                        None => reason.into(),
                    }
                }),
            node_silent: status.phase.as_deref() == Some("Unknown")
                || status.reason.as_deref() == Some("NodeLost")
                || find("Ready").is_some_and(|condition| condition.status == "Unknown"),
            start_time: status.start_time.as_ref().and_then(moment),
            active_deadline_seconds: spec.active_deadline_seconds,
            reason: status
                .reason
                .filter(|reason| !reason.is_empty())
                .map(String::into_boxed_str),
            message: status
                .message
                .filter(|message| !message.is_empty())
                .map(String::into_boxed_str),
            node: spec.node_name.map(String::into_boxed_str),
            containers,
            gone: false,
            resource_version: self.metadata.resource_version.unwrap_or_default(),
            identity: PodIdentity {
                namespace: self.metadata.namespace.unwrap_or_default(),
                name: self.metadata.name.unwrap_or_default(),
                uid: self.metadata.uid.unwrap_or_default(),
            },
        }
    }
}

fn phase(status: &PodStatus) -> PodPhase {
    match status.phase.as_deref() {
        None | Some("" | "Pending") => PodPhase::Pending,
        Some("Running") => PodPhase::Running,
        Some("Succeeded") => PodPhase::Succeeded,
        Some("Failed") => PodPhase::Failed,
        Some(_) => PodPhase::Unknown,
    }
}

/// A deletion's time is the moment of the request plus the grace period; when the pod has ended
/// it is overwritten, with a grace period of 0. What remains then is whether the kubelet's last
/// report on the pod already knew of the generation that the deletion made.
fn deletion(meta: &MetaView, ready: Option<&PodCondition>) -> Option<Deletion> {
    let at = moment(meta.deletion_timestamp.as_ref()?);
    let grace = meta.deletion_grace_period_seconds.unwrap_or_default();
    Some(Deletion {
        requested_at: at
            .filter(|_| grace > 0)
            .and_then(|at| at.checked_sub_signed(chrono::TimeDelta::try_seconds(grace)?)),
        known_to_node: ready
            .and_then(|condition| condition.observed_generation)
            .zip(meta.generation)
            .map(|(known, generation)| known >= generation),
    })
}

fn restart_policy(word: Option<&str>) -> RestartPolicy {
    match word {
        Some("Always") => RestartPolicy::Always,
        Some("OnFailure") => RestartPolicy::OnFailure,
        _ => RestartPolicy::Never,
    }
}

/// What makes a pod end, other than its containers.
#[derive(Clone, Copy)]
enum Pressure {
    None,
    Deletion,
    Other,
}

fn observe_container(
    status: &ContainerStatus,
    kind: ContainerKind,
    restart_policy: RestartPolicy,
    pressed: Pressure,
) -> ContainerObservation {
    let last_terminated = status
        .last_state
        .as_ref()
        .and_then(|state| state.terminated.as_ref())
        .map(|ended| Box::new(terminated(ended)));
    let state = status
        .state
        .as_ref()
        .map_or(ContainerState::Unreported, state);
    let (started_now, ended) = match &state {
        ContainerState::Running { .. } => (true, false),
        ContainerState::Terminated(end) => (end.had_started(), true),
        ContainerState::Waiting { .. } | ContainerState::Unreported => (false, false),
    };
    ContainerObservation {
        name: status.name.clone(),
        kind,
        container_id: status.container_id.clone().filter(|id| !id.is_empty()),
        restart_count: status.restart_count,
        restart_policy,
        started: started_now
            || status.restart_count > 0
            || last_terminated
                .as_ref()
                .is_some_and(|ended| ended.had_started()),
        fate: match (ended, pressed) {
            (true, Pressure::None) => Fate::EndedByItself,
            (false, Pressure::Deletion) => Fate::AliveAtDeletion,
            (true, Pressure::Deletion | Pressure::Other)
            | (false, Pressure::None | Pressure::Other) => Fate::Unseen,
        },
        state,
        last_terminated,
    }
}

fn state(state: &ApiState) -> ContainerState {
    if let Some(running) = &state.running {
        ContainerState::Running {
            started_at: running.started_at.as_ref().and_then(moment),
        }
    } else if let Some(waiting) = &state.waiting {
        ContainerState::Waiting {
            reason: waiting.reason.clone(),
            message: waiting.message.clone(),
        }
    } else if let Some(ended) = &state.terminated {
        ContainerState::Terminated(terminated(ended))
    } else {
        ContainerState::Unreported
    }
}

fn terminated(ended: &ContainerStateTerminated) -> Terminated {
    Terminated {
        exit_code: ended.exit_code,
        reason: ended.reason.clone(),
        message: ended.message.clone(),
        started_at: ended.started_at.as_ref().and_then(moment),
        finished_at: ended.finished_at.as_ref().and_then(moment),
    }
}

impl Terminated {
    /// Whether nothing is known of the container but that the kubelet cannot find it: its exit
    /// code is then made up.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.reason.as_deref() == Some("ContainerStatusUnknown")
    }

    /// Whether the program could not even be started: its exit code is the runtime's.
    #[must_use]
    pub fn is_start_error(&self) -> bool {
        matches!(
            self.reason.as_deref(),
            Some("StartError" | "ContainerCannotRun")
        )
    }

    fn had_started(&self) -> bool {
        !self.is_unknown() && !self.is_start_error()
    }
}

/// The API's time in ours. A time that ours cannot hold counts as absent.
pub(crate) fn moment(time: &Time) -> Option<Timestamp> {
    Timestamp::from_timestamp(
        time.0.as_second(),
        u32::try_from(time.0.subsec_nanosecond()).unwrap_or_default(),
    )
}
