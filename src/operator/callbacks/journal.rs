//! A journal whose log lines are heard: the one place that every line passes.

use std::sync::Arc;

use async_trait::async_trait;

use super::listeners::Listeners;
use super::told::{LinesTold, Told};
use crate::operator::{Journal, JournalError};
use crate::task::log::{LineKind, LogCursor, LogLine};
use crate::task::pods::{PodIntent, PodRecord};

/// Writes down what it is given and tells the listeners what containers wrote.
pub struct HeardJournal {
    pub inner: Arc<dyn Journal>,
    pub listeners: Arc<Listeners>,
}

#[async_trait]
impl Journal for HeardJournal {
    async fn pods(&self) -> Result<Vec<PodRecord>, JournalError> {
        self.inner.pods().await
    }

    async fn intend_pod(&self, intent: PodIntent) -> Result<(), JournalError> {
        self.inner.intend_pod(intent).await
    }

    async fn pod_created(&self, name: &str, uid: &str) -> Result<(), JournalError> {
        self.inner.pod_created(name, uid).await
    }

    async fn log_cursor(&self, pod_uid: &str, container: &str) -> Result<LogCursor, JournalError> {
        self.inner.log_cursor(pod_uid, container).await
    }

    async fn append_log(
        &self,
        pod_uid: &str,
        container: &str,
        lines: Vec<LogLine>,
        cursor: LogCursor,
    ) -> Result<(), JournalError> {
        let written: Vec<LogLine> = lines
            .iter()
            .filter(|line| line.kind == LineKind::Output)
            .cloned()
            .collect();
        self.inner
            .append_log(pod_uid, container, lines, cursor)
            .await?;
        if !written.is_empty() {
            let told = LinesTold {
                task: self.listeners.task(),
                pod_uid: pod_uid.to_owned(),
                lines: written,
            };
            self.listeners.tell(Told::Lines(Arc::new(told))).await;
        }
        Ok(())
    }

    fn log_is_full(&self) -> bool {
        self.inner.log_is_full()
    }
}
