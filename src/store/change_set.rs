//! Writing changes of state: many with each statement.
//!
//! They were planned from rows that were read in the same transaction, which holds the write lock
//! from its beginning: nobody can have changed one since.

use super::error::{JobError, StoreError};
use super::many_rows::{ManyRows, Script, Values, as_json};
use super::pods::overrides_text;
use super::rows::{TaskRow, to_ms};
use super::sql::{Connection, query};
use super::transition::{Planned, Remembered, Trigger};
use crate::task::deferral::TriggerSpec;
use crate::task::id::TaskId;
use crate::task::outcome::FailureKind;
use crate::task::pods::Disposal;
use crate::task::state::{Entry, TaskState};

/// The key under which a task's result is stored, as the reference names it.
const RESULT_KEY: &str = "return_value";

const TASKS: ManyRows = ManyRows {
    head:
        "WITH new (id, held, state, entry, claim_rank, not_before, lease_until, cancelling, owner,
                     fence, try_number, max_tries, deadline, event, postponed, resumes,
                     failure_kind, reason, advice, exit_code, started_at, finished_at, changed_at)
           AS (",
    columns: 23,
    tail: ")
           UPDATE tasks
           SET state = new.state, entry = new.entry, claim_rank = new.claim_rank,
               not_before = new.not_before, lease_until = new.lease_until,
               cancelling = new.cancelling, owner = new.owner, fence = new.fence,
               try_number = new.try_number, max_tries = new.max_tries, deadline = new.deadline,
               event = new.event, postponed = new.postponed, resumes = new.resumes,
               failure_kind = new.failure_kind, reason = new.reason, advice = new.advice,
               exit_code = new.exit_code, started_at = new.started_at,
               finished_at = new.finished_at, changed_at = new.changed_at
           FROM new WHERE tasks.id = new.id AND tasks.fence = new.held",
};

const HISTORY: ManyRows = ManyRows::insert(
    "INSERT INTO history
               (task, at, event, from_state, to_state, try_number, fence, owner, reason)
           SELECT * FROM (",
    9,
);

const TRIGGERS: ManyRows = ManyRows::insert(
    "INSERT INTO triggers
               (task, fence, kind, version, kwargs, owner, deferred_at, next_log_at, deadline)
           SELECT * FROM (",
    9,
);

const DISPOSALS: ManyRows = ManyRows::insert(
    "INSERT INTO disposals
               (task, connection, overrides, server, namespace, name, uid, nonce, action, due_at,
                wanted_at)
           SELECT * FROM (",
    11,
);

const WISHED: ManyRows = ManyRows {
    head: "WITH wish (action, task, namespace, name) AS (",
    columns: 4,
    tail: ")
           UPDATE pods SET disposal = wish.action FROM wish
           WHERE pods.task = wish.task AND pods.namespace = wish.namespace
             AND pods.name = wish.name",
};

const OBSERVED: ManyRows = ManyRows {
    head: "WITH look (observed, task, try_number, name) AS (",
    columns: 4,
    tail: ")
           UPDATE pods SET observed = look.observed FROM look
           WHERE pods.task = look.task AND pods.try_number = look.try_number
             AND pods.name = look.name",
};

const RESULTS: ManyRows = ManyRows {
    head: "INSERT INTO xcom (task, key, value)
           SELECT * FROM (",
    columns: 3,
    tail: ") AS new WHERE column1 IS NOT NULL
           ON CONFLICT (task, key) DO UPDATE SET value = excluded.value",
};

const DISARM: &str = "DELETE FROM triggers WHERE task IN (SELECT value FROM json_each(?))";

/// Apart from the rest, so that no other change touches the index of active pods.
const POD_OVER: &str = "UPDATE tasks SET pod_live = 0 WHERE id IN (SELECT value FROM json_each(?))";

/// The rows of `tasks`; those that there are.
pub(super) async fn load(
    connection: &mut Connection,
    tasks: impl IntoIterator<Item = TaskId>,
) -> Result<Vec<TaskRow>, JobError> {
    let numbers: Vec<i64> = tasks.into_iter().map(|task| task.0).collect();
    let rows = query("SELECT * FROM tasks WHERE id IN (SELECT value FROM json_each(?))")
        .bind(as_json(&numbers))
        .fetch_all(connection)
        .await?;
    rows.iter().map(TaskRow::read).collect()
}

/// Writes `changes`, each of another task.
pub(super) async fn write(
    connection: &mut Connection,
    changes: &[Planned],
) -> Result<(), JobError> {
    let mut script = Script::about(connection, changes.len());
    script.rows(&TASKS, changes, spell_task).await?;
    let remembered: Vec<_> = (changes.iter())
        .filter_map(|change| Some((&change.after, change.remembered.as_ref()?)))
        .collect();
    script.rows(&HISTORY, &remembered, spell_history).await?;
    script
        .numbers(
            DISARM,
            &ids(changes, |one| matches!(one.trigger, Trigger::Gone)),
        )
        .await?;
    let armed: Vec<_> = (changes.iter())
        .filter_map(|change| match &change.trigger {
            Trigger::Armed { spec, owner } => Some((&change.after, spec, owner.as_str())),
            Trigger::Unchanged | Trigger::Gone => None,
        })
        .collect();
    script.rows(&TRIGGERS, &armed, spell_trigger).await?;
    script
        .numbers(POD_OVER, &ids(changes, |one| one.pod_over))
        .await?;
    write_endings(&mut script, changes).await?;
    script.send().await
}

fn ids(changes: &[Planned], which: impl Fn(&Planned) -> bool) -> Vec<i64> {
    let those = changes.iter().filter(|change| which(change));
    those.map(|change| change.after.id.0).collect()
}

async fn write_endings(script: &mut Script<'_>, changes: &[Planned]) -> Result<(), JobError> {
    let endings: Vec<_> = (changes.iter())
        .filter_map(|change| Some((&change.after, change.ending.as_ref()?)))
        .collect();
    let looks: Vec<_> = (endings.iter())
        .filter_map(|(row, ending)| Some((row, ending.observed.as_ref()?)))
        .collect();
    script
        .rows(&OBSERVED, &looks, |to, (row, (pod, observed))| {
            to.add(observed.to_string())?;
            to.add(row.id.0)?;
            to.add(row.try_number)?;
            to.add(pod)
        })
        .await?;
    let wishes: Vec<_> = (endings.iter())
        .flat_map(|(row, ending)| ending.disposals.iter().map(move |wish| (*row, wish)))
        .collect();
    script.rows(&DISPOSALS, &wishes, spell_disposal).await?;
    script
        .rows(&WISHED, &wishes, |to, (row, wish)| {
            to.add(wish.action.as_str())?;
            to.add(row.id.0)?;
            to.add(&wish.namespace)?;
            to.add(&wish.name)
        })
        .await?;
    let results: Vec<_> = (endings.iter())
        .filter_map(|(row, ending)| Some((row, ending.result.as_ref()?)))
        .collect();
    script
        .rows(&RESULTS, &results, |to, (row, result)| {
            to.add(row.id.0)?;
            to.add(RESULT_KEY)?;
            to.add(result.to_string())
        })
        .await
}

fn spell_task(to: &mut Values, change: &Planned) -> Result<(), JobError> {
    let after = &change.after;
    let state = StateColumns::of(after.state);
    let event = after.event.as_ref().map(serde_json::to_string);
    let event = event.transpose().map_err(|error| StoreError::BadRow {
        task: after.id,
        detail: error.to_string(),
    })?;
    to.add(after.id.0)?;
    to.add(change.held.0)?;
    to.add(after.state.as_str())?;
    to.add(state.entry)?;
    to.add(state.claim_rank)?;
    to.add(state.not_before)?;
    to.add(state.lease_until)?;
    to.add(state.cancelling)?;
    to.add(&after.owner)?;
    to.add(after.fence.0)?;
    to.add(after.try_number)?;
    to.add(after.max_tries)?;
    to.add(after.deadline.map(to_ms))?;
    to.add(event)?;
    to.add(after.postponed)?;
    to.add(after.resumes)?;
    to.add(after.failure_kind.map(FailureKind::as_str))?;
    to.add(&after.reason)?;
    to.add(&after.advice)?;
    to.add(after.exit_code)?;
    to.add(after.started_at.map(to_ms))?;
    to.add(after.finished_at.map(to_ms))?;
    to.add(to_ms(after.changed_at))
}

fn spell_history(
    to: &mut Values,
    (after, remembered): &(&TaskRow, &Remembered),
) -> Result<(), JobError> {
    to.add(after.id.0)?;
    to.add(to_ms(after.changed_at))?;
    to.add(remembered.event)?;
    to.add(remembered.from)?;
    to.add(after.state.as_str())?;
    to.add(after.try_number)?;
    to.add(after.fence.0)?;
    to.add(&remembered.owner)?;
    to.add(&remembered.words)
}

fn spell_trigger(
    to: &mut Values,
    (after, spec, owner): &(&TaskRow, &TriggerSpec, &str),
) -> Result<(), JobError> {
    to.add(after.id.0)?;
    to.add(after.fence.0)?;
    to.add(&spec.kind)?;
    to.add(spec.version)?;
    to.add(spec.kwargs.to_string())?;
    to.add(*owner)?;
    to.add(to_ms(after.changed_at))?;
    to.add(spec.next_log_at.map(to_ms))?;
    to.add(after.deadline.map(to_ms))
}

fn spell_disposal(to: &mut Values, (row, wish): &(&TaskRow, &Disposal)) -> Result<(), JobError> {
    to.add(row.id.0)?;
    to.add(&wish.connection.name)?;
    to.add(overrides_text(&wish.connection))?;
    to.add(&wish.server)?;
    to.add(&wish.namespace)?;
    to.add(&wish.name)?;
    to.add(&wish.uid)?;
    to.add(&wish.nonce)?;
    to.add(wish.action.as_str())?;
    to.add(to_ms(row.changed_at))?;
    to.add(to_ms(row.changed_at))
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
