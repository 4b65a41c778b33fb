//! Why a container or its pod came to an end.

use super::observation::{
    ContainerKind, ContainerObservation, ContainerState, Fate, PodObservation, PodPhase,
    RestartPolicy, Terminated,
};
use super::verdict::{FailureCause, PodFailure};
use crate::clock::Timestamp;

/// Whether a container that has ended will be started again by the kubelet.
pub(super) fn is_started_again(
    container: &ContainerObservation,
    observation: &PodObservation,
) -> bool {
    let ContainerState::Terminated(end) = &container.state else {
        return false;
    };
    let wanted = match container.restart_policy {
        RestartPolicy::Never => false,
        RestartPolicy::OnFailure => end.exit_code != 0,
        RestartPolicy::Always => true,
    };
    wanted && observation.deletion.is_none() && !observation.gone && !observation.phase.is_final()
}

/// The cause of an end that the pod itself says nothing about.
pub(super) fn without_reason(observation: &PodObservation) -> FailureCause {
    match (observation.deletion, observation.gone) {
        (Some(_), _) => FailureCause::Deleted,
        (None, true) => FailureCause::Vanished,
        (None, false) => FailureCause::NoExitCode,
    }
}

/// What the cluster says about why it ended the pod.
pub(super) fn pod_cause(observation: &PodObservation) -> Option<FailureCause> {
    let by_reason = match observation.reason.as_deref() {
        Some("DeadlineExceeded") => Some(FailureCause::DeadlineExceeded),
        Some("Evicted") => Some(FailureCause::Evicted),
        Some("Preempting") => Some(FailureCause::Preempted),
        Some("NodeLost" | "NodeShutdown" | "Terminated" | "Shutdown") => {
            Some(FailureCause::NodeLost)
        }
        Some(reason)
            if reason.starts_with("OutOf")
                || matches!(
                    reason,
                    "NodeAffinity" | "NodeName" | "NodePorts" | "UnexpectedAdmissionError"
                ) =>
        {
            Some(FailureCause::Rejected)
        }
        _ => None,
    };
    by_reason.or_else(|| {
        let disruption = observation.disruption.as_ref()?;
        Some(match disruption.reason.as_str() {
            "PreemptionByScheduler" => FailureCause::Preempted,
            "DeletionByTaintManager" | "DeletionByPodGC" => FailureCause::NodeLost,
            _ => FailureCause::Evicted,
        })
    })
}

/// What made the base container end, if it was not its own doing.
pub(super) fn what_made_it_end(observation: &PodObservation, base: &str) -> Option<FailureCause> {
    let container = observation.app_container(base)?;
    if container.fate == Fate::EndedByItself {
        return None;
    }
    let ContainerState::Terminated(end) = &container.state else {
        return None;
    };
    let not_before = |moment: Option<Timestamp>| {
        moment
            .zip(end.finished_at)
            .is_some_and(|(moment, finished)| finished >= moment)
    };
    let deadline = observation
        .start_time
        .zip(observation.active_deadline_seconds)
        .and_then(|(start, seconds)| {
            start.checked_add_signed(chrono::TimeDelta::try_seconds(seconds)?)
        });
    if observation.reason.as_deref() == Some("DeadlineExceeded")
        && (not_before(deadline) || end.exit_code != 0)
    {
        return Some(FailureCause::DeadlineExceeded);
    }
    let disrupted = observation
        .disruption
        .as_ref()
        .is_some_and(|disruption| not_before(disruption.at));
    if disrupted {
        return pod_cause(observation);
    }
    if end.exit_code != 0 && observation.reason.is_some() {
        return pod_cause(observation);
    }
    ended_by_deletion(observation, container, end)
        .then(|| pod_cause(observation).unwrap_or(FailureCause::Deleted))
}

/// Whether the container was alive when the deletion was asked for.
///
/// What was seen in order is believed first, then the time of the request, then whether the
/// kubelet knew of the deletion when it reported the end. Without any of these the container gets
/// the benefit of the doubt: its end was its own.
fn ended_by_deletion(
    observation: &PodObservation,
    container: &ContainerObservation,
    end: &Terminated,
) -> bool {
    let Some(deletion) = observation.deletion else {
        return false;
    };
    match container.fate {
        Fate::EndedByItself => return false,
        Fate::AliveAtDeletion => return true,
        Fate::Unseen => {}
    }
    if let Some(requested_at) = deletion.requested_at {
        return end
            .finished_at
            .is_some_and(|finished| finished >= requested_at);
    }
    // A sidecar that ended well after the container is what the kubelet reported on.
    let outlived = observation.containers.iter().any(|other| {
        matches!(&other.state, ContainerState::Terminated(later)
        if later.finished_at.zip(end.finished_at).is_some_and(|(later, own)| {
            later - own >= chrono::TimeDelta::seconds(2)
        }))
    });
    deletion.known_to_node == Some(true) && !outlived
}

/// The init container that ended badly and is not run again.
pub(super) fn failed_init(
    observation: &PodObservation,
) -> Option<(&ContainerObservation, &Terminated)> {
    observation.containers.iter().find_map(|container| {
        let ContainerState::Terminated(end) = &container.state else {
            return None;
        };
        let failed = match container.kind {
            ContainerKind::Init => end.exit_code != 0 && !end.is_unknown(),
            ContainerKind::Sidecar | ContainerKind::App => false,
        };
        (failed && !is_started_again(container, observation)).then_some((container, end))
    })
}

/// A failure before it is put into words.
pub(super) struct Failure {
    pub(super) cause: FailureCause,
    pub(super) exit_code: Option<i32>,
    pub(super) message: Option<String>,
}

impl Failure {
    pub(super) fn of(cause: FailureCause) -> Self {
        Self {
            cause,
            exit_code: None,
            message: None,
        }
    }

    pub(super) fn told(self, observation: &PodObservation, base: &str) -> PodFailure {
        let container = observation.app_container(base);
        // Of a pod that nobody has looked at nobody can say that its container never ran.
        let started = container.is_some_and(|base| base.started) || observation.was_never_seen();
        let ended = match self.exit_code {
            _ if container.is_none() && observation.phase == PodPhase::Succeeded => {
                format!("its status does not mention a container {base}")
            }
            Some(code) if started => format!("container {base} ended with exit code {code}"),
            Some(_) | None if started => format!("how container {base} ended is not known"),
            Some(_) | None => format!("container {base} was never started"),
        };
        let mut message = self
            .message
            .or_else(|| observation.message.as_deref().map(str::to_owned));
        let reason = match self.cause {
            FailureCause::ExitCode => ended,
            FailureCause::OutOfMemory => format!("{ended}: it used more memory than its limit"),
            FailureCause::StartError => {
                format!("the program of container {base} cannot be started")
            }
            FailureCause::InitContainer => match failed_init(observation) {
                Some((init, end)) => {
                    message = end.message.clone().or(message);
                    format!(
                        "init container {} ended with exit code {}",
                        init.name, end.exit_code
                    )
                }
                None => "an init container failed".to_owned(),
            },
            FailureCause::DeadlineExceeded => {
                format!("the pod ran past its activeDeadlineSeconds; {ended}")
            }
            FailureCause::Evicted => format!("the pod was evicted; {ended}"),
            FailureCause::Preempted => {
                format!("the pod was preempted by one of higher priority; {ended}")
            }
            FailureCause::NodeLost => format!("the pod's node was lost or shut down; {ended}"),
            FailureCause::Rejected => format!(
                "the node did not accept the pod ({})",
                observation.reason.as_deref().unwrap_or("no reason given")
            ),
            FailureCause::Deleted => format!("the pod was deleted; {ended}"),
            FailureCause::Vanished => format!("the pod is gone; {ended}"),
            FailureCause::NoExitCode => {
                format!(
                    "the pod has ended ({}) and {ended}",
                    observation.phase.as_str()
                )
            }
        };
        PodFailure {
            reason,
            exit_code: self.exit_code,
            message,
            could_not_start: !started && self.cause != FailureCause::InitContainer,
            cause: self.cause,
            nothing_started: observation.nothing_started(),
        }
    }
}
