//! An event on its way to whoever listens.

use std::sync::Arc;

use super::moments::{CleanupTold, ClientTold, LineTold, PodTold, ResumeTold, TaskTold};
use super::{CallbackError, CallbackResult, PodCallbacks};
use crate::task::file::CallbackEvent;
use crate::task::log::LogLine;

/// The lines of one batch.
#[derive(Debug)]
pub struct LinesTold {
    pub task: TaskTold,
    pub pod_uid: String,
    pub lines: Vec<LogLine>,
}

/// The pod that was built, as far as a webhook is told of it.
#[derive(Debug)]
pub struct BuiltTold {
    pub task: TaskTold,
    pub namespace: String,
    pub name: String,
}

/// What is told.
#[derive(Debug, Clone)]
pub enum Told {
    SyncClient(Arc<ClientTold>),
    AsyncClient(Arc<ClientTold>),
    /// For webhooks alone: registered callbacks get the pod itself.
    ManifestCreated(Arc<BuiltTold>),
    Creation(Arc<PodTold>),
    Starting(Arc<PodTold>),
    Completion(Arc<PodTold>),
    Teardown(Arc<PodTold>),
    Cleanup(Arc<CleanupTold>),
    Resuming(Arc<ResumeTold>),
    Lines(Arc<LinesTold>),
}

impl Told {
    pub fn event(&self) -> CallbackEvent {
        match self {
            Self::SyncClient(_) => CallbackEvent::OnSyncClientCreation,
            Self::AsyncClient(_) => CallbackEvent::OnAsyncClientCreation,
            Self::ManifestCreated(_) => CallbackEvent::OnPodManifestCreated,
            Self::Creation(_) => CallbackEvent::OnPodCreation,
            Self::Starting(_) => CallbackEvent::OnPodStarting,
            Self::Completion(_) => CallbackEvent::OnPodCompletion,
            Self::Teardown(_) => CallbackEvent::OnPodTeardown,
            Self::Cleanup(_) => CallbackEvent::OnPodCleanup,
            Self::Resuming(_) => CallbackEvent::OnOperatorResuming,
            Self::Lines(_) => CallbackEvent::ProgressCallback,
        }
    }

    pub fn task(&self) -> &TaskTold {
        match self {
            Self::SyncClient(told) | Self::AsyncClient(told) => &told.task,
            Self::ManifestCreated(told) => &told.task,
            Self::Creation(told)
            | Self::Starting(told)
            | Self::Completion(told)
            | Self::Teardown(told) => &told.task,
            Self::Cleanup(told) => &told.pod.task,
            Self::Resuming(told) => &told.pod.task,
            Self::Lines(told) => &told.task,
        }
    }

    /// Calls the method that the event is for.
    pub async fn call(&self, callbacks: &dyn PodCallbacks) -> CallbackResult {
        match self {
            Self::SyncClient(told) => callbacks.on_sync_client_creation(told).await,
            Self::AsyncClient(told) => callbacks.on_async_client_creation(told).await,
            Self::ManifestCreated(_) => Ok(()),
            Self::Creation(told) => callbacks.on_pod_creation(told).await,
            Self::Starting(told) => callbacks.on_pod_starting(told).await,
            Self::Completion(told) => callbacks.on_pod_completion(told).await,
            Self::Teardown(told) => callbacks.on_pod_teardown(told).await,
            Self::Cleanup(told) => callbacks.on_pod_cleanup(told).await,
            Self::Resuming(told) => callbacks.on_operator_resuming(told).await,
            Self::Lines(told) => each_line(told, callbacks).await,
        }
    }
}

/// A line that fails keeps no other from being told; the first failure is the answer.
async fn each_line(told: &LinesTold, callbacks: &dyn PodCallbacks) -> CallbackResult {
    let mut first: Option<CallbackError> = None;
    for line in &told.lines {
        let line = LineTold {
            task: &told.task,
            pod_uid: &told.pod_uid,
            line,
        };
        if let Err(error) = callbacks.progress_callback(&line).await {
            first.get_or_insert(error);
        }
    }
    first.map_or(Ok(()), Err)
}
