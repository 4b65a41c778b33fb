//! Taking tasks in: idempotent on their key.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::change_set::claim_rank;
use super::error::{JobError, StoreError};
use super::many_rows::{ManyRows, Script, Values};
use super::open::Store;
use super::rows::to_ms;
use super::sql::{Connection, Row, query, query_scalar};
use crate::clock::Timestamp;
use crate::task::id::{TaskId, TaskKey};
use crate::task::retry::RetryPolicy;
use crate::task::state::Entry;

/// A task that is to be stored.
#[derive(Debug, Clone)]
pub struct NewTask {
    /// Its key.
    pub key: TaskKey,
    /// Which operator runs it.
    pub operator: String,
    /// The operator's definition, as canonical JSON: equal texts are equal definitions.
    pub definition: String,
    /// How often and after which delays it is tried again.
    pub retry: RetryPolicy,
    /// How long an attempt may take.
    pub execution_timeout: Option<Duration>,
}

/// A task that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// Its id.
    pub id: TaskId,
    /// Its key.
    pub key: TaskKey,
    /// Whether this call made it; otherwise it was there already.
    pub created: bool,
}

impl Store {
    /// Stores all of `tasks`, or none.
    ///
    /// # Errors
    /// [`StoreError::KeyTaken`] when a key is there already with another definition,
    /// [`StoreError::KeyTwice`] when two of `tasks` claim it with different ones.
    pub async fn submit(
        &self,
        tasks: Vec<NewTask>,
        now: Timestamp,
    ) -> Result<Vec<Submitted>, StoreError> {
        crate::failpoint::reach!("submit.before");
        let submitted = self
            .writer
            .write(move |connection| {
                Box::pin(async move { submit_all(connection, tasks, now).await })
            })
            .await;
        crate::failpoint::reach!("submit.after");
        submitted
    }
}

async fn submit_all(
    connection: &mut Connection,
    tasks: Vec<NewTask>,
    now: Timestamp,
) -> Result<Vec<Submitted>, JobError> {
    let keys: Vec<TaskKey> = tasks.iter().map(|task| task.key.clone()).collect();
    let there = stored(connection, &keys).await?;
    let mut new: HashMap<&TaskKey, &NewTask> = HashMap::new();
    let mut in_order = Vec::new();
    for task in &tasks {
        let key = &task.key;
        match (there.get(key), new.get(key)) {
            (Some(stored), _) if !stored.is(task) => {
                let (key, task) = (key.clone(), stored.id);
                return Err(StoreError::KeyTaken { key, task }.into());
            }
            (None, Some(first)) if !same(first, task) => {
                return Err(StoreError::KeyTwice { key: key.clone() }.into());
            }
            (Some(_), _) | (None, Some(_)) => {}
            (None, None) => {
                new.insert(key, task);
                in_order.push(task);
            }
        }
    }
    let made = insert(connection, &in_order, now).await?;
    let mut submitted = Vec::with_capacity(keys.len());
    let mut told = HashSet::new();
    for key in keys.iter().cloned() {
        let (id, created) = match (there.get(&key), made.get(&key)) {
            (Some(stored), _) => (stored.id, false),
            (None, Some(id)) => (*id, told.insert(*id)),
            (None, None) => return Err(StoreError::NotFound(key.to_string()).into()),
        };
        submitted.push(Submitted { id, key, created });
    }
    Ok(submitted)
}

/// What is stored under a key.
struct Stored {
    id: TaskId,
    operator: String,
    definition: String,
}

impl Stored {
    fn is(&self, task: &NewTask) -> bool {
        self.definition == task.definition && self.operator == task.operator
    }
}

fn same(one: &NewTask, other: &NewTask) -> bool {
    one.definition == other.definition && one.operator == other.operator
}

/// The tasks of a JSON list of keys, each a list of its parts.
pub(super) const STORED: &str = "
    SELECT tasks.id, tasks.dag_id, tasks.task_id, tasks.run_id, tasks.map_index,
           tasks.operator, tasks.definition
    FROM json_each(?) AS one
    CROSS JOIN tasks ON tasks.dag_id = one.value ->> 0 AND tasks.task_id = one.value ->> 1
                    AND tasks.run_id = one.value ->> 2 AND tasks.map_index = one.value ->> 3";

/// Those of `keys` that are stored.
async fn stored(
    connection: &mut Connection,
    keys: &[TaskKey],
) -> Result<HashMap<TaskKey, Stored>, JobError> {
    let rows = query(STORED)
        .bind(as_json(keys))
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| {
            let stored = Stored {
                id: TaskId(row.try_get("id")?),
                operator: row.try_get("operator")?,
                definition: row.try_get("definition")?,
            };
            Ok((key(row)?, stored))
        })
        .collect()
}

/// Stores tasks whose keys are free; answers their ids.
async fn insert(
    connection: &mut Connection,
    tasks: &[&NewTask],
    now: Timestamp,
) -> Result<HashMap<TaskKey, TaskId>, JobError> {
    let last: i64 = query_scalar("SELECT coalesce(max(id), 0) FROM tasks")
        .fetch_one(&mut *connection)
        .await?;
    let mut script = Script::about(connection, tasks.len());
    script
        .rows(&TASKS, tasks, |to, task| spell(to, task, now))
        .await?;
    script
        .one(
            "INSERT INTO history (task, at, event, from_state, to_state, try_number, fence)
             SELECT id, submitted_at, 'submit', NULL, state, try_number, fence
             FROM tasks WHERE id > ? ORDER BY id",
            |to| to.add(last),
        )
        .await?;
    script.send().await?;
    let rows =
        query("SELECT id, dag_id, task_id, run_id, map_index FROM tasks WHERE id > ? ORDER BY id")
            .bind(last)
            .fetch_all(connection)
            .await?;
    rows.iter()
        .map(|row| Ok((key(row)?, TaskId(row.try_get("id")?))))
        .collect()
}

const TASKS: ManyRows = ManyRows::insert(
    "INSERT INTO tasks
               (dag_id, task_id, run_id, map_index, operator, definition, state, entry, claim_rank,
                not_before, max_tries, retry_policy, execution_timeout_ms, submitted_at, changed_at)
           SELECT * FROM (",
    15,
);

fn spell(to: &mut Values, task: &NewTask, now: Timestamp) -> Result<(), JobError> {
    let policy = serde_json::to_string(&task.retry).map_err(|error| {
        StoreError::Query(format!("the retry policy cannot be stored: {error}"))
    })?;
    let timeout = task.execution_timeout;
    to.add(&task.key.dag_id)?;
    to.add(&task.key.task_id)?;
    to.add(&task.key.run_id)?;
    to.add(task.key.map_index)?;
    to.add(&task.operator)?;
    to.add(&task.definition)?;
    to.add("queued")?;
    to.add(Entry::Execute.as_str())?;
    to.add(claim_rank(Entry::Execute))?;
    to.add(to_ms(now))?;
    to.add(task.retry.retries.saturating_add(1))?;
    to.add(policy)?;
    to.add(timeout.map(|timeout| i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX)))?;
    to.add(to_ms(now))?;
    to.add(to_ms(now))
}

/// Keys as `json_each` takes them, each a list of its parts.
fn as_json(keys: &[TaskKey]) -> String {
    let parts =
        |key: &TaskKey| serde_json::json!([key.dag_id, key.task_id, key.run_id, key.map_index]);
    serde_json::Value::Array(keys.iter().map(parts).collect()).to_string()
}

fn key(row: &Row) -> Result<TaskKey, sqlx::Error> {
    Ok(TaskKey {
        dag_id: row.try_get("dag_id")?,
        task_id: row.try_get("task_id")?,
        run_id: row.try_get("run_id")?,
        map_index: row.try_get("map_index")?,
    })
}
