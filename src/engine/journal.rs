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
    /// A write was handed in, and whoever waited for its answer may have gone away: it may still be
    /// carried out.
    writing: bool,
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

    /// Waits for a write whose step was dropped, as that of a task that is cancelled is: a reader
    /// would not see it, and what follows would be done over again.
    async fn settle(&self, known: &mut Known) -> Result<(), JournalError> {
        if known.writing {
            self.store.settled().await.map_err(told)?;
            known.writing = false;
        }
        Ok(())
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
        self.settle(&mut known).await?;
        let pods = self.store.pods(self.task).await.map_err(told)?;
        known.pods = Some(pods.clone());
        Ok(pods)
    }

    async fn intend_pod(&self, intent: PodIntent) -> Result<(), JournalError> {
        let mut known = self.known.lock().await;
        // Should the write fail, it is not known what the store holds.
        let pods = known.pods.take();
        known.writing = true;
        crate::failpoint::reach!("intent.before");
        let intended = self
            .store
            .intend_pod(self.task, self.fence, intent.clone(), self.clock.now())
            .await;
        crate::failpoint::reach!("intent.after");
        known.writing = false;
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
        known.writing = true;
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
        known.writing = false;
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
            None => {
                self.settle(&mut known).await?;
                self.store.log_cursors(self.task).await.map_err(told)?
            }
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
        known.writing = true;
        crate::failpoint::reach!("log.before");
        let full = self
            .store
            .append_log_within(self.task, self.fence, lines, stored.clone(), most, now)
            .await;
        crate::failpoint::reach!("log.after");
        known.writing = false;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt;

    use super::*;
    use crate::store::{NewTask, Scope};
    use crate::task::id::TaskKey;
    use crate::task::log::LineKind;
    use crate::task::retry::RetryPolicy;

    #[tokio::test]
    async fn a_cursor_is_read_behind_the_write_of_a_step_that_was_dropped() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("adjourn.db");
        let clock = Clock::system();
        let store = Store::open(&path, clock.now()).await.unwrap();
        let task = NewTask {
            key: TaskKey {
                dag_id: "etl".into(),
                task_id: "a".into(),
                run_id: "r1".into(),
                map_index: -1,
            },
            operator: "pod".into(),
            definition: "{}".into(),
            retry: RetryPolicy::default(),
            execution_timeout: None,
        };
        store.submit(vec![task], clock.now()).await.unwrap();
        let lease = clock.now() + Duration::from_secs(30);
        let claimed = store.claim("me", &Scope::All, 1, lease, clock.now()).await;
        let row = claimed.unwrap().pop().unwrap().row;
        let journal = StoreJournal::new(store, clock, &row, None);
        let (line, read) = (
            LogLine {
                container: "base".into(),
                stamp_ns: 7,
                text: b"one".to_vec().into(),
                kind: LineKind::Output,
            },
            LogCursor {
                stamp_ns: 7,
                seen_at_stamp: 1,
                ..LogCursor::default()
            },
        );

        // Another process writes, so that the writer has to wait.
        let other = rusqlite::Connection::open(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut append = journal.append_log("u1", "base", vec![line], read.clone());
        assert!(append.as_mut().now_or_never().is_none(), "it was written");
        drop(append);
        let mut cursor = journal.log_cursor("u1", "base");
        assert!(cursor.as_mut().now_or_never().is_none(), "it was read");
        let stored = journal.store.log_cursors(row.id).await.unwrap();
        assert_eq!(stored, [], "a reader sees nothing of it");
        assert!(cursor.as_mut().now_or_never().is_none(), "it was read");
        other.execute_batch("COMMIT").unwrap();
        assert_eq!(cursor.await.unwrap(), read);
    }
}
