//! What is followed: a task's log to its verdict, and the changes of states.
//!
//! Both are read when somebody asks for more and never ahead: a reader that is slow, or gone,
//! costs nothing.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::tasks::{Service, ServiceError};
use super::view::{ChangeView, TaskView};
use crate::store::LogRow;
use crate::task::id::TaskId;

/// The longest wait for a look at the store when nothing woke the follower.
const LOOK: Duration = Duration::from_secs(1);

/// Between two looks at a store that changes all the time.
const BREATH: Duration = Duration::from_millis(50);

/// How many rows are read at once.
const PAGE: u32 = 1000;

/// What comes next in a log that is followed.
#[derive(Debug)]
pub enum LogPart {
    /// Lines, in order.
    Lines(Vec<LogRow>),
    /// The task has ended, and every line has been told.
    End(Box<TaskView>),
}

/// A task's log, followed to its end.
pub struct LogFollow {
    service: Service,
    task: TaskId,
    after: i64,
    changes: watch::Receiver<u64>,
    ended: Option<TaskView>,
    done: bool,
}

impl Service {
    /// Follows a task's log from behind line `after` on.
    #[must_use]
    pub fn follow_log(&self, task: TaskId, after: i64) -> LogFollow {
        LogFollow {
            changes: self.store.changes(),
            service: self.clone(),
            task,
            after,
            ended: None,
            done: false,
        }
    }

    /// The number of the newest change of a state; 0 when there was none.
    ///
    /// # Errors
    /// What the store says.
    pub async fn newest_change(&self) -> Result<i64, ServiceError> {
        Ok(self.store.newest_change().await?)
    }

    /// Up to `limit` changes of states behind number `after`, of one task or of all.
    ///
    /// # Errors
    /// What the store says.
    pub async fn changes_after(
        &self,
        task: Option<TaskId>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<ChangeView>, ServiceError> {
        let rows = self.store.changes_after(task, after, limit).await?;
        Ok(rows.into_iter().map(ChangeView::from).collect())
    }

    /// Follows the changes of states behind number `after`, of one task or of all.
    #[must_use]
    pub fn follow_changes(&self, task: Option<TaskId>, after: i64) -> ChangeFeed {
        ChangeFeed {
            changes: self.store.changes(),
            service: self.clone(),
            task,
            after,
        }
    }
}

impl LogFollow {
    /// The next part; none behind the end.
    ///
    /// # Errors
    /// What the store says, also that the task was removed meanwhile.
    pub async fn next(&mut self) -> Result<Option<LogPart>, ServiceError> {
        while !self.done {
            let rows = self.service.log(self.task, self.after, PAGE).await?;
            if let Some(last) = rows.last() {
                self.after = last.seq;
                return Ok(Some(LogPart::Lines(rows)));
            }
            if let Some(task) = self.ended.take() {
                self.done = true;
                return Ok(Some(LogPart::End(Box::new(task))));
            }
            self.changes.borrow_and_update();
            let task = self.service.task(self.task).await?;
            if task.is_final {
                // Lines that came before the end may have been stored since the last look.
                self.ended = Some(task);
            } else if task.log_seq <= self.after {
                wait(&mut self.changes).await;
            }
        }
        Ok(None)
    }
}

/// The changes of states, one after the other, without an end.
pub struct ChangeFeed {
    service: Service,
    task: Option<TaskId>,
    after: i64,
    changes: watch::Receiver<u64>,
}

impl ChangeFeed {
    /// The next changes: at least one.
    ///
    /// # Errors
    /// What the store says.
    pub async fn next(&mut self) -> Result<Vec<ChangeView>, ServiceError> {
        loop {
            self.changes.borrow_and_update();
            let rows = self
                .service
                .changes_after(self.task, self.after, PAGE)
                .await?;
            if let Some(last) = rows.last() {
                self.after = last.change;
                return Ok(rows);
            }
            wait(&mut self.changes).await;
        }
    }
}

/// Waits for a change of the store, and a little at the most.
async fn wait(changes: &mut watch::Receiver<u64>) {
    if let Ok(Err(_)) = timeout(LOOK, changes.changed()).await {
        // The store is closing; do not spin until the follower is told.
        tokio::time::sleep(LOOK).await;
    }
    tokio::time::sleep(BREATH).await;
}
