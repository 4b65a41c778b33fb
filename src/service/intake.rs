//! Taking tasks in: all of a request are checked before any is stored.

use std::panic::resume_unwind;

use tokio::task::JoinError;

use super::tasks::{Service, ServiceError};
use super::view::SubmittedView;
use crate::clock::Timestamp;
use crate::operator::Refused;
use crate::store::{NewTask, StoreError, Submitted};
use crate::task::file::TaskFile;
use crate::task::id::TaskKey;

impl Service {
    /// Checks and stores all of `tasks`, or none. Tasks without a `run_id` share a new one.
    ///
    /// # Errors
    /// [`ServiceError::Refused`] for a task that could not run; [`StoreError::KeyTaken`] for a
    /// key that another definition has.
    pub async fn submit(&self, tasks: Vec<TaskFile>) -> Result<Vec<Submitted>, ServiceError> {
        let now = self.clock.now();
        let service = self.clone();
        // Templates may take their time, each task's up to its bound, and a file has many tasks.
        let checked = tokio::task::spawn_blocking(move || service.checked(tasks, now)).await;
        let rows = match checked.map_err(JoinError::try_into_panic) {
            Ok(rows) => rows?,
            Err(Ok(panic)) => resume_unwind(panic),
            // The runtime is shutting down.
            Err(Err(_)) => return Err(StoreError::Closed.into()),
        };
        Ok(self.store.submit(rows, now).await?)
    }

    /// As [`Service::submit`]; the answer is what is shown. Refuses tasks that name a file whose
    /// content does not come with them.
    ///
    /// # Errors
    /// [`ServiceError::NamesAFile`], and what [`Service::submit`] says.
    pub async fn take_in(&self, tasks: Vec<TaskFile>) -> Result<Vec<SubmittedView>, ServiceError> {
        if let Some(task) = tasks.iter().find(|task| task.template_file().is_some()) {
            return Err(ServiceError::NamesAFile {
                task_id: task.task_id.clone(),
            });
        }
        let submitted = self.submit(tasks).await?;
        Ok(submitted.into_iter().map(SubmittedView::from).collect())
    }

    /// Checks and stores all of `tasks`, or none, whichever operator runs them. A definition is
    /// JSON that the task's operator understands; equal texts are equal definitions.
    ///
    /// # Errors
    /// [`ServiceError::Refused`] for a task that could not run, or of a kind that nobody has
    /// registered here; [`StoreError::KeyTaken`] for a key that another definition has.
    pub async fn submit_definitions(
        &self,
        tasks: Vec<NewTask>,
    ) -> Result<Vec<Submitted>, ServiceError> {
        let now = self.clock.now();
        for task in &tasks {
            if self.operators.get(&task.operator).is_none() {
                let known: Vec<&str> = self.operators.kinds().collect();
                let words = format!(
                    "no operator of kind {:?} is registered with this program; it has {}",
                    task.operator,
                    known.join(", ")
                );
                return Err(ServiceError::Refused {
                    task_id: task.key.task_id.clone(),
                    refused: Refused(vec![words]),
                });
            }
            self.check_one(task, now)?;
        }
        Ok(self.store.submit(tasks, now).await?)
    }

    /// Checks `tasks` as [`Service::submit`] does, and stores nothing.
    ///
    /// # Errors
    /// [`ServiceError::Refused`] for a task that could not run.
    pub fn check(&self, tasks: &[TaskFile]) -> Result<(), ServiceError> {
        self.checked(tasks.to_vec(), self.clock.now()).map(|_| ())
    }

    fn checked(&self, tasks: Vec<TaskFile>, now: Timestamp) -> Result<Vec<NewTask>, ServiceError> {
        let fresh_run = fresh_run_id(now);
        let mut rows = Vec::with_capacity(tasks.len());
        for mut task in tasks {
            let run_id = task.run_id.get_or_insert_with(|| fresh_run.clone()).clone();
            let key = TaskKey {
                dag_id: task.dag_id.clone(),
                task_id: task.task_id.clone(),
                run_id,
                map_index: task.map_index,
            };
            let new = NewTask {
                key,
                operator: crate::operator::pod::KIND.to_owned(),
                definition: serde_json::to_string(&task).map_err(|error| {
                    ServiceError::Refused {
                        task_id: task.task_id.clone(),
                        refused: Refused(vec![error.to_string()]),
                    }
                })?,
                retry: task.retry.clone(),
                execution_timeout: task.execution_timeout,
            };
            self.check_one(&new, now)?;
            rows.push(new);
        }
        Ok(rows)
    }

    fn check_one(&self, task: &NewTask, now: Timestamp) -> Result<(), ServiceError> {
        let Some(operator) = self.operators.get(&task.operator) else {
            return Ok(());
        };
        operator
            .check(&task.key, &task.definition, now)
            .map_err(|refused| ServiceError::Refused {
                task_id: task.key.task_id.clone(),
                refused,
            })
    }
}

/// The `run_id` of tasks that name none.
#[must_use]
pub fn fresh_run_id(now: Timestamp) -> String {
    format!("manual__{}", now.format("%Y-%m-%dT%H:%M:%S%.6f+00:00"))
}
