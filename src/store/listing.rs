//! Lists of tasks, newest first, that cost what they show and not what the database holds.

use std::collections::BTreeSet;

use super::claim::Scope;
use super::error::StoreError;
use super::open::Store;
use super::rows::TaskRow;
use super::sql::{Value, query, query_scalar};
use crate::task::id::TaskId;

/// Which tasks to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// Only these, if any are given.
    pub ids: Vec<TaskId>,
    /// Only tasks in one of these states, if any are given.
    pub states: Vec<String>,
    /// Only tasks of this DAG.
    pub dag_id: Option<String>,
    /// Only tasks of this name.
    pub task_id: Option<String>,
    /// Only tasks of this run.
    pub run_id: Option<String>,
    /// Only tasks with an id below this one: the cursor of the next page.
    pub before: Option<TaskId>,
    /// At most this many, newest first.
    pub limit: Option<u32>,
}

/// The states that are not final.
const OPEN: [&str; 4] = ["queued", "running", "deferred", "up_for_retry"];

/// Whether a task has not ended.
pub(super) const ANY_OPEN: &str = "
    SELECT EXISTS (
        SELECT 1 FROM tasks
        WHERE state IN ('queued', 'running', 'deferred', 'up_for_retry')
          AND (?1 IS NULL OR id IN (SELECT value FROM json_each(?1))))";

impl Store {
    /// The tasks that `filter` lets through, newest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn list(&self, filter: &TaskFilter) -> Result<Vec<TaskRow>, StoreError> {
        let Question { text, values } = question(filter);
        let rows = query(text)
            .bind_all(values)
            .fetch_all(&self.reader)
            .await
            .map_err(|error| self.told(error))?;
        rows.iter()
            .map(TaskRow::read)
            .collect::<Result<_, _>>()
            .map_err(|error| error.at(self.path()))
    }

    /// Whether a task of `scope` has not ended.
    ///
    /// # Errors
    /// What the database says.
    pub async fn any_open(&self, scope: &Scope) -> Result<bool, StoreError> {
        query_scalar(ANY_OPEN)
            .bind(scope.bound())
            .fetch_one(&self.reader)
            .await
            .map_err(|error| self.told(error))
    }
}

/// A question as it is put together.
#[derive(Debug, Default)]
pub(super) struct Question {
    pub text: String,
    pub values: Vec<Value>,
}

impl Question {
    fn push(&mut self, words: &str) -> &mut Self {
        self.text.push_str(words);
        self
    }

    fn push_bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.text.push('?');
        self.values.push(value.into());
        self
    }
}

/// The question that a filter stands for.
///
/// Each state is asked for on its own, so that an index gives its tasks in the order of their ids
/// and none is read that is not shown.
pub(super) fn question(filter: &TaskFilter) -> Question {
    let mut query = Question::default();
    let states: BTreeSet<&String> = filter.states.iter().collect();
    let states: Vec<&String> = states.into_iter().collect();
    match states.as_slice() {
        [] => one(&mut query, filter, None),
        [state] => one(&mut query, filter, Some(state)),
        states => {
            query.push("SELECT * FROM (");
            for (index, state) in states.iter().enumerate() {
                query.push(if index > 0 {
                    " UNION ALL SELECT * FROM ("
                } else {
                    "SELECT * FROM ("
                });
                one(&mut query, filter, Some(state));
                query.push(") AS some");
            }
            query.push(") AS listed ORDER BY id DESC");
            if let Some(limit) = filter.limit {
                query.push(" LIMIT ").push_bind(limit);
            }
        }
    }
    query
}

fn one(query: &mut Question, filter: &TaskFilter, state: Option<&String>) {
    query.push("SELECT * FROM tasks WHERE true");
    if !filter.ids.is_empty() {
        let ids = Scope::Tasks(filter.ids.clone()).bound();
        query
            .push(" AND id IN (SELECT value FROM json_each(")
            .push_bind(ids)
            .push("))");
    }
    if let Some(state) = state {
        query.push(" AND state = ").push_bind(state.clone());
    }
    // Few tasks are in a state that is not final, while a DAG may have a million: the sign in
    // front keeps the index of the names out of it then.
    let plain = if state.is_some_and(|state| OPEN.contains(&state.as_str())) {
        " AND +"
    } else {
        " AND "
    };
    for (column, wanted) in [
        ("dag_id = ", &filter.dag_id),
        ("task_id = ", &filter.task_id),
        ("run_id = ", &filter.run_id),
    ] {
        if let Some(wanted) = wanted {
            query.push(plain).push(column).push_bind(wanted.clone());
        }
    }
    if let Some(before) = filter.before {
        query.push(" AND id < ").push_bind(before.0);
    }
    query.push(" ORDER BY id DESC");
    if let Some(limit) = filter.limit {
        query.push(" LIMIT ").push_bind(limit);
    }
}
