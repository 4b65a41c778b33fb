//! The verdict on a pod: what its base container did, and why.

use std::fmt;

use super::observation::{
    ContainerKind, ContainerObservation, ContainerState, Fate, PodObservation, PodPhase,
    RestartPolicy, Terminated,
};
use crate::clock::Timestamp;

/// What the base container does or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BaseState {
    /// Its program has not been started yet.
    NotStarted {
        /// Why, as far as the kubelet says: `ImagePullBackOff: ...`.
        detail: Option<String>,
    },
    /// Its program runs, or is about to be started again.
    Running,
    /// Its program has ended for good.
    Ended(Terminated),
    /// Its program was never started, and never will be.
    NeverRan {
        /// The exit code that the runtime reported for its failure to start, if it was that.
        exit_code: Option<i32>,
        /// Why, as far as the kubelet says.
        detail: Option<String>,
    },
    /// Its program was started, and how it ended cannot be known any more.
    Lost,
}

/// The verdict on a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PodVerdict {
    /// The base container has not been started yet.
    Pending(Pending),
    /// The base container runs.
    Running,
    /// The base container ended by itself with exit code 0.
    Succeeded,
    /// The base container ended badly, or never can end well.
    Failed(PodFailure),
}

impl PodVerdict {
    /// Whether this is the end.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Pending(_) | Self::Running => false,
            Self::Succeeded | Self::Failed(_) => true,
        }
    }
}

/// How far a pod has come that has not started its base container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// What it waits for.
    pub stage: StartStage,
    /// In words, as far as the cluster says.
    pub detail: String,
}

/// What a pod waits for before its base container runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartStage {
    /// A node.
    Scheduling,
    /// Its init containers.
    Initializing,
    /// Its image, its volumes, its container.
    Starting,
}

/// Why a pod failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodFailure {
    /// In one sentence for a person, without a full stop.
    pub reason: String,
    /// The base container's exit code, where there is a true one.
    pub exit_code: Option<i32>,
    /// The base container's termination message, or the cluster's own words.
    pub message: Option<String>,
    /// The kind of failure.
    pub cause: FailureCause,
    /// Whether the base container never got to run, for a reason other than an init container's
    /// own failure.
    pub could_not_start: bool,
    /// Whether no container of the pod was ever started.
    pub nothing_started: bool,
}

impl PodFailure {
    /// Whether the cluster, not the task, is at fault, and nothing has run yet: another pod may
    /// take this one's place without counting as a retry.
    #[must_use]
    pub fn may_relaunch(&self) -> bool {
        self.nothing_started
            && match self.cause {
                FailureCause::Evicted
                | FailureCause::Preempted
                | FailureCause::NodeLost
                | FailureCause::Rejected
                | FailureCause::Deleted
                | FailureCause::Vanished => true,
                FailureCause::ExitCode
                | FailureCause::OutOfMemory
                | FailureCause::StartError
                | FailureCause::InitContainer
                | FailureCause::DeadlineExceeded
                | FailureCause::NoExitCode => false,
            }
    }
}

impl fmt::Display for PodFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// The kind of a pod's failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureCause {
    /// The program said so.
    ExitCode,
    /// The container used more memory than it may.
    OutOfMemory,
    /// The program could not be started: no such command, not executable.
    StartError,
    /// An init container ended badly.
    InitContainer,
    /// `activeDeadlineSeconds` passed.
    DeadlineExceeded,
    /// The node was short of something, or somebody drained it.
    Evicted,
    /// A more important pod took its place.
    Preempted,
    /// The node disappeared.
    NodeLost,
    /// The node did not accept the pod.
    Rejected,
    /// Somebody deleted the pod before its base container had ended.
    Deleted,
    /// The pod is gone, and nothing tells why.
    Vanished,
    /// The pod has ended and no exit code of the base container can be had.
    NoExitCode,
}

/// What the base container does or did.
#[must_use]
pub fn base_state(observation: &PodObservation, base: &str) -> BaseState {
    let over = observation.gone || observation.phase.is_final();
    let Some(container) = observation.app_container(base) else {
        return match (over, observation.phase) {
            (false, _) => BaseState::NotStarted { detail: None },
            // Every container has ended, so this one ran; its status is just not there.
            (true, PodPhase::Succeeded) => BaseState::Lost,
            (true, _) => BaseState::NeverRan {
                exit_code: None,
                detail: None,
            },
        };
    };
    let without_end = |detail: Option<String>| match (over, container.started) {
        (true, true) => BaseState::Lost,
        (true, false) => BaseState::NeverRan {
            exit_code: None,
            detail,
        },
        (false, true) => BaseState::Running,
        (false, false) => BaseState::NotStarted { detail },
    };
    match &container.state {
        ContainerState::Running { .. } if over => BaseState::Lost,
        ContainerState::Running { .. } => BaseState::Running,
        ContainerState::Waiting { reason, message } => {
            without_end(detail(reason.as_deref(), message.as_deref()))
        }
        ContainerState::Unreported => without_end(None),
        ContainerState::Terminated(_) if is_started_again(container, observation) => {
            BaseState::Running
        }
        ContainerState::Terminated(end) if end.is_unknown() => {
            if container.started {
                BaseState::Lost
            } else {
                BaseState::NeverRan {
                    exit_code: None,
                    detail: None,
                }
            }
        }
        ContainerState::Terminated(end) if end.is_start_error() => BaseState::NeverRan {
            exit_code: Some(end.exit_code),
            detail: detail(end.reason.as_deref(), end.message.as_deref()),
        },
        ContainerState::Terminated(end) => BaseState::Ended(end.clone()),
    }
}

fn detail(reason: Option<&str>, message: Option<&str>) -> Option<String> {
    let message = message.map(str::trim).filter(|message| !message.is_empty());
    match (reason, message) {
        (Some(reason), Some(message)) => Some(format!("{reason}: {message}")),
        (Some(word), None) | (None, Some(word)) => Some(word.to_owned()),
        (None, None) => None,
    }
}

/// Whether a container that has ended will be started again by the kubelet.
fn is_started_again(container: &ContainerObservation, observation: &PodObservation) -> bool {
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

/// The verdict on a pod whose base container has that name.
#[must_use]
pub fn judge(observation: &PodObservation, base: &str) -> PodVerdict {
    let failed = |failure: Failure| PodVerdict::Failed(failure.told(observation, base));
    match base_state(observation, base) {
        BaseState::Ended(end) if end.exit_code == 0 => match what_made_it_end(observation, base) {
            None => PodVerdict::Succeeded,
            Some(cause) => failed(Failure {
                exit_code: Some(0),
                message: end.message,
                ..Failure::of(cause)
            }),
        },
        BaseState::Ended(end) => {
            let cause = if end.reason.as_deref() == Some("OOMKilled") {
                FailureCause::OutOfMemory
            } else {
                what_made_it_end(observation, base).unwrap_or(FailureCause::ExitCode)
            };
            failed(Failure {
                exit_code: Some(end.exit_code),
                message: end.message,
                ..Failure::of(cause)
            })
        }
        BaseState::NeverRan { exit_code, detail } => failed(Failure {
            exit_code,
            message: detail,
            ..Failure::of(match (exit_code, pod_cause(observation)) {
                (Some(_), _) => FailureCause::StartError,
                (None, Some(cause)) => cause,
                (None, None) if failed_init(observation).is_some() => FailureCause::InitContainer,
                (None, None) => without_reason(observation),
            })
        }),
        BaseState::Lost => failed(Failure::of(
            pod_cause(observation).unwrap_or_else(|| without_reason(observation)),
        )),
        BaseState::NotStarted { detail } => {
            if failed_init(observation).is_some() {
                failed(Failure::of(FailureCause::InitContainer))
            } else {
                PodVerdict::Pending(pending(observation, detail))
            }
        }
        BaseState::Running => PodVerdict::Running,
    }
}

/// The cause of an end that the pod itself says nothing about.
fn without_reason(observation: &PodObservation) -> FailureCause {
    match (observation.deletion, observation.gone) {
        (Some(_), _) => FailureCause::Deleted,
        (None, true) => FailureCause::Vanished,
        (None, false) => FailureCause::NoExitCode,
    }
}

/// What the cluster says about why it ended the pod.
fn pod_cause(observation: &PodObservation) -> Option<FailureCause> {
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
fn what_made_it_end(observation: &PodObservation, base: &str) -> Option<FailureCause> {
    let container = observation.app_container(base)?;
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
    if disrupted && container.fate != Fate::EndedByItself {
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
fn failed_init(observation: &PodObservation) -> Option<(&ContainerObservation, &Terminated)> {
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

fn pending(observation: &PodObservation, detail: Option<String>) -> Pending {
    if !observation.scheduled {
        return Pending {
            stage: StartStage::Scheduling,
            detail: observation
                .unschedulable
                .clone()
                .unwrap_or_else(|| "no node has been chosen yet".to_owned()),
        };
    }
    let initializing = observation.containers.iter().find(|container| {
        container.kind == ContainerKind::Init
            && !matches!(&container.state, ContainerState::Terminated(end) if end.exit_code == 0)
    });
    match initializing {
        Some(init) => Pending {
            stage: StartStage::Initializing,
            detail: match &init.state {
                ContainerState::Waiting { reason, message } => format!(
                    "init container {} waits: {}",
                    init.name,
                    super::judge::detail(reason.as_deref(), message.as_deref())
                        .unwrap_or_else(|| "no reason given".to_owned())
                ),
                ContainerState::Running { .. } => format!("init container {} runs", init.name),
                ContainerState::Terminated(end) => format!(
                    "init container {} ended with exit code {} and is started again",
                    init.name, end.exit_code
                ),
                ContainerState::Unreported => format!("init container {} waits", init.name),
            },
        },
        None => Pending {
            stage: StartStage::Starting,
            detail: detail.unwrap_or_else(|| "the node has not reported yet".to_owned()),
        },
    }
}

/// A failure before it is put into words.
struct Failure {
    cause: FailureCause,
    exit_code: Option<i32>,
    message: Option<String>,
}

impl Failure {
    fn of(cause: FailureCause) -> Self {
        Self {
            cause,
            exit_code: None,
            message: None,
        }
    }

    fn told(self, observation: &PodObservation, base: &str) -> PodFailure {
        let started = observation
            .app_container(base)
            .is_some_and(|base| base.started);
        let ended = match self.exit_code {
            Some(code) if started => format!("container {base} ended with exit code {code}"),
            Some(_) | None if started => format!("how container {base} ended is not known"),
            Some(_) | None => format!("container {base} was never started"),
        };
        let mut message = self.message.or_else(|| observation.message.clone());
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
