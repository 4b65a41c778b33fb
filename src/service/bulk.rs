//! Wishes for all tasks that a filter lets through.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::tasks::{Service, ServiceError};
use super::view::StateName;
use crate::store::{StoreError, TaskFilter};
use crate::task::id::TaskId;
use crate::task::state::{OPEN_STATES, RETRYABLE_STATES};

/// How many tasks are looked up at once.
const PAGE: u32 = 500;

/// Which tasks are meant: those that fit everything that is said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BulkFilter {
    /// Only these.
    #[schema(value_type = Vec<i64>)]
    pub ids: Vec<TaskId>,
    /// Only tasks in one of these states.
    #[schema(value_type = Vec<StateName>)]
    pub states: Vec<String>,
    /// Only tasks of this DAG.
    pub dag_id: Option<String>,
    /// Only tasks of this name.
    pub task_id: Option<String>,
    /// Only tasks of this run.
    pub run_id: Option<String>,
}

impl BulkFilter {
    /// Whether it would let every task through.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A task for which the wish makes no sense, or came too late.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BulkRefused {
    /// Its id.
    #[schema(value_type = i64)]
    pub id: TaskId,
    /// Why, in words.
    pub detail: String,
}

/// What came of a wish for many tasks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BulkDone {
    /// The tasks for which it holds now.
    #[schema(value_type = Vec<i64>)]
    pub done: Vec<TaskId>,
    /// The tasks for which it does not.
    pub refused: Vec<BulkRefused>,
}

/// What is wished for.
#[derive(Debug, Clone, Copy)]
enum Wish {
    Cancel,
    Retry,
}

impl Wish {
    /// The states in which it makes sense.
    fn sensible_in(self) -> [&'static str; 4] {
        match self {
            Self::Cancel => OPEN_STATES,
            Self::Retry => RETRYABLE_STATES,
        }
    }
}

impl Service {
    /// Asks for the end of every task that `filter` lets through and that has not ended.
    ///
    /// # Errors
    /// What the store says. What was asked for before stays so.
    pub async fn cancel_all(
        &self,
        filter: &BulkFilter,
        reason: &str,
    ) -> Result<BulkDone, ServiceError> {
        self.for_all(filter, Wish::Cancel, reason).await
    }

    /// Gives every task that `filter` lets through another attempt, as far as it can have one.
    ///
    /// # Errors
    /// What the store says. What was given before stays so.
    pub async fn retry_all(
        &self,
        filter: &BulkFilter,
        reason: &str,
    ) -> Result<BulkDone, ServiceError> {
        self.for_all(filter, Wish::Retry, reason).await
    }

    /// Newest first, a page at a time: a task that moves on meanwhile is met once.
    async fn for_all(
        &self,
        filter: &BulkFilter,
        wish: Wish,
        reason: &str,
    ) -> Result<BulkDone, ServiceError> {
        let states = wish
            .sensible_in()
            .iter()
            .filter(|state| filter.states.is_empty() || filter.states.iter().any(|s| s == *state))
            .map(|state| (*state).to_owned())
            .collect::<Vec<_>>();
        let mut done = BulkDone::default();
        if states.is_empty() {
            return Ok(done);
        }
        let mut page = TaskFilter {
            ids: filter.ids.clone(),
            states,
            dag_id: filter.dag_id.clone(),
            task_id: filter.task_id.clone(),
            run_id: filter.run_id.clone(),
            before: None,
            limit: Some(PAGE),
        };
        loop {
            let rows = self.store.list(&page).await?;
            let Some(last) = rows.last() else {
                return Ok(done);
            };
            page.before = Some(last.id);
            for row in rows {
                let granted = match wish {
                    Wish::Cancel => self.cancel(row.id, reason).await,
                    Wish::Retry => self.retry(row.id, reason).await,
                };
                match granted {
                    Ok(_) => done.done.push(row.id),
                    Err(ServiceError::Store(
                        error @ (StoreError::Illegal { .. } | StoreError::NotFound(_)),
                    )) => done.refused.push(BulkRefused {
                        id: row.id,
                        detail: super::words::sentence(&error),
                    }),
                    Err(error) => return Err(error),
                }
            }
        }
    }
}
