//! The operators' journal, written into the store under the attempt's fence.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use crate::clock::Clock;
use crate::operator::{Journal, JournalError};
use crate::store::{Store, StoreError, StoredCursor};
use crate::task::id::{Fence, TaskId};
use crate::task::log::{LogCursor, LogLine};
use crate::task::pods::{PodIntent, PodRecord};

pub(super) struct StoreJournal {
    pub store: Store,
    pub clock: Clock,
    pub task: TaskId,
    pub fence: Fence,
    /// How many bytes of the task's log are kept.
    pub log_bytes: Option<u64>,
    /// Whether so many are.
    pub log_is_full: AtomicBool,
}

fn told(error: StoreError) -> JournalError {
    if error.is_fence_lost() {
        JournalError::FenceLost
    } else {
        JournalError::Unavailable(error.to_string())
    }
}

#[async_trait]
impl Journal for StoreJournal {
    async fn pods(&self) -> Result<Vec<PodRecord>, JournalError> {
        self.store.pods(self.task).await.map_err(told)
    }

    async fn intend_pod(&self, intent: PodIntent) -> Result<(), JournalError> {
        crate::failpoint::reach!("intent.before");
        let intended = self
            .store
            .intend_pod(self.task, self.fence, intent, self.clock.now())
            .await;
        crate::failpoint::reach!("intent.after");
        intended.map_err(told)
    }

    async fn pod_created(&self, name: &str, uid: &str) -> Result<(), JournalError> {
        let (name, uid) = (name.to_owned(), uid.to_owned());
        crate::failpoint::reach!("confirm.before");
        let confirmed = self
            .store
            .pod_created(self.task, self.fence, name, uid, self.clock.now())
            .await;
        crate::failpoint::reach!("confirm.after");
        confirmed.map_err(told)
    }

    async fn log_cursor(&self, pod_uid: &str, container: &str) -> Result<LogCursor, JournalError> {
        self.store
            .log_cursor(self.task, pod_uid, container)
            .await
            .map_err(told)
    }

    async fn append_log(
        &self,
        pod_uid: &str,
        container: &str,
        lines: Vec<LogLine>,
        cursor: LogCursor,
    ) -> Result<(), JournalError> {
        let stored = StoredCursor {
            pod_uid: pod_uid.to_owned(),
            container: container.to_owned(),
            cursor,
        };
        let now = self.clock.now();
        crate::failpoint::reach!("log.before");
        let full = self
            .store
            .append_log_within(self.task, self.fence, lines, stored, self.log_bytes, now)
            .await;
        crate::failpoint::reach!("log.after");
        self.log_is_full
            .store(full.map_err(told)?, Ordering::Relaxed);
        Ok(())
    }

    fn log_is_full(&self) -> bool {
        self.log_is_full.load(Ordering::Relaxed)
    }
}
