//! Mending what can be mended without a risk.

use std::collections::HashSet;

use super::examine::Doctor;
use super::finding::{Finding, Mend, Report};
use crate::pod::client::{ApiError, ConnectionError};
use crate::pod::lifecycle;
use crate::store::{Scope, StoreError};
use crate::task::deferral::{EventStatus, TriggerEvent};
use crate::task::id::{Fence, TaskId};

/// Why something could not be mended now.
#[derive(Debug, thiserror::Error)]
enum NotMended {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error(transparent)]
    Api(#[from] ApiError),
}

impl Doctor {
    /// Mends what can be mended; what has moved on meanwhile counts as mended. What could not be
    /// mended says why in its advice.
    pub async fn mend(&self, report: &mut Report) {
        for finding in &mut report.findings {
            let Some(mend) = finding.mend.clone() else {
                continue;
            };
            match self.carry_out(finding, &mend).await {
                Ok(()) => finding.mended = true,
                Err(why) => finding.advice = format!("could not be mended: {why}"),
            }
        }
    }

    async fn carry_out(&self, finding: &Finding, mend: &Mend) -> Result<(), NotMended> {
        match mend {
            Mend::Reclaim { owner, dead } => {
                let scope = Scope::Tasks(finding.task.into_iter().collect());
                let dead: HashSet<String> = dead.then(|| owner.clone()).into_iter().collect();
                self.store.reclaim(&scope, &dead, self.clock.now()).await?;
            }
            Mend::DropTrigger { task, fence } => {
                self.store.drop_stray_trigger(*task, *fence).await?;
            }
            Mend::Wake { task, fence } => self.wake(*task, *fence).await?,
            Mend::StopCounting { task } => self.store.stop_counting_pod(*task).await?,
            Mend::DeletePod {
                connection,
                identity,
            } => {
                let client = self.connections.client(connection).await?;
                lifecycle::delete(&client, identity, None).await?;
            }
        }
        Ok(())
    }

    async fn wake(&self, task: TaskId, fence: Fence) -> Result<(), StoreError> {
        let now = self.clock.now();
        let event = TriggerEvent {
            status: EventStatus::Error,
            reason: "woken by adjourn doctor: its trigger was missing".to_owned(),
            at: now,
            payload: serde_json::Value::Null,
        };
        match self.store.fire(task, fence, event, now).await {
            Ok(_) | Err(StoreError::FenceLost { .. } | StoreError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
