//! Simple questions about one container.

use super::observation::{ContainerState, PodObservation, PodPhase};

/// What a container does, in one word; for showing, not for judging: see [`super::judge`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerPhase {
    /// Not started.
    Waiting,
    /// Running.
    Running,
    /// Ended well.
    Terminated,
    /// Ended badly.
    Failed,
    /// Nothing is reported.
    Undefined,
}

impl ContainerPhase {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Terminated => "terminated",
            Self::Failed => "failed",
            Self::Undefined => "undefined",
        }
    }
}

/// The state of the pod's base container in one word. A final phase of the pod decides alone.
#[must_use]
pub fn container_phase(observation: &PodObservation, base: &str) -> ContainerPhase {
    match observation.phase {
        PodPhase::Succeeded => return ContainerPhase::Terminated,
        PodPhase::Failed => return ContainerPhase::Failed,
        PodPhase::Pending | PodPhase::Running | PodPhase::Unknown => {}
    }
    match observation.app_container(base).map(|base| &base.state) {
        Some(ContainerState::Running { .. }) => ContainerPhase::Running,
        Some(ContainerState::Waiting { .. }) => ContainerPhase::Waiting,
        Some(ContainerState::Terminated(end)) if end.exit_code == 0 => ContainerPhase::Terminated,
        Some(ContainerState::Terminated(_)) => ContainerPhase::Failed,
        Some(ContainerState::Unreported) | None => ContainerPhase::Undefined,
    }
}

fn state<'a>(observation: &'a PodObservation, name: &str) -> Option<&'a ContainerState> {
    observation
        .container(name)
        .map(|container| &container.state)
}

/// Whether the container (or init container) of that name runs.
#[must_use]
pub fn container_is_running(observation: &PodObservation, name: &str) -> bool {
    matches!(
        state(observation, name),
        Some(ContainerState::Running { .. })
    )
}

/// Whether the container (or init container) of that name waits to be started.
#[must_use]
pub fn container_is_waiting(observation: &PodObservation, name: &str) -> bool {
    matches!(
        state(observation, name),
        Some(ContainerState::Waiting { .. })
    )
}

/// Whether the container (or init container) of that name has ended.
#[must_use]
pub fn container_is_completed(observation: &PodObservation, name: &str) -> bool {
    matches!(
        state(observation, name),
        Some(ContainerState::Terminated(_))
    )
}

/// Whether the container (or init container) of that name has ended with exit code 0.
#[must_use]
pub fn container_is_succeeded(observation: &PodObservation, name: &str) -> bool {
    matches!(state(observation, name), Some(ContainerState::Terminated(end)) if end.exit_code == 0)
}

/// Whether the container of that name has ended. Init containers are not looked at.
#[must_use]
pub fn container_is_terminated(observation: &PodObservation, name: &str) -> bool {
    matches!(
        observation
            .app_container(name)
            .map(|container| &container.state),
        Some(ContainerState::Terminated(_))
    )
}

/// What the container of that name left as its termination message. Init containers are not
/// looked at.
#[must_use]
pub fn termination_message<'a>(observation: &'a PodObservation, name: &str) -> Option<&'a str> {
    match &observation.app_container(name)?.state {
        ContainerState::Terminated(end) => end.message.as_deref(),
        ContainerState::Waiting { .. }
        | ContainerState::Running { .. }
        | ContainerState::Unreported => None,
    }
}

/// Whether the node has stopped reporting, so that what is seen may be old. It must not be
/// waited for without a bound.
#[must_use]
pub fn node_is_silent(observation: &PodObservation) -> bool {
    observation.node_silent && !observation.gone && !observation.phase.is_final()
}
