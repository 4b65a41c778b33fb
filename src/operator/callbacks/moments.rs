//! What callbacks are handed: plain data, and the client to ask the cluster for more.

use crate::pod::client::ClusterClient;
use crate::pod::observe::PodObservation;
use crate::task::deferral::TriggerEvent;
use crate::task::id::{TaskId, TaskKey};
use crate::task::log::LogLine;
use crate::task::pods::{ConnectionRef, DisposalAction};

/// Which task, and which attempt of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskTold {
    /// Its id.
    pub id: TaskId,
    /// Its key.
    pub key: TaskKey,
    /// The attempt, counted from 1.
    pub try_number: u32,
    /// Whether it is deferred while its pod runs; otherwise the worker follows the pod.
    pub deferrable: bool,
    /// The container that decides.
    pub base_container: String,
}

/// A client is there.
#[derive(Debug, Clone)]
pub struct ClientTold {
    /// Which task.
    pub task: TaskTold,
    /// Which cluster.
    pub connection: ConnectionRef,
    /// The client.
    pub client: ClusterClient,
}

/// A pod is built.
#[derive(Debug, Clone)]
pub struct ManifestTold {
    /// Which task.
    pub task: TaskTold,
    /// The client of the cluster that will get it.
    pub client: ClusterClient,
}

/// Something happened to a pod.
#[derive(Debug, Clone)]
pub struct PodTold {
    /// Which task.
    pub task: TaskTold,
    /// The pod as it was last seen.
    pub pod: PodObservation,
    /// The client of its cluster.
    pub client: ClusterClient,
}

/// A deferred task goes on.
#[derive(Debug, Clone)]
pub struct ResumeTold {
    /// The pod as it was last seen.
    pub pod: PodTold,
    /// What woke the task.
    pub event: TriggerEvent,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Well.
    Succeeded,
    /// Its exit code means skipped.
    Skipped,
    /// Badly; the task may have more attempts.
    Failed,
    /// Before its time: the task was cancelled, or its `execution_timeout` has passed.
    Killed,
}

impl Outcome {
    /// The word that a webhook gets.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Killed => "killed",
        }
    }
}

/// An attempt is over.
#[derive(Debug, Clone)]
pub struct CleanupTold {
    /// The pod as it was last seen.
    pub pod: PodTold,
    /// How the attempt ended.
    pub outcome: Outcome,
    /// Why, in words for a person.
    pub reason: String,
    /// The exit code that decided, if one did.
    pub exit_code: Option<i32>,
    /// What becomes of the pod; absent when it is gone already.
    pub action: Option<DisposalAction>,
}

/// A container wrote a line.
#[derive(Debug, Clone, Copy)]
pub struct LineTold<'a> {
    /// Which task.
    pub task: &'a TaskTold,
    /// The uid of the pod.
    pub pod_uid: &'a str,
    /// The line, with its container and its time.
    pub line: &'a LogLine,
}
