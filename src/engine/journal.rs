//! The operators' journal, written into the store under the attempt's fence.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::operator::{Journal, JournalError};
use crate::store::{Store, StoreError, StoredCursor, TaskRow};
use crate::task::id::{Fence, TaskId};
use crate::task::log::{LogCursor, LogLine};
use crate::task::pods::{PodIntent, PodRecord};

pub(super) struct StoreJournal {
    store: Store,
    clock: Clock,
    task: TaskId,
    fence: Fence,
    try_number: u32,
    /// How many bytes of the task's log are kept.
    log_bytes: Option<u64>,
    /// Whether so many are.
    log_is_full: AtomicBool,
    known: Mutex<Known>,
}

/// What the store is known to hold. While the fence holds, nobody else writes a task's pods and
/// cursors, so what was read once, or written since, need not be asked for again.
#[derive(Default)]
struct Known {
    pods: Option<Vec<PodRecord>>,
    cursors: Option<Vec<StoredCursor>>,
}

impl StoreJournal {
    /// The journal of a task that was just claimed.
    pub(super) fn new(store: Store, clock: Clock, row: &TaskRow, log_bytes: Option<u64>) -> Self {
        Self {
            store,
            clock,
            task: row.id,
            fence: row.fence,
            try_number: row.try_number,
            log_bytes,
            log_is_full: row.log_is_cut(log_bytes).into(),
            known: Mutex::default(),
        }
    }
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
        let mut known = self.known.lock().await;
        if let Some(pods) = &known.pods {
            return Ok(pods.clone());
        }
        let pods = self.store.pods(self.task).await.map_err(told)?;
        known.pods = Some(pods.clone());
        Ok(pods)
    }

    async fn intend_pod(&self, intent: PodIntent) -> Result<(), JournalError> {
        let mut known = self.known.lock().await;
        // Should the write fail, it is not known what the store holds.
        let pods = known.pods.take();
        crate::failpoint::reach!("intent.before");
        let intended = self
            .store
            .intend_pod(self.task, self.fence, intent.clone(), self.clock.now())
            .await;
        crate::failpoint::reach!("intent.after");
        intended.map_err(told)?;
        known.pods = pods.map(|mut pods| {
            pods.push(PodRecord {
                try_number: self.try_number,
                intent,
                uid: None,
                disposal: None,
                observed: None,
            });
            pods
        });
        Ok(())
    }

    async fn pod_created(&self, name: &str, uid: &str) -> Result<(), JournalError> {
        let mut known = self.known.lock().await;
        let pods = known.pods.take();
        let (name, uid) = (name.to_owned(), uid.to_owned());
        crate::failpoint::reach!("confirm.before");
        let confirmed = self
            .store
            .pod_created(
                self.task,
                self.fence,
                name.clone(),
                uid.clone(),
                self.clock.now(),
            )
            .await;
        crate::failpoint::reach!("confirm.after");
        confirmed.map_err(told)?;
        known.pods = pods.map(|mut pods| {
            for record in &mut pods {
                if record.try_number == self.try_number && record.intent.name == name {
                    record.uid = Some(uid.clone());
                }
            }
            pods
        });
        Ok(())
    }

    async fn log_cursor(&self, pod_uid: &str, container: &str) -> Result<LogCursor, JournalError> {
        let mut known = self.known.lock().await;
        let cursors = match known.cursors.take() {
            Some(cursors) => cursors,
            None => self.store.log_cursors(self.task).await.map_err(told)?,
        };
        let found = cursors.iter().find(|one| one.is_of(pod_uid, container));
        let cursor = found.map(|found| found.cursor.clone()).unwrap_or_default();
        known.cursors = Some(cursors);
        Ok(cursor)
    }

    async fn append_log(
        &self,
        pod_uid: &str,
        container: &str,
        lines: Vec<LogLine>,
        cursor: LogCursor,
    ) -> Result<(), JournalError> {
        let mut known = self.known.lock().await;
        let cursors = known.cursors.take();
        let stored = StoredCursor {
            pod_uid: pod_uid.to_owned(),
            container: container.to_owned(),
            cursor,
        };
        let (now, most) = (self.clock.now(), self.log_bytes);
        crate::failpoint::reach!("log.before");
        let full = self
            .store
            .append_log_within(self.task, self.fence, lines, stored.clone(), most, now)
            .await;
        crate::failpoint::reach!("log.after");
        self.log_is_full
            .store(full.map_err(told)?, Ordering::Relaxed);
        known.cursors = cursors.map(|mut cursors| {
            cursors.retain(|one| !one.is_of(pod_uid, container));
            cursors.push(stored);
            cursors
        });
        Ok(())
    }

    fn log_is_full(&self) -> bool {
        self.log_is_full.load(Ordering::Relaxed)
    }
}
