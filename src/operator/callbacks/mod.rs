//! Callbacks: whom a pod task tells what happens to it.
//!
//! A program that embeds the engine registers its own [`PodCallbacks`] under names, and a task file
//! picks them by these names; the webhook is built in. None of them decides anything: whoever
//! fails, panics or takes too long is noted, and the task goes on. The one thing that a callback
//! may change is the pod before it is sent, as may the program's [`PodMutationHook`], and what
//! says whose pod it is has to survive both.
//!
//! Each event of a pod is told once; a crash between the telling and the note that it was told
//! tells it again. Log lines are told after they are stored, so a crash may leave some untold.

mod alone;
mod change;
mod journal;
mod listeners;
mod moments;
mod post;
mod registry;
mod told;
mod webhook;

use async_trait::async_trait;
use serde_json::Value;

pub use change::PodMutationHook;
pub(super) use change::{ChangedPod, apply_hook, changed_pod};
pub(super) use journal::HeardJournal;
pub(super) use listeners::Listeners;
pub use moments::{
    CleanupTold, ClientTold, LineTold, ManifestTold, Outcome, PodTold, ResumeTold, TaskTold,
};
pub use registry::{CallbackLimits, Registered};
pub(super) use told::Told;

/// Why a callback failed. It is logged, and noted in the task's log.
pub type CallbackError = Box<dyn std::error::Error + Send + Sync>;

/// What a callback answers.
pub type CallbackResult = Result<(), CallbackError>;

/// Something that wants to know what happens to pod tasks.
///
/// Every method does nothing unless it is written. Each call runs for itself, beside the worker:
/// one that panics or outlives [`CallbackLimits::callback`] is given up, earlier if the task's own
/// deadline is near. A method should not block
/// its thread; one that does holds that thread of the runtime, but not the task.
#[async_trait]
pub trait PodCallbacks: Send + Sync {
    /// A step of the task begins, and its client is there.
    async fn on_sync_client_creation(&self, _told: &ClientTold) -> CallbackResult {
        Ok(())
    }

    /// The task is about to be deferred for the first time in its attempt; the trigger will use
    /// this client. Deferrable tasks only.
    async fn on_async_client_creation(&self, _told: &ClientTold) -> CallbackResult {
        Ok(())
    }

    /// The pod is built and not yet sent: `pod` is in the API's form and may be changed.
    ///
    /// What says whose pod it is must stay (its name, its labels that name the task and this
    /// installation, its base container): changes of a callback that touches those are dropped,
    /// as are those of one that fails. Called each time the pod is built, which after a crash can
    /// be more than once.
    async fn on_pod_manifest_created(
        &self,
        _told: &ManifestTold,
        _pod: &mut Value,
    ) -> CallbackResult {
        Ok(())
    }

    /// The pod is there: it was created, or one that was there is gone on with.
    async fn on_pod_creation(&self, _told: &PodTold) -> CallbackResult {
        Ok(())
    }

    /// The base container was seen started, or to have been. A deferred task sees it when it is
    /// next resumed.
    async fn on_pod_starting(&self, _told: &PodTold) -> CallbackResult {
        Ok(())
    }

    /// The base container has ended and its logs have been fetched; its result has not.
    async fn on_pod_completion(&self, _told: &PodTold) -> CallbackResult {
        Ok(())
    }

    /// The result has been fetched, too, or there is none to be had. The pod is still there unless
    /// somebody else deleted it.
    async fn on_pod_teardown(&self, _told: &PodTold) -> CallbackResult {
        Ok(())
    }

    /// The verdict is certain, and what becomes of the pod. The janitor carries that out as soon
    /// as both are stored. Not called for an attempt that is ended from outside (cancelled, or out
    /// of time while a worker held it).
    async fn on_pod_cleanup(&self, _told: &CleanupTold) -> CallbackResult {
        Ok(())
    }

    /// A deferred task goes on because of an event.
    async fn on_operator_resuming(&self, _told: &ResumeTold) -> CallbackResult {
        Ok(())
    }

    /// A container wrote a line. The time limit holds for all lines of one batch together.
    async fn progress_callback(&self, _told: &LineTold<'_>) -> CallbackResult {
        Ok(())
    }
}
