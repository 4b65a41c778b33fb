//! The words of a verdict: plain data.

use std::fmt;

use super::observation::Terminated;

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
    ///
    /// Only where the cluster itself says so. Of a pod that vanished, was deleted by somebody, or
    /// was on a node that is lost, the last that was seen may be too old to tell.
    #[must_use]
    pub fn may_relaunch(&self) -> bool {
        self.nothing_started
            && match self.cause {
                FailureCause::Evicted | FailureCause::Preempted | FailureCause::Rejected => true,
                FailureCause::NodeLost
                | FailureCause::Deleted
                | FailureCause::Vanished
                | FailureCause::ExitCode
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
