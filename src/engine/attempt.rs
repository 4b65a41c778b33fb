//! One step of one task in a worker's hands: which entry, and what its outcome means.

use std::sync::Arc;

use futures::future::BoxFuture;
use tracing::Instrument;

use super::attend::{Came, attend, attend_kill};
use super::commit::{commit, put_off};
use super::journal::StoreJournal;
use super::running::Shared;
use super::spans;
use crate::clock::{self, Timestamp};
use crate::operator::{Failure, Operator, Step, TaskContext, WIND_UP};
use crate::store::{StepCommit, TaskRow};
use crate::task::deferral::{EventStatus, TriggerEvent};
use crate::task::outcome::{Ending, FailureKind};
use crate::task::state::{Entry, TaskState};

/// Does the claimed step of `row` and writes how it came out.
pub(super) async fn run(shared: &Arc<Shared>, row: TaskRow) {
    let TaskState::Running { entry, .. } = row.state else {
        tracing::error!(task = %row.id, "claimed, but not running");
        return;
    };
    let span = spans::step(shared, &row, entry);
    let step = step(shared, &row, entry).instrument(span.clone()).await;
    spans::came_out(&span, step.as_ref());
    if let Some(step) = step {
        commit(shared, &row, step)
            .instrument(spans::commit(&span))
            .await;
    }
}

async fn step(shared: &Arc<Shared>, row: &TaskRow, entry: Entry) -> Option<StepCommit> {
    let Some(operator) = shared.operators.get(&row.operator) else {
        let reason = format!(
            "no operator of kind {:?} is registered with this engine",
            row.operator
        );
        tracing::warn!(task = %row.id, reason, "a task waits for an engine that knows its kind");
        return Some(of_unknown_kind(shared, row, entry, reason));
    };
    let context = context(shared, row);
    match entry {
        Entry::Kill => kill(shared, row, operator.as_ref(), &context).await,
        Entry::Execute | Entry::Reentry => work(shared, row, operator.as_ref(), &context).await,
    }
}

/// How often the end of a cancelled task is put off for an engine that knows its kind.
const UNKNOWN_KIND_TRIES: u32 = 5;

/// Another engine may know the kind: the task waits for it. One that is cancelled does not wait
/// for ever.
fn of_unknown_kind(shared: &Shared, row: &TaskRow, entry: Entry, reason: String) -> StepCommit {
    match entry {
        Entry::Kill if row.postponed >= UNKNOWN_KIND_TRIES => StepCommit::Killed(Ending {
            reason: format!("cancelled; {reason}, so what the task had begun was not ended"),
            ..Ending::default()
        }),
        Entry::Kill | Entry::Execute | Entry::Reentry => put_off(shared, row, reason, None),
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
        journal: Arc::new(StoreJournal::new(
            shared.store.clone(),
            shared.clock.clone(),
            row,
            shared.settings().log_bytes,
        )),
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
        Came::Done(result) => outcome(shared, row, *result),
        Came::TimeUp => {
            let failed = (FailureKind::TimedOut, timed_out(row));
            end_attempt(shared, row, operator, context, failed).await
        }
        Came::Cancelled => kill(shared, row, operator, context).await,
        Came::Stopping => Some(StepCommit::Release {
            reason: "let go: the engine stops".to_owned(),
        }),
        Came::Broken(words) => {
            let failed = (FailureKind::Failed, words);
            end_attempt(shared, row, operator, context, failed).await
        }
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
    let retry_at = again.then(|| {
        clock::after(
            shared.clock.now(),
            row.retry.delay(row.try_number, &mut rand::rng()),
        )
    });
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
                ending.reason = why_cancelled(shared, row).await;
            }
            Some(StepCommit::Killed(ending))
        }
        Err(other) => other,
    }
}

/// The words of whoever cancelled the task; they may have come after the claim.
async fn why_cancelled(shared: &Arc<Shared>, row: &TaskRow) -> String {
    let current = shared.store.task(row.id).await.ok();
    current
        .and_then(|row| row.reason)
        .unwrap_or_else(|| "cancelled".to_owned())
}

/// Ends what the attempt has begun and fails it.
async fn end_attempt(
    shared: &Arc<Shared>,
    row: &TaskRow,
    operator: &dyn Operator,
    context: &TaskContext,
    (kind, reason): (FailureKind, String),
) -> Option<StepCommit> {
    match ended_by_on_kill(shared, row, operator, context).await {
        Ok(ending) => {
            let ending = Ending { reason, ..ending };
            Some(fail(shared, row, kind, true, ending))
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
        Came::Done(result) => match *result {
            Ok(Step::Complete(ending) | Step::Skip(ending)) => Ok(ending),
            Err(Failure::Attempt { ending, .. }) => Ok(*ending),
            Err(Failure::Transient {
                reason,
                retry_after,
            }) => Err(Some(put_off(shared, row, reason, retry_after))),
            Ok(Step::Defer { .. }) | Err(Failure::FenceLost) => Err(None),
        },
        Came::TimeUp => {
            let reason = "on_kill did not end in time".to_owned();
            Err(Some(put_off(shared, row, reason, None)))
        }
        Came::Broken(words) => {
            tracing::error!(task = %row.id, words, "on_kill broke");
            Err(Some(put_off(shared, row, words, None)))
        }
        Came::Stopping => Err(Some(StepCommit::Release {
            reason: "let go: the engine stops".to_owned(),
        })),
        Came::Lost | Came::Cancelled => Err(None),
    }
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
