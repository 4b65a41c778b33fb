//! The tasks that a command works with: those of a database here, or those of a daemon elsewhere.

use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::error::CliError;
use crate::remote::Remote;
use crate::service::{LogStyle, Service, Stats, SubmittedView, TaskDetail, TaskView};
use crate::store::{LogRow, TaskFilter};
use crate::task::file::TaskFile;
use crate::task::id::{TaskId, TaskRef};

/// Between two looks at a daemon elsewhere that stores something all the time.
const BREATH: Duration = Duration::from_millis(100);

/// The tasks that a command works with.
#[derive(Clone)]
pub(super) enum Tasks {
    /// Those of a database.
    Here(Service),
    /// Those of a daemon.
    There(Remote),
}

/// Answers the same question by the service here or by the daemon there.
macro_rules! ask {
    ($tasks:expr, $tasks_name:ident => $question:expr) => {
        match $tasks {
            Tasks::Here($tasks_name) => Ok($question.await?),
            Tasks::There($tasks_name) => Ok($question.await?),
        }
    };
}

impl Tasks {
    pub(super) async fn take_in(
        &self,
        files: Vec<TaskFile>,
    ) -> Result<Vec<SubmittedView>, CliError> {
        match self {
            Self::Here(service) => Ok(service.take_in(files).await?),
            Self::There(remote) => Ok(remote.take_in(&files).await?),
        }
    }

    pub(super) async fn resolve(&self, reference: &TaskRef) -> Result<TaskId, CliError> {
        ask!(self, tasks => tasks.resolve(reference))
    }

    /// The ids of several, in their order.
    pub(super) async fn resolve_all(
        &self,
        references: &[TaskRef],
    ) -> Result<Vec<TaskId>, CliError> {
        let mut ids = Vec::with_capacity(references.len());
        for reference in references {
            ids.push(self.resolve(reference).await?);
        }
        Ok(ids)
    }

    pub(super) async fn list(&self, filter: &TaskFilter) -> Result<Vec<TaskView>, CliError> {
        ask!(self, tasks => tasks.list(filter))
    }

    pub(super) async fn describe(&self, id: TaskId) -> Result<TaskDetail, CliError> {
        ask!(self, tasks => tasks.describe(id))
    }

    pub(super) async fn stats(&self) -> Result<Stats, CliError> {
        ask!(self, tasks => tasks.stats())
    }

    pub(super) async fn xcom(&self, id: TaskId) -> Result<Map<String, Value>, CliError> {
        ask!(self, tasks => tasks.xcom(id))
    }

    pub(super) async fn log_style(&self, id: TaskId) -> Result<LogStyle, CliError> {
        ask!(self, tasks => tasks.log_style(id))
    }

    pub(super) async fn log(
        &self,
        id: TaskId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<LogRow>, CliError> {
        ask!(self, tasks => tasks.log(id, after, limit))
    }

    pub(super) async fn log_tail(
        &self,
        id: TaskId,
        container: Option<&str>,
        lines: usize,
    ) -> Result<i64, CliError> {
        ask!(self, tasks => tasks.log_tail(id, container, lines))
    }

    pub(super) async fn ask_for_end(&self, id: TaskId, reason: &str) -> Result<TaskView, CliError> {
        ask!(self, tasks => tasks.ask_for_end(id, reason))
    }

    pub(super) async fn retry(&self, id: TaskId, reason: &str) -> Result<TaskView, CliError> {
        ask!(self, tasks => tasks.retry(id, reason))
    }

    /// What tells that something was stored.
    pub(super) async fn changes(&self) -> Result<Changes, CliError> {
        Ok(match self {
            Self::Here(service) => Changes::Here(service.store().changes()),
            Self::There(remote) => Changes::There {
                known: remote.commits(None, 0).await?,
                remote: Box::new(remote.clone()),
            },
        })
    }
}

/// What tells that something was stored.
pub(super) enum Changes {
    Here(watch::Receiver<u64>),
    There { remote: Box<Remote>, known: u64 },
}

impl Changes {
    /// What has been stored until now is about to be looked at.
    pub(super) fn seen(&mut self) {
        match self {
            Self::Here(changes) => {
                changes.borrow_and_update();
            }
            // What is known was told before this look.
            Self::There { .. } => {}
        }
    }

    /// Waits until something has been stored, and for `longest` at the most.
    pub(super) async fn next(&mut self, longest: Duration) -> Result<(), CliError> {
        match self {
            Self::Here(changes) => {
                // A closed channel means that the store is closing; the next look will tell.
                let _ = timeout(longest, changes.changed()).await;
            }
            Self::There { remote, known } => {
                let seconds = longest.as_secs().max(1);
                *known = remote.commits(Some(*known), seconds).await?;
                sleep(BREATH).await;
            }
        }
        Ok(())
    }
}
