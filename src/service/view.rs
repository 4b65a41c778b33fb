//! Tasks as they are shown: the field names here are a contract (`-o json`, the HTTP API).

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::clock::Timestamp;
use crate::store::{ChangeRow, HistoryRow, Submitted, TaskRow, TriggerRow};
use crate::task::id::TaskId;
use crate::task::outcome::FailureKind;
use crate::task::pods::PodRecord;
use crate::task::state::{STATE_NAMES, TaskState};

/// One of [`STATE_NAMES`].
pub type StateWord = &'static str;

/// A task in a line's worth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TaskView {
    /// Its id.
    #[schema(value_type = i64)]
    pub id: TaskId,
    /// Its key as one text.
    pub key: String,
    /// The group that it belongs to.
    pub dag_id: String,
    /// Its name.
    pub task_id: String,
    /// Its run.
    pub run_id: String,
    /// -1 when it is not mapped.
    pub map_index: i32,
    /// Where it is in its life.
    #[serde(deserialize_with = "state_word")]
    #[schema(value_type = StateName)]
    pub state: StateWord,
    /// Whether it has ended.
    pub is_final: bool,
    /// Why it is there, in words.
    pub reason: Option<String>,
    /// What a person can do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// How its last attempt failed.
    #[schema(value_type = Option<String>)]
    pub failure_kind: Option<FailureKind>,
    /// The exit code that decided.
    pub exit_code: Option<i32>,
    /// The attempt, counted from 1.
    pub try_number: u32,
    /// How many attempts there may be.
    pub max_tries: u32,
    /// How often it was resumed.
    pub resumes: u32,
    /// How many lines its containers wrote.
    pub log_lines: i64,
    /// The number of its log's last row, remarks included: where a follower stands.
    #[serde(default, skip_serializing)]
    #[schema(ignore)]
    pub log_seq: i64,
    /// When it last got log lines.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_log_at: Option<Timestamp>,
    /// When this attempt must have ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub deadline: Option<Timestamp>,
    /// When it may go on, if it waits for that.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub not_before: Option<Timestamp>,
    /// When it was submitted.
    #[schema(value_type = String, format = DateTime)]
    pub submitted_at: Timestamp,
    /// When its first attempt began.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
}

/// The words for states, as a schema.
pub struct StateName;

impl PartialSchema for StateName {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("Where a task is in its life."))
            .enum_values(Some(STATE_NAMES))
            .into()
    }
}

impl ToSchema for StateName {}

/// One of the words for states, as the program knows them.
fn state_word<'de, D: Deserializer<'de>>(from: D) -> Result<&'static str, D::Error> {
    let word = String::deserialize(from)?;
    let known = STATE_NAMES.iter().find(|name| **name == word);
    known
        .copied()
        .ok_or_else(|| serde::de::Error::custom(format!("{word:?} is no state of a task")))
}

impl From<TaskRow> for TaskView {
    fn from(row: TaskRow) -> Self {
        Self {
            id: row.id,
            key: row.key.to_string(),
            dag_id: row.key.dag_id,
            task_id: row.key.task_id,
            run_id: row.key.run_id,
            map_index: row.key.map_index,
            state: row.state.as_str(),
            is_final: row.state.is_final(),
            reason: row.reason,
            advice: row.advice,
            failure_kind: row.failure_kind,
            exit_code: row.exit_code,
            try_number: row.try_number,
            max_tries: row.max_tries,
            resumes: row.resumes,
            log_lines: row.log_lines,
            log_seq: row.log_seq,
            last_log_at: row.last_log_at,
            deadline: row.deadline,
            not_before: match row.state {
                TaskState::Queued { not_before, .. } => Some(not_before),
                TaskState::UpForRetry { retry_at } => Some(retry_at),
                TaskState::Running { .. }
                | TaskState::Deferred
                | TaskState::Success
                | TaskState::Failed
                | TaskState::Skipped
                | TaskState::Cancelled => None,
            },
            submitted_at: row.submitted_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
        }
    }
}

/// A pod of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PodView {
    /// The attempt that it served.
    pub try_number: u32,
    /// The connection whose cluster holds it.
    pub connection: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid, once it was created.
    pub uid: Option<String>,
    /// What the last look at it showed when its attempt ended: `pod` as it was, `events` in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Value>,
}

impl From<PodRecord> for PodView {
    fn from(record: PodRecord) -> Self {
        Self {
            try_number: record.try_number,
            connection: record.intent.connection.name,
            namespace: record.intent.namespace,
            name: record.intent.name,
            uid: record.uid,
            observed: record.observed,
        }
    }
}

/// What a deferred task waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TriggerView {
    /// The kind of its trigger.
    pub kind: String,
    /// Since when it waits.
    #[schema(value_type = String, format = DateTime)]
    pub deferred_since: Timestamp,
    /// When it will be resumed for its newest logs.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_log_time: Option<Timestamp>,
    /// When the attempt must have ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub deadline: Option<Timestamp>,
}

impl From<TriggerRow> for TriggerView {
    fn from(row: TriggerRow) -> Self {
        Self {
            kind: row.kind,
            deferred_since: row.deferred_at,
            next_log_time: row.next_log_at,
            deadline: row.deadline,
        }
    }
}

/// One change of a task's state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HistoryView {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What happened.
    pub event: String,
    /// The state before.
    pub from_state: Option<String>,
    /// The state after.
    pub to_state: String,
    /// The attempt.
    pub try_number: u32,
    /// Why, in words.
    pub reason: Option<String>,
}

impl From<HistoryRow> for HistoryView {
    fn from(row: HistoryRow) -> Self {
        Self {
            at: row.at,
            event: row.event,
            from_state: row.from_state,
            to_state: row.to_state,
            try_number: row.try_number,
            reason: row.reason,
        }
    }
}

/// A task with all that is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TaskDetail {
    /// The task itself.
    #[serde(flatten)]
    pub task: TaskView,
    /// The pod of the newest attempt.
    pub pod: Option<PodView>,
    /// Every pod of every attempt, oldest first.
    pub pods: Vec<PodView>,
    /// What it waits for, while it is deferred.
    pub trigger: Option<TriggerView>,
    /// The task's results by their keys.
    #[schema(value_type = Object)]
    pub xcom: Map<String, Value>,
    /// Every change of its state, oldest first.
    pub history: Vec<HistoryView>,
}

impl TaskDetail {
    pub(super) fn new(
        task: TaskView,
        pods: Vec<PodRecord>,
        trigger: Option<TriggerRow>,
        history: Vec<HistoryRow>,
        xcom: Map<String, Value>,
    ) -> Self {
        let pods: Vec<PodView> = pods.into_iter().map(PodView::from).collect();
        Self {
            task,
            pod: pods.last().cloned(),
            pods,
            trigger: trigger.map(TriggerView::from),
            xcom,
            history: history.into_iter().map(HistoryView::from).collect(),
        }
    }
}

/// A task that was taken in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SubmittedView {
    /// Its id.
    #[schema(value_type = i64)]
    pub id: TaskId,
    /// Its key as one text.
    pub key: String,
    /// Whether this made it; otherwise it was there already.
    pub created: bool,
}

impl From<Submitted> for SubmittedView {
    fn from(task: Submitted) -> Self {
        Self {
            id: task.id,
            key: task.key.to_string(),
            created: task.created,
        }
    }
}

/// A deferred task and what it waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TriggerOfTask {
    /// The task's id.
    #[schema(value_type = i64)]
    pub task: TaskId,
    /// What it waits for.
    #[serde(flatten)]
    pub trigger: TriggerView,
}

impl From<(TaskId, TriggerRow)> for TriggerOfTask {
    fn from((task, row): (TaskId, TriggerRow)) -> Self {
        Self {
            task,
            trigger: row.into(),
        }
    }
}

/// One change of one task's state, among those of all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChangeView {
    /// Its number: later changes have higher ones.
    pub change: i64,
    /// The task's id.
    #[schema(value_type = i64)]
    pub task: TaskId,
    /// The task's key as one text.
    pub key: String,
    /// The change.
    #[serde(flatten)]
    pub history: HistoryView,
}

impl From<ChangeRow> for ChangeView {
    fn from(row: ChangeRow) -> Self {
        Self {
            change: row.id,
            task: row.task,
            key: row.key.to_string(),
            history: row.history.into(),
        }
    }
}
