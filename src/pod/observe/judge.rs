//! From an observation to a verdict.

use super::cause::{
    Failure, failed_init, is_started_again, pod_cause, what_made_it_end, without_reason,
};
use super::observation::{ContainerKind, ContainerState, PodObservation, PodPhase};
use super::verdict::{BaseState, FailureCause, Pending, PodVerdict, StartStage};

/// What the base container does or did.
#[must_use]
pub fn base_state(observation: &PodObservation, base: &str) -> BaseState {
    let over = observation.gone || observation.phase.is_final();
    let Some(container) = observation.app_container(base) else {
        return match (over, observation.phase) {
            (false, _) => BaseState::NotStarted { detail: None },
            // Every container has ended, so this one ran; its status is just not there.
            (true, PodPhase::Succeeded) => BaseState::Lost,
            // It came and went between two looks: nothing can be said of its containers.
            (true, _) if observation.was_never_seen() => BaseState::Lost,
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

fn pending(observation: &PodObservation, detail: Option<String>) -> Pending {
    if !observation.scheduled {
        return Pending {
            stage: StartStage::Scheduling,
            detail: observation
                .unschedulable
                .as_deref()
                .unwrap_or("no node has been chosen yet")
                .to_owned(),
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
                    self::detail(reason.as_deref(), message.as_deref())
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
