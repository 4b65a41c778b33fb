//! Tasks: lists, one by one, and what can be wished for one.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::problem::{Problem, ProblemKind};
use super::query::{Asked, Names};
use super::schema::TaskName;
use super::server::Api;
use crate::service::{HistoryView, StateName, TaskDetail, TaskView, TriggerOfTask};
use crate::store::TaskFilter;
use crate::task::id::{TaskId, TaskRef};
use crate::task::state::STATE_NAMES;

/// How many are listed when nobody says how many, and at the most.
const USUAL: i64 = 100;
const MOST: i64 = 1000;

/// A task in a line's worth, and where its log ends.
#[derive(Serialize, ToSchema)]
pub(super) struct ListedTask {
    #[serde(flatten)]
    task: TaskView,
    /// The number of its log's last row, remarks included.
    log_seq: i64,
}

impl From<TaskView> for ListedTask {
    fn from(task: TaskView) -> Self {
        Self {
            log_seq: task.log_seq,
            task,
        }
    }
}

/// A page of tasks, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct TaskPage {
    tasks: Vec<ListedTask>,
    /// What to give as `before` for the next page; none when this is the last one.
    next: Option<i64>,
}

/// Which tasks to list: those that fit everything that is said.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes what is read by hand")]
pub(super) struct ListParams {
    /// Only these.
    #[param(value_type = Option<Vec<TaskName>>)]
    id: Option<Vec<String>>,
    /// Only tasks in these states.
    #[param(value_type = Option<Vec<StateName>>)]
    state: Option<Vec<String>>,
    /// Only tasks of this DAG.
    dag_id: Option<String>,
    /// Only tasks of this name.
    task_id: Option<String>,
    /// Only tasks of this run.
    run_id: Option<String>,
    /// Only tasks with an id below this one.
    #[param(minimum = 0)]
    before: Option<i64>,
    /// At most this many.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<i64>,
}

/// List tasks, newest first.
///
/// Tasks that come while somebody turns the pages are newer than all of them: no page changes.
#[utoipa::path(get, path = "/tasks", tag = "tasks", operation_id = "list_tasks",
    params(ListParams),
    responses((status = 200, description = "a page of tasks", body = TaskPage)))]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    mut asked: Asked,
) -> Result<Json<TaskPage>, Problem> {
    let references: Vec<TaskRef> = asked.all("id")?;
    let states: Vec<String> = asked.all("state")?;
    if let Some(wrong) = states.iter().find(|state| !is_state(state)) {
        let detail = format!(
            "{wrong:?} is no state of a task, there are {}",
            STATE_NAMES.join(", ")
        );
        return Err(Problem::new(ProblemKind::Usage, detail));
    }
    let mut filter = TaskFilter {
        states,
        dag_id: asked.one("dag_id")?,
        task_id: asked.one("task_id")?,
        run_id: asked.one("run_id")?,
        before: match asked.number("before", 0..=i64::MAX, i64::MAX)? {
            i64::MAX => None,
            before => Some(TaskId(before)),
        },
        ..TaskFilter::default()
    };
    let limit = asked.number("limit", 1..=MOST, USUAL)?;
    asked.end()?;
    filter.ids = api.service.resolve_all(&references).await?;
    // One more than is shown tells whether there is another page.
    filter.limit = u32::try_from(limit + 1).ok();
    let mut tasks = api.service.list(&filter).await?;
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = tasks.len() > shown;
    tasks.truncate(shown);
    Ok(Json(TaskPage {
        next: tasks.last().filter(|_| more).map(|task| task.id.0),
        tasks: tasks.into_iter().map(ListedTask::from).collect(),
    }))
}

pub(super) fn is_state(word: &str) -> bool {
    STATE_NAMES.contains(&word)
}

impl Api {
    /// The id of the task that the path names.
    pub(super) async fn named(&self, names: &Names) -> Result<TaskId, Problem> {
        Ok(self.service.resolve(&names.task()?).await?)
    }
}

/// All that is known of a task.
#[utoipa::path(get, path = "/tasks/{task}", tag = "tasks", operation_id = "get_task",
    params(("task" = TaskName, Path, description = "its id, or its key with each / as %2F")),
    responses((status = 200, description = "the task", body = TaskDetail)))]
pub(super) async fn get(
    State(api): State<Arc<Api>>,
    names: Names,
    asked: Asked,
) -> Result<Json<TaskDetail>, Problem> {
    asked.end()?;
    let id = api.named(&names).await?;
    Ok(Json(api.service.describe(id).await?))
}

/// Every change of a task's state.
#[derive(Serialize, ToSchema)]
pub(super) struct History {
    /// Oldest first.
    history: Vec<HistoryView>,
}

/// Every change of a task's state, oldest first.
#[utoipa::path(get, path = "/tasks/{task}/history", tag = "tasks", operation_id = "get_history",
    params(("task" = TaskName, Path, description = "its id, or its key with each / as %2F")),
    responses((status = 200, description = "its history", body = History)))]
pub(super) async fn history(
    State(api): State<Arc<Api>>,
    names: Names,
    asked: Asked,
) -> Result<Json<History>, Problem> {
    asked.end()?;
    let id = api.named(&names).await?;
    let rows = api.service.history(id).await?;
    Ok(Json(History { history: rows }))
}

/// A task's results by their keys.
#[utoipa::path(get, path = "/tasks/{task}/xcom", tag = "tasks", operation_id = "get_xcom",
    params(("task" = TaskName, Path, description = "its id, or its key with each / as %2F")),
    responses((status = 200, description = "its results", body = Object)))]
pub(super) async fn xcom(
    State(api): State<Arc<Api>>,
    names: Names,
    asked: Asked,
) -> Result<Json<Map<String, Value>>, Problem> {
    asked.end()?;
    let id = api.named(&names).await?;
    Ok(Json(api.service.xcom(id).await?))
}

/// One of a task's results.
#[utoipa::path(get, path = "/tasks/{task}/xcom/{key}", tag = "tasks",
    operation_id = "get_xcom_value",
    params(("task" = TaskName, Path, description = "its id, or its key with each / as %2F"),
           ("key" = String, Path, min_length = 1, description = "the result's key")),
    responses((status = 200, description = "the result, any JSON", body = Value)))]
pub(super) async fn xcom_value(
    State(api): State<Arc<Api>>,
    names: Names,
    asked: Asked,
) -> Result<Json<Value>, Problem> {
    asked.end()?;
    let id = api.named(&names).await?;
    let key = names.get("key");
    let value = api.service.xcom(id).await?.swap_remove(key);
    value.map(Json).ok_or_else(|| {
        let detail = format!("task {id} has no result {key:?}");
        Problem::new(ProblemKind::NotFound, detail)
    })
}

/// Why a task is to be cancelled or tried again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Wish {
    /// For the task's history.
    reason: Option<String>,
}

/// Ask for the end of a task.
///
/// It ends when its pod has: watch its state.
#[utoipa::path(post, path = "/tasks/{task}/cancel", tag = "tasks", operation_id = "cancel_task",
    params(("task" = TaskName, Path, description = "its id, or its key with each / as %2F")),
    request_body = Wish,
    responses((status = 202, description = "its end is asked for", body = ListedTask)))]
pub(super) async fn cancel(
    State(api): State<Arc<Api>>,
    names: Names,
    asked: Asked,
    body: Bytes,
) -> Result<(StatusCode, Json<ListedTask>), Problem> {
    asked.end()?;
    let wish: Wish = json(&body)?;
    let id = api.named(&names).await?;
    let reason = wish.reason.as_deref().unwrap_or("cancelled");
    let task = api.service.ask_for_end(id, reason).await?;
    Ok((StatusCode::ACCEPTED, Json(task.into())))
}

/// Give a task another attempt, or end its wait before the next one.
#[utoipa::path(post, path = "/tasks/{task}/retry", tag = "tasks", operation_id = "retry_task",
    params(("task" = TaskName, Path, description = "its id, or its key with each / as %2F")),
    request_body = Wish,
    responses((status = 200, description = "it is queued", body = ListedTask)))]
pub(super) async fn retry(
    State(api): State<Arc<Api>>,
    names: Names,
    asked: Asked,
    body: Bytes,
) -> Result<Json<ListedTask>, Problem> {
    asked.end()?;
    let wish: Wish = json(&body)?;
    let id = api.named(&names).await?;
    let reason = wish.reason.as_deref().unwrap_or("retried by hand");
    let task = api.service.retry(id, reason).await?;
    Ok(Json(task.into()))
}

/// Reads a body; an empty one says nothing.
pub(super) fn json<T: Default + serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if body.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|error| {
        let detail = format!("the body cannot be understood: {error}");
        Problem::new(ProblemKind::Usage, detail)
    })
}

/// A page of deferred tasks and what they wait for.
#[derive(Serialize, ToSchema)]
pub(super) struct TriggerPage {
    /// By the tasks' ids.
    triggers: Vec<TriggerOfTask>,
    /// What to give as `after` for the next page; none when this is the last one.
    next: Option<i64>,
}

/// Where a page begins.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes what is read by hand")]
pub(super) struct AfterParams {
    /// Only what has a higher number.
    #[param(minimum = 0)]
    after: Option<i64>,
    /// At most this many.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<i64>,
}

/// Deferred tasks and what they wait for.
#[utoipa::path(get, path = "/triggers", tag = "tasks", operation_id = "list_triggers",
    params(AfterParams),
    responses((status = 200, description = "a page of triggers", body = TriggerPage)))]
pub(super) async fn triggers(
    State(api): State<Arc<Api>>,
    mut asked: Asked,
) -> Result<Json<TriggerPage>, Problem> {
    let (after, limit) = after_and_limit(&mut asked)?;
    asked.end()?;
    let triggers = api.service.triggers(after, limit).await?;
    let full = triggers.len() == limit as usize;
    Ok(Json(TriggerPage {
        next: triggers.last().filter(|_| full).map(|row| row.task.0),
        triggers,
    }))
}

/// The parameters `after` and `limit`.
pub(super) fn after_and_limit(asked: &mut Asked) -> Result<(i64, u32), Problem> {
    let after = asked.number("after", 0..=i64::MAX, 0)?;
    let limit = asked.number("limit", 1..=MOST, USUAL)?;
    Ok((after, u32::try_from(limit).unwrap_or(1)))
}

/// Pods that are still to be deleted or stopped.
#[derive(Serialize, ToSchema)]
pub(super) struct Disposals {
    /// How many.
    open: u64,
}

/// Of which tasks.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes what is read by hand")]
pub(super) struct DisposalParams {
    /// Of these tasks.
    #[param(value_type = Vec<TaskName>, min_items = 1)]
    id: Vec<String>,
}

/// How many pods of these tasks are still to be deleted or stopped.
#[utoipa::path(get, path = "/disposals", tag = "tasks", operation_id = "count_disposals",
    params(DisposalParams),
    responses((status = 200, description = "how many", body = Disposals)))]
pub(super) async fn disposals(
    State(api): State<Arc<Api>>,
    mut asked: Asked,
) -> Result<Json<Disposals>, Problem> {
    let references: Vec<TaskRef> = asked.all("id")?;
    asked.end()?;
    if references.is_empty() {
        return Err(Problem::new(
            ProblemKind::Usage,
            "id: must be given at least once",
        ));
    }
    let ids = api.service.resolve_all(&references).await?;
    let open = api.service.open_disposals(&ids).await?;
    Ok(Json(Disposals { open }))
}
