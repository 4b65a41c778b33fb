//! The one place that changes a task's state: what the state machine says is written, whole.

use sqlx::sqlite::SqliteConnection;

use super::error::{JobError, StoreError};
use super::rows::{TaskRow, to_ms};
use crate::clock::{self, Timestamp};
use crate::task::deferral::{TriggerEvent, TriggerSpec};
use crate::task::outcome::FailureKind;
use crate::task::state::{Effect, Entry, TaskEvent, TaskState, apply};

/// An event and what belongs to it.
pub(super) struct Change<'a> {
    pub event: TaskEvent,
    /// Who holds the task afterwards (for a claim), or who acts, for the history.
    pub owner: Option<&'a str>,
    /// Why, in words for a person.
    pub reason: Option<&'a str>,
    pub failure: Option<FailureKind>,
    pub exit_code: Option<i32>,
    pub advice: Option<&'a str>,
    pub trigger: Option<&'a TriggerSpec>,
    pub fired: Option<&'a TriggerEvent>,
}

impl<'a> Change<'a> {
    pub(super) fn of(event: TaskEvent) -> Self {
        Self {
            event,
            owner: None,
            reason: None,
            failure: None,
            exit_code: None,
            advice: None,
            trigger: None,
            fired: None,
        }
    }

    pub(super) fn by(mut self, owner: &'a str) -> Self {
        self.owner = Some(owner);
        self
    }

    pub(super) fn because(mut self, reason: &'a str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Why the task is now where it is.
    fn words(&self) -> Option<&'a str> {
        self.reason
            .or(self.fired.map(|event| event.reason.as_str()))
    }
}

/// Applies `change` to `row` and writes the result; answers the row as it is afterwards.
pub(super) async fn transition(
    connection: &mut SqliteConnection,
    row: &TaskRow,
    change: &Change<'_>,
    now: Timestamp,
) -> Result<TaskRow, JobError> {
    let illegal = |source| StoreError::Illegal {
        task: row.id,
        source,
    };
    let next = apply(row.state, change.event, now).map_err(illegal)?;
    let mut after = row.clone();
    after.state = next.state;
    after.changed_at = now;
    after.owner = match next.state {
        TaskState::Running { .. } => change.owner.map(str::to_owned).or(after.owner),
        TaskState::Queued { .. }
        | TaskState::Deferred
        | TaskState::UpForRetry { .. }
        | TaskState::Success
        | TaskState::Failed
        | TaskState::Skipped
        | TaskState::Cancelled => None,
    };
    after.postponed = match change.event {
        TaskEvent::Postpone { .. } => row.postponed + 1,
        // A claim alone is no progress: the count of postponements goes on.
        TaskEvent::Claim { .. } | TaskEvent::Renew { .. } => row.postponed,
        TaskEvent::Defer
        | TaskEvent::Fire
        | TaskEvent::Complete
        | TaskEvent::Skip
        | TaskEvent::Fail { .. }
        | TaskEvent::Killed
        | TaskEvent::Release
        | TaskEvent::Reclaim { .. }
        | TaskEvent::Cancel
        | TaskEvent::RetryDue
        | TaskEvent::Retry => 0,
    };
    // A claim says nothing new about why the task is where it is.
    if !matches!(
        change.event,
        TaskEvent::Renew { .. } | TaskEvent::Claim { .. }
    ) {
        after.reason = change.words().map(str::to_owned);
        after.advice = change.advice.map(str::to_owned);
    }
    if change.failure.is_some() {
        after.failure_kind = change.failure;
    }
    if change.exit_code.is_some() {
        after.exit_code = change.exit_code;
    }
    let mut trigger = Trigger::Unchanged;
    for effect in next.effects {
        carry_out(&mut after, &mut trigger, *effect, change, now)?;
    }
    write(connection, row, &after, change, &trigger).await?;
    if row.pod_live && attempt_is_over(after.state) {
        // Apart from the rest, so that no other change touches the index of active pods.
        sqlx::query("UPDATE tasks SET pod_live = 0 WHERE id = ?")
            .bind(after.id.0)
            .execute(&mut *connection)
            .await?;
        after.pod_live = false;
    }
    Ok(after)
}

/// Whether the pod of the attempt, if it has one, counts as active no more.
fn attempt_is_over(state: TaskState) -> bool {
    match state {
        TaskState::Queued { .. } | TaskState::Running { .. } | TaskState::Deferred => false,
        TaskState::UpForRetry { .. }
        | TaskState::Success
        | TaskState::Failed
        | TaskState::Skipped
        | TaskState::Cancelled => true,
    }
}

/// What becomes of the row that says what the task waits for.
enum Trigger<'a> {
    Unchanged,
    Gone,
    Armed {
        spec: &'a TriggerSpec,
        owner: &'a str,
        now: Timestamp,
    },
}

fn carry_out<'a>(
    after: &mut TaskRow,
    trigger: &mut Trigger<'a>,
    effect: Effect,
    change: &Change<'a>,
    now: Timestamp,
) -> Result<(), JobError> {
    match effect {
        Effect::RaiseFence => after.fence = after.fence.next(),
        Effect::RaiseTry => {
            after.try_number += 1;
            after.max_tries = after.max_tries.max(after.try_number);
            after.deadline = None;
        }
        Effect::BeginAttempt => {
            after.started_at = after.started_at.or(Some(now));
            // A second claim of the same attempt must not move its deadline.
            after.deadline = after.deadline.or_else(|| {
                after
                    .execution_timeout
                    .map(|timeout| clock::after(now, timeout))
            });
        }
        Effect::ArmTrigger => {
            let (Some(spec), Some(owner)) = (change.trigger, change.owner) else {
                let detail = "a deferral without a trigger or an owner".to_owned();
                return Err(StoreError::BadRow {
                    task: after.id,
                    detail,
                }
                .into());
            };
            *trigger = Trigger::Armed { spec, owner, now };
        }
        Effect::DisarmTrigger => *trigger = Trigger::Gone,
        Effect::KeepEvent => after.event = change.fired.cloned(),
        Effect::ForgetEvent => after.event = None,
        Effect::CountResume => after.resumes += 1,
        Effect::Finish => after.finished_at = Some(now),
        Effect::Reopen => {
            after.finished_at = None;
            after.failure_kind = None;
            after.exit_code = None;
        }
    }
    Ok(())
}

/// The columns that spell a [`TaskState`].
struct StateColumns {
    entry: Option<&'static str>,
    claim_rank: Option<i64>,
    not_before: Option<i64>,
    lease_until: Option<i64>,
    cancelling: bool,
}

impl StateColumns {
    fn of(state: TaskState) -> Self {
        let mut columns = Self {
            entry: None,
            claim_rank: None,
            not_before: None,
            lease_until: None,
            cancelling: false,
        };
        match state {
            TaskState::Queued { entry, not_before } => {
                columns.entry = Some(entry.as_str());
                columns.claim_rank = Some(claim_rank(entry));
                columns.not_before = Some(to_ms(not_before));
            }
            TaskState::Running {
                entry,
                lease_until,
                cancelling,
            } => {
                columns.entry = Some(entry.as_str());
                columns.lease_until = Some(to_ms(lease_until));
                columns.cancelling = cancelling;
            }
            TaskState::UpForRetry { retry_at } => columns.not_before = Some(to_ms(retry_at)),
            TaskState::Deferred
            | TaskState::Success
            | TaskState::Failed
            | TaskState::Skipped
            | TaskState::Cancelled => {}
        }
        columns
    }
}

/// Kills first, then resumes, then new starts: what is under way is finished first.
pub(super) fn claim_rank(entry: Entry) -> i64 {
    match entry {
        Entry::Kill => 0,
        Entry::Reentry => 1,
        Entry::Execute => 2,
    }
}

/// All that a change writes is one call: a call to SQLite's thread costs as much as a small
/// statement does.
macro_rules! change {
    ($more:literal) => {
        concat!(
            "UPDATE tasks
             SET state = ?, entry = ?, claim_rank = ?, not_before = ?, lease_until = ?,
                 cancelling = ?, owner = ?, fence = ?, try_number = ?, max_tries = ?,
                 deadline = ?, event = ?, postponed = ?, resumes = ?, failure_kind = ?,
                 reason = ?, advice = ?, exit_code = ?, started_at = ?, finished_at = ?,
                 changed_at = ?
             WHERE id = ? AND fence = ?;",
            $more
        )
    };
}

/// And the history, of a row that was there.
macro_rules! change_and_remember {
    ($more:literal) => {
        concat!(
            change!(
                "INSERT INTO history
                     (task, at, event, from_state, to_state, try_number, fence, owner, reason)
                 SELECT ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE changes() = 1;"
            ),
            $more
        )
    };
}

const CHANGE: &str = change!("");
const CHANGE_AND_REMEMBER: &str = change_and_remember!("");
const CHANGE_AND_DISARM: &str = change_and_remember!("DELETE FROM triggers WHERE task = ?");
const CHANGE_AND_ARM: &str = change_and_remember!(
    "INSERT INTO triggers
         (task, fence, kind, version, kwargs, owner, deferred_at, next_log_at, deadline)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
);

/// Writes the row, and the change into the history: but not that a lease was renewed.
async fn write(
    connection: &mut SqliteConnection,
    before: &TaskRow,
    after: &TaskRow,
    change: &Change<'_>,
    trigger: &Trigger<'_>,
) -> Result<(), JobError> {
    let state = StateColumns::of(after.state);
    let event = after
        .event
        .as_ref()
        .map(serde_json::to_string)
        .transpose()
        .map_err(|error| StoreError::BadRow {
            task: after.id,
            detail: error.to_string(),
        })?;
    let remembered = before.state.as_str() != after.state.as_str()
        || !matches!(change.event, TaskEvent::Renew { .. });
    let statement = match trigger {
        Trigger::Unchanged if !remembered => CHANGE,
        Trigger::Unchanged => CHANGE_AND_REMEMBER,
        Trigger::Gone => CHANGE_AND_DISARM,
        Trigger::Armed { .. } => CHANGE_AND_ARM,
    };
    let mut query = sqlx::query(statement)
        .bind(after.state.as_str())
        .bind(state.entry)
        .bind(state.claim_rank)
        .bind(state.not_before)
        .bind(state.lease_until)
        .bind(state.cancelling)
        .bind(&after.owner)
        .bind(after.fence.0)
        .bind(after.try_number)
        .bind(after.max_tries)
        .bind(after.deadline.map(to_ms))
        .bind(event)
        .bind(after.postponed)
        .bind(after.resumes)
        .bind(after.failure_kind.map(FailureKind::as_str))
        .bind(&after.reason)
        .bind(&after.advice)
        .bind(after.exit_code)
        .bind(after.started_at.map(to_ms))
        .bind(after.finished_at.map(to_ms))
        .bind(to_ms(after.changed_at))
        .bind(after.id.0)
        .bind(before.fence.0);
    if remembered {
        query = query
            .bind(after.id.0)
            .bind(to_ms(after.changed_at))
            .bind(change.event.as_str())
            .bind(before.state.as_str())
            .bind(after.state.as_str())
            .bind(after.try_number)
            .bind(after.fence.0)
            .bind(change.owner.or(before.owner.as_deref()))
            .bind(change.words());
    }
    match trigger {
        Trigger::Unchanged => {}
        Trigger::Gone => query = query.bind(after.id.0),
        Trigger::Armed { spec, owner, now } => {
            query = query
                .bind(after.id.0)
                .bind(after.fence.0)
                .bind(&spec.kind)
                .bind(spec.version)
                .bind(spec.kwargs.to_string())
                .bind(*owner)
                .bind(to_ms(*now))
                .bind(spec.next_log_at.map(to_ms))
                .bind(after.deadline.map(to_ms));
        }
    }
    let written = query.execute(connection).await?.rows_affected();
    // With a fence that was lost neither the row nor its history is written.
    if written > u64::from(remembered) {
        Ok(())
    } else {
        Err(StoreError::FenceLost { task: after.id }.into())
    }
}
