//! The observation itself: plain data, stored as JSON in an event row.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::task::pods::PodIdentity;

/// The version of the stored form.
pub const OBSERVATION_VERSION: u32 = 1;

/// One look at a pod.
///
/// Kept in memory for each task that waits: what is rare is boxed, and what decides nothing is
/// left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodObservation {
    /// The version of the stored form, [`OBSERVATION_VERSION`] when written by this program.
    #[serde(default = "first_version")]
    pub version: u32,
    /// Which pod.
    pub identity: PodIdentity,
    /// The object's version; empty when it is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
    /// The phase. A status that names none counts as [`PodPhase::Pending`].
    pub phase: PodPhase,
    /// Set once somebody has asked for the pod's deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Deletion>,
    /// The cluster itself has ended the pod or is about to: eviction, preemption, a lost node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disruption: Option<Box<Disruption>>,
    /// Whether a node has been chosen.
    #[serde(default)]
    pub scheduled: bool,
    /// Why no node has been chosen, if the scheduler said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unschedulable: Option<Box<str>>,
    /// The node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Box<str>>,
    /// `status.reason`: `Evicted`, `DeadlineExceeded`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Box<str>>,
    /// `status.message`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Box<str>>,
    /// Whether the node has stopped reporting about the pod.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub node_silent: bool,
    /// When the kubelet took the pod up; `activeDeadlineSeconds` counts from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Timestamp>,
    /// `spec.activeDeadlineSeconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_deadline_seconds: Option<i64>,
    /// The containers' states: containers first, then init containers, each in the API's order.
    #[serde(default)]
    pub containers: Vec<ContainerObservation>,
    /// Whether the object no longer exists. The rest is then the last that was seen of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
}

fn first_version() -> u32 {
    1
}

/// The phase of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum PodPhase {
    /// Accepted; not every container has been started.
    #[default]
    Pending,
    /// At least one container runs or is about to.
    Running,
    /// Every container has ended with exit code 0.
    Succeeded,
    /// Every container has ended, one of them badly; or the cluster ended the pod.
    Failed,
    /// The node does not report, or the phase has a name that this program does not know.
    Unknown,
}

impl PodPhase {
    /// Whether the pod has ended for good.
    #[must_use]
    pub fn is_final(self) -> bool {
        match self {
            Self::Succeeded | Self::Failed => true,
            Self::Pending | Self::Running | Self::Unknown => false,
        }
    }

    /// The phase as Kubernetes writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Unknown => "Unknown",
        }
    }
}

/// A deletion that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Deletion {
    /// When it was asked for, as far as it can be told: the API server overwrites it at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<Timestamp>,
    /// Whether the kubelet had heard of it when it last reported how the pod is. `None` on a
    /// cluster that does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_to_node: Option<bool>,
}

/// The condition `DisruptionTarget`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disruption {
    /// Its reason: `EvictionByEvictionAPI`, `PreemptionByScheduler`, ...
    pub reason: String,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// One container of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerObservation {
    /// Its name.
    pub name: String,
    /// Which list it stands in, and whether it is meant to go on.
    pub kind: ContainerKind,
    /// The instance, as `containerd://...`. Another id means another run, with another log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_id: Option<String>,
    /// How often it was started again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub restart_count: i32,
    /// Whether it is started again when it ends.
    #[serde(default, skip_serializing_if = "is_default")]
    pub restart_policy: RestartPolicy,
    /// What it does now.
    pub state: ContainerState,
    /// How its previous run ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_terminated: Option<Box<Terminated>>,
    /// Whether its program has been started at least once, as far as anything tells.
    #[serde(default)]
    pub started: bool,
    /// What is known of how its end and the pod's own follow each other.
    #[serde(default, skip_serializing_if = "is_default")]
    pub fate: Fate,
}

fn is_zero(count: &i32) -> bool {
    *count == 0
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What a container is in its pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerKind {
    /// Runs to its end before the others start.
    Init,
    /// An init container that goes on beside the others.
    Sidecar,
    /// One of `spec.containers`.
    App,
}

/// Whether a container that ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestartPolicy {
    /// Not.
    #[default]
    Never,
    /// When its exit code is not 0.
    OnFailure,
    /// Always.
    Always,
}

/// What a container does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerState {
    /// Not started (yet, or again). In a pod that has ended it never will be.
    Waiting {
        /// `ContainerCreating`, `ImagePullBackOff`, ...
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The kubelet's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// Running.
    Running {
        /// Since when.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        started_at: Option<Timestamp>,
    },
    /// Ended.
    Terminated(Terminated),
    /// The status says nothing about the state.
    Unreported,
}

impl ContainerState {
    /// Older kubelets say why a pull failed only while they try, not while they wait to try
    /// again. Whether waiting is hopeless hangs on the why, so it is carried along.
    fn keep_cause(&mut self, before: &Self) {
        let (
            Self::Waiting {
                reason: Some(reason),
                message: Some(message),
            },
            Self::Waiting {
                reason: Some(earlier_reason),
                message: Some(earlier),
            },
        ) = (self, before)
        else {
            return;
        };
        if reason != "ImagePullBackOff" || message.contains("ErrImagePull") {
            return;
        }
        if earlier_reason == "ErrImagePull" {
            *message = format!("{message}: ErrImagePull: {earlier}");
        } else if earlier_reason == reason && earlier.starts_with(message.as_str()) {
            message.clone_from(earlier);
        }
    }
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminated {
    /// The exit code that was reported.
    pub exit_code: i32,
    /// `Completed`, `Error`, `OOMKilled`, `StartError`, `ContainerStatusUnknown`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The termination message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When it was started; whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended; whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

/// What came first: the container's end, or something that would have made it end (a deletion,
/// an eviction, a deadline).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Not seen: it has to be worked out from the times.
    #[default]
    Unseen,
    /// It was seen to have ended while nothing had asked its pod to end.
    EndedByItself,
    /// It was seen alive after the deletion had been asked for.
    AliveAtDeletion,
}

impl PodObservation {
    /// An observation of a pod of which nothing is known but its identity.
    #[must_use]
    pub fn unseen(identity: PodIdentity) -> Self {
        Self {
            version: OBSERVATION_VERSION,
            identity,
            resource_version: String::new(),
            phase: PodPhase::Pending,
            deletion: None,
            disruption: None,
            scheduled: false,
            unschedulable: None,
            node: None,
            reason: None,
            message: None,
            node_silent: false,
            start_time: None,
            active_deadline_seconds: None,
            containers: Vec::new(),
            gone: false,
        }
    }

    /// The same pod, known to exist no more.
    #[must_use]
    pub fn into_gone(mut self) -> Self {
        self.gone = true;
        self
    }

    /// A container of `spec.containers`.
    #[must_use]
    pub fn app_container(&self, name: &str) -> Option<&ContainerObservation> {
        self.containers
            .iter()
            .find(|container| container.kind == ContainerKind::App && container.name == name)
    }

    /// A container by name: `spec.containers` first, then the init containers.
    #[must_use]
    pub fn container(&self, name: &str) -> Option<&ContainerObservation> {
        self.app_container(name).or_else(|| {
            self.containers
                .iter()
                .find(|container| container.name == name)
        })
    }

    /// Whether this is all that is known of a pod that nobody ever looked at.
    #[must_use]
    pub fn was_never_seen(&self) -> bool {
        // Whatever an API server hands out has a version, and a spec with containers.
        self.resource_version.is_empty() && self.containers.is_empty()
    }

    /// Whether no container at all can have been started, so that nothing is lost or done twice
    /// when another pod takes its place.
    #[must_use]
    pub fn nothing_started(&self) -> bool {
        !self.was_never_seen() && !self.containers.iter().any(|container| container.started)
    }

    /// Adds what only an earlier look at the same pod can know: in which order things happened.
    #[must_use]
    pub fn following(mut self, earlier: &Self) -> Self {
        if self.identity.uid != earlier.identity.uid {
            return self;
        }
        if let (Some(now), Some(before)) = (&mut self.deletion, &earlier.deletion) {
            now.requested_at = before.requested_at.or(now.requested_at);
        }
        self.disruption = self.disruption.or_else(|| earlier.disruption.clone());
        for container in &mut self.containers {
            let Some(before) = earlier
                .containers
                .iter()
                .find(|before| before.kind == container.kind && before.name == container.name)
            else {
                continue;
            };
            container.started |= before.started;
            container.state.keep_cause(&before.state);
            if before.fate != Fate::Unseen {
                container.fate = before.fate;
            }
        }
        self
    }
}
