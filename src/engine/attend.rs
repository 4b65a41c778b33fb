//! Looking after a step while it runs: signs of life, its deadline, its cancellation.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::running::Shared;
use crate::clock::{self, Timestamp};
use crate::operator::{Failure, Step};
use crate::store::{StoreError, TaskRow};
use crate::task::state::{Entry, TaskState};

/// What the worker comes to know while a step runs, or from the step itself.
pub(super) enum Came {
    /// The step is done.
    Done(Box<Result<Step, Failure>>),
    /// The step panicked: what it says.
    Broken(String),
    /// The deadline has passed.
    TimeUp,
    /// Somebody cancelled the task.
    Cancelled,
    /// The engine stops.
    Stopping,
    /// The task is somebody else's now.
    Lost,
}

/// Runs `step` to its end, or until something comes in between; gives signs of life meanwhile.
pub(super) async fn attend(
    shared: &Arc<Shared>,
    row: &TaskRow,
    step: BoxFuture<'_, Result<Step, Failure>>,
    deadline: Option<Timestamp>,
) -> Came {
    // Both are polled at all times. Were the step left alone during a look, it could hold one of
    // the store's few connections that the look waits for.
    tokio::select! {
        done = AssertUnwindSafe(step).catch_unwind() => done.map_or_else(
            |panic| Came::Broken(words_of(&*panic)),
            |result| Came::Done(Box::new(result)),
        ),
        () = shared.stopping.cancelled() => Came::Stopping,
        came = look_on(shared, row, deadline) => came,
    }
}

/// Looks now and then whether something has come in between, until something has.
async fn look_on(shared: &Arc<Shared>, row: &TaskRow, deadline: Option<Timestamp>) -> Came {
    let mut renewed = shared.clock.now();
    loop {
        // What was claimed a moment ago need not be looked at: most steps end before the first look.
        let now = shared.clock.now();
        let left = deadline.map(|deadline| (deadline - now).to_std().unwrap_or_default());
        let look = shared.settings().look;
        tokio::time::sleep(left.map_or(look, |left| look.min(left))).await;
        let now = shared.clock.now();
        if deadline.is_some_and(|deadline| deadline <= now) {
            return Came::TimeUp;
        }
        if let Some(came) = look_after(shared, row, &mut renewed, now).await {
            return came;
        }
    }
}

/// Gives a sign of life when one is due, and sees whether the task was cancelled or taken.
async fn look_after(
    shared: &Arc<Shared>,
    row: &TaskRow,
    renewed: &mut Timestamp,
    now: Timestamp,
) -> Option<Came> {
    if now - *renewed
        >= chrono::Duration::from_std(shared.settings().heartbeat()).unwrap_or_default()
    {
        let lease_until = clock::after(now, shared.settings().lease);
        crate::failpoint::reach!("renew.before");
        let renewal = shared
            .store
            .renew(row.id, row.fence, lease_until, now)
            .await;
        crate::failpoint::reach!("renew.after");
        match renewal {
            Ok(renewal) => {
                *renewed = now;
                return renewal.cancelling.then_some(Came::Cancelled);
            }
            Err(StoreError::FenceLost { .. }) => return Some(Came::Lost),
            Err(error) => {
                tracing::warn!(task = %row.id, %error, "the claim could not be renewed yet");
            }
        }
    }
    match shared.store.task(row.id).await {
        Ok(current) if current.fence != row.fence => Some(Came::Lost),
        Ok(current) => match current.state {
            TaskState::Running {
                entry: Entry::Execute | Entry::Reentry,
                cancelling: true,
                ..
            } => Some(Came::Cancelled),
            TaskState::Running { .. }
            | TaskState::Queued { .. }
            | TaskState::Deferred
            | TaskState::UpForRetry { .. }
            | TaskState::Success
            | TaskState::Failed
            | TaskState::Skipped
            | TaskState::Cancelled => None,
        },
        Err(error) => {
            tracing::warn!(task = %row.id, %error, "the task could not be looked at");
            None
        }
    }
}

/// What a panic says. It is our own bug: it fails the attempt, but must not bring the engine down,
/// nor be tried for ever.
fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let words = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    format!("the operator broke: {words}; this is a bug in adjourn, please report it")
}

/// As [`attend`], but a cancellation is what this is about already.
pub(super) async fn attend_kill(
    shared: &Arc<Shared>,
    row: &TaskRow,
    work: BoxFuture<'_, Result<Step, Failure>>,
    deadline: Timestamp,
) -> Came {
    let guarded = AssertUnwindSafe(work).catch_unwind();
    tokio::pin!(guarded);
    let limit = (deadline - shared.clock.now()).to_std().unwrap_or_default();
    tokio::select! {
        done = &mut guarded => done.map_or_else(|panic| Came::Broken(words_of(&*panic)), |result| Came::Done(Box::new(result))),
        () = shared.stopping.cancelled() => Came::Stopping,
        () = tokio::time::sleep(limit.min(shared.settings().lease)) => {
            tracing::warn!(task = %row.id, "on_kill takes too long");
            Came::TimeUp
        }
    }
}
