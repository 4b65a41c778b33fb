//! One step of one task in a worker's hands: signs of life, deadline, cancellation, commit.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use rand::RngExt;

use super::journal::StoreJournal;
use super::running::Shared;
use crate::clock::Timestamp;
use crate::operator::{Failure, Operator, Step, TaskContext};
use crate::store::{StepCommit, StoreError, StoredTrigger, TaskRow};
use crate::task::deferral::{EventStatus, TriggerEvent};
use crate::task::outcome::{Ending, FailureKind};
use crate::task::state::{Entry, TaskState};

/// How long a step may go on after the task's deadline when all that is left to do is to collect
/// the last logs and give the verdict.
const WIND_UP: Duration = Duration::from_secs(60);

/// The longest wait before a step that was put off is tried again.
const LONGEST_PUT_OFF: Duration = Duration::from_secs(60);

/// What the worker comes to know while a step runs, or from the step itself.
enum Came {
    /// The step is done.
    Done(Result<Step, Failure>),
    /// The deadline has passed.
    TimeUp,
    /// Somebody cancelled the task.
    Cancelled,
    /// The engine stops.
    Stopping,
    /// The task is somebody else's now.
    Lost,
}

/// Does the claimed step of `row` and writes how it came out.
pub(super) async fn run(shared: &Arc<Shared>, row: TaskRow) {
    let TaskState::Running { entry, .. } = row.state else {
        tracing::error!(task = %row.id, "claimed, but not running");
        return;
    };
    let Some(operator) = shared.operators.get(&row.operator) else {
        let reason = format!(
            "no operator of kind {:?} is registered with this engine",
            row.operator
        );
        commit(shared, &row, put_off(shared, &row, reason, None)).await;
        return;
    };
    let context = context(shared, &row);
    let step = match entry {
        Entry::Kill => kill(shared, &row, operator.as_ref(), &context).await,
        Entry::Execute | Entry::Reentry => work(shared, &row, operator.as_ref(), &context).await,
    };
    if let Some(step) = step {
        commit(shared, &row, step).await;
    }
}

fn context(shared: &Arc<Shared>, row: &TaskRow) -> TaskContext {
    TaskContext {
        task: row.id,
        key: row.key.clone(),
        try_number: row.try_number,
        deadline: row.deadline,
        submitted_at: row.submitted_at,
        definition: row.definition.as_str().into(),
        installation: shared.store.installation().into(),
        clock: shared.clock.clone(),
        journal: Arc::new(StoreJournal {
            store: shared.store.clone(),
            clock: shared.clock.clone(),
            task: row.id,
            fence: row.fence,
        }),
    }
}

async fn work(
    shared: &Arc<Shared>,
    row: &TaskRow,
    operator: &dyn Operator,
    context: &TaskContext,
) -> Option<StepCommit> {
    let step: BoxFuture<'_, Result<Step, Failure>> = match row.event.clone() {
        Some(event) => operator.trigger_reentry(context, event),
        None => operator.execute(context),
    };
    let deadline = step_deadline(row, shared.clock.now());
    match attend(shared, row, step, deadline).await {
        Came::Done(result) => outcome(shared, row, result),
        Came::TimeUp => time_up(shared, row, operator, context).await,
        Came::Cancelled => kill(shared, row, operator, context).await,
        Came::Stopping => Some(StepCommit::Release {
            reason: "let go: the engine stops".to_owned(),
        }),
        Came::Lost => None,
    }
}

/// The task's deadline; but what has ended already, or timed out already, is only wound up.
fn step_deadline(row: &TaskRow, now: Timestamp) -> Option<Timestamp> {
    match row.event.as_ref().map(|event| event.status) {
        Some(EventStatus::Success | EventStatus::Failed | EventStatus::Timeout) => {
            row.deadline.map(|deadline| deadline.max(now) + WIND_UP)
        }
        Some(EventStatus::Error | EventStatus::Running) | None => row.deadline,
    }
}

/// Runs `step` to its end, or until something comes in between; gives signs of life meanwhile.
async fn attend(
    shared: &Arc<Shared>,
    row: &TaskRow,
    step: BoxFuture<'_, Result<Step, Failure>>,
    deadline: Option<Timestamp>,
) -> Came {
    let guarded = AssertUnwindSafe(step).catch_unwind();
    tokio::pin!(guarded);
    let mut renewed = shared.clock.now();
    let mut look = tokio::time::interval(shared.settings.look);
    loop {
        tokio::select! {
            done = &mut guarded => return Came::Done(done.unwrap_or_else(|panic| Err(broken(&panic)))),
            () = shared.stopping.cancelled() => return Came::Stopping,
            _ = look.tick() => {
                let now = shared.clock.now();
                if deadline.is_some_and(|deadline| deadline <= now) {
                    return Came::TimeUp;
                }
                if let Some(came) = look_after(shared, row, &mut renewed, now).await {
                    return came;
                }
            }
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
    if now - *renewed >= chrono::Duration::from_std(shared.settings.heartbeat()).unwrap_or_default()
    {
        let lease_until = now + shared.settings.lease;
        match shared
            .store
            .renew(row.id, row.fence, lease_until, now)
            .await
        {
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

/// A panic is our own bug. It fails the attempt; it must not bring the engine down, nor be tried
/// for ever.
fn broken(panic: &(dyn std::any::Any + Send)) -> Failure {
    let words = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    Failure::attempt(
        FailureKind::Failed,
        true,
        format!("the operator broke: {words}; this is a bug in adjourn, please report it"),
    )
}

fn outcome(shared: &Shared, row: &TaskRow, result: Result<Step, Failure>) -> Option<StepCommit> {
    Some(match result {
        Ok(Step::Complete(ending)) => StepCommit::Complete(ending),
        Ok(Step::Skip(ending)) => StepCommit::Skip(ending),
        Ok(Step::Defer { trigger, reason }) => StepCommit::Defer { trigger, reason },
        Err(Failure::FenceLost) => return None,
        Err(Failure::Transient {
            reason,
            retry_after,
        }) => put_off(shared, row, reason, retry_after),
        Err(Failure::Attempt {
            kind,
            retryable,
            ending,
        }) => fail(shared, row, kind, retryable, *ending),
    })
}

/// The attempt failed: another one follows if the task has one left and it could help.
fn fail(
    shared: &Shared,
    row: &TaskRow,
    kind: FailureKind,
    retryable: bool,
    ending: Ending,
) -> StepCommit {
    let again = retryable && row.try_number < row.max_tries;
    let retry_at =
        again.then(|| shared.clock.now() + row.retry.delay(row.try_number, &mut rand::rng()));
    StepCommit::Fail {
        ending,
        kind,
        retry_at,
    }
}

async fn kill(
    shared: &Arc<Shared>,
    row: &TaskRow,
    operator: &dyn Operator,
    context: &TaskContext,
) -> Option<StepCommit> {
    match ended_by_on_kill(shared, row, operator, context).await {
        Ok(mut ending) => {
            if ending.reason.is_empty() {
                "cancelled".clone_into(&mut ending.reason);
            }
            Some(StepCommit::Killed(ending))
        }
        Err(other) => other,
    }
}

async fn time_up(
    shared: &Arc<Shared>,
    row: &TaskRow,
    operator: &dyn Operator,
    context: &TaskContext,
) -> Option<StepCommit> {
    match ended_by_on_kill(shared, row, operator, context).await {
        Ok(mut ending) => {
            ending.reason = timed_out(row);
            Some(fail(shared, row, FailureKind::TimedOut, true, ending))
        }
        Err(other) => other,
    }
}

/// The words for a task whose time is up.
pub(super) fn timed_out(row: &TaskRow) -> String {
    row.execution_timeout.map_or_else(
        || "its deadline has passed".to_owned(),
        |timeout| {
            format!(
                "its execution_timeout of {} s has passed",
                timeout.as_secs_f64()
            )
        },
    )
}

/// What `on_kill` leaves behind; or, if it could not end, what to write instead.
async fn ended_by_on_kill(
    shared: &Arc<Shared>,
    row: &TaskRow,
    operator: &dyn Operator,
    context: &TaskContext,
) -> Result<Ending, Option<StepCommit>> {
    let work: BoxFuture<'_, Result<Step, Failure>> =
        Box::pin(async move { operator.on_kill(context).await.map(Step::Complete) });
    let deadline = shared.clock.now() + WIND_UP;
    match attend_kill(shared, row, work, deadline).await {
        Came::Done(Ok(Step::Complete(ending) | Step::Skip(ending))) => Ok(ending),
        Came::Done(Err(Failure::Attempt { ending, .. })) => Ok(*ending),
        Came::Done(Err(Failure::Transient {
            reason,
            retry_after,
        })) => Err(Some(put_off(shared, row, reason, retry_after))),
        Came::TimeUp => {
            let reason = "on_kill did not end in time".to_owned();
            Err(Some(put_off(shared, row, reason, None)))
        }
        Came::Stopping => Err(Some(StepCommit::Release {
            reason: "let go: the engine stops".to_owned(),
        })),
        Came::Done(Ok(Step::Defer { .. }) | Err(Failure::FenceLost))
        | Came::Lost
        | Came::Cancelled => Err(None),
    }
}

/// As [`attend`], but a cancellation is what this is about already.
async fn attend_kill(
    shared: &Arc<Shared>,
    row: &TaskRow,
    work: BoxFuture<'_, Result<Step, Failure>>,
    deadline: Timestamp,
) -> Came {
    let guarded = AssertUnwindSafe(work).catch_unwind();
    tokio::pin!(guarded);
    let limit = (deadline - shared.clock.now()).to_std().unwrap_or_default();
    tokio::select! {
        done = &mut guarded => Came::Done(done.unwrap_or_else(|panic| Err(broken(&panic)))),
        () = shared.stopping.cancelled() => Came::Stopping,
        () = tokio::time::sleep(limit.min(shared.settings.lease)) => {
            tracing::warn!(task = %row.id, "on_kill takes too long");
            Came::TimeUp
        }
    }
}

/// The step is tried again later; never later than the deadline, which then decides.
fn put_off(
    shared: &Shared,
    row: &TaskRow,
    reason: String,
    at_least: Option<Duration>,
) -> StepCommit {
    let now = shared.clock.now();
    let doubled = Duration::from_secs(1 << row.postponed.min(6)).min(LONGEST_PUT_OFF);
    let jittered = doubled.mul_f64(rand::rng().random_range(0.5..1.0));
    let wait = jittered.max(at_least.unwrap_or_default());
    let until = match row.deadline {
        Some(deadline) if deadline > now => deadline.min(now + wait),
        Some(_) | None => now + wait,
    };
    StepCommit::Postpone { until, reason }
}

/// Writes how the step came out; waits out a store that is unwell for a moment.
async fn commit(shared: &Arc<Shared>, row: &TaskRow, step: StepCommit) {
    let mut tries = 0;
    loop {
        let owner = shared.owner.as_str();
        let written = shared
            .store
            .commit_step(row.id, row.fence, owner, step.clone(), shared.clock.now())
            .await;
        match written {
            Ok(after) => {
                tracing::info!(
                    task = %row.id,
                    key = %row.key,
                    state = after.state.as_str(),
                    reason = after.reason.as_deref().unwrap_or_default(),
                    "step done"
                );
                announce(shared, &after, step);
                return;
            }
            Err(StoreError::FenceLost { .. }) => {
                tracing::info!(task = %row.id, "taken over by another engine; this step was dropped");
                return;
            }
            Err(error) if error.retryable() && tries < 5 => {
                tries += 1;
                tracing::warn!(task = %row.id, %error, "the step could not be stored yet");
                tokio::time::sleep(Duration::from_millis(200 << tries)).await;
            }
            Err(error) => {
                tracing::error!(task = %row.id, %error, "the step could not be stored; it will be done again when the lease ends");
                return;
            }
        }
    }
}

/// Hands a new trigger to this engine's own triggerer, which need not look for it in the store.
fn announce(shared: &Shared, after: &TaskRow, step: StepCommit) {
    let StepCommit::Defer { trigger, .. } = step else {
        return;
    };
    if after.state != TaskState::Deferred {
        return;
    }
    // A triggerer that is gone means that the engine stops; the next one reads the store.
    let _ = shared.deferred.send(StoredTrigger {
        task: after.id,
        fence: after.fence,
        spec: trigger,
        deadline: after.deadline,
    });
}

/// The event of a task whose deadline passed while it was deferred.
pub(super) fn deadline_event(row: &TaskRow, now: Timestamp) -> TriggerEvent {
    TriggerEvent {
        status: EventStatus::Timeout,
        reason: timed_out(row),
        at: now,
        payload: serde_json::Value::Null,
    }
}
