//! Going on after a trigger fired, and ending before time.

use std::time::Duration;

use serde_json::Value;

use super::advice::after_waiting;
use super::call::{Call, OwnPod, disposal};
use super::collect::ended_at;
use super::launch::{elsewhere, unwell};
use crate::operator::verdict::kill_deletion;
use crate::operator::{Failure, Step};
use crate::pod::lifecycle;
use crate::pod::observe::{PodObservation, PodVerdict, judge, node_is_silent, observe};
use crate::task::deferral::{EventStatus, TriggerEvent};
use crate::task::file::{CallbackEvent, OnFinishAction};
use crate::task::outcome::{Ending, FailureKind};
use crate::task::pods::DisposalAction;
use crate::trigger::pod::errors_before;

/// How often in a row a task may wait again after its wait ended in an error while its pod lived.
const MOST_ERRORS: u32 = 3;

/// How long the last logs of a cancelled task's pod are waited for.
const LAST_LOGS: Duration = Duration::from_secs(5);

impl Call<'_> {
    /// Fetches the newest logs, then waits again or gives the verdict.
    pub async fn trigger_reentry(&self, event: TriggerEvent) -> Result<Step, Failure> {
        let Some(own) = self.own_pod().await? else {
            // The pod took another's place and the worker died before it was confirmed.
            return self.execute().await;
        };
        let seen: Option<PodObservation> = serde_json::from_value(event.payload.clone()).ok();
        self.tell_resumption(&own, seen.as_ref(), &event).await?;
        if seen
            .as_ref()
            .is_some_and(|seen| seen.identity != own.identity)
        {
            let observation = look(&own, None).await?;
            return self.invoke_defer_method(&own, observation).await;
        }
        self.note_startup_events(&own).await?;
        match event.status {
            EventStatus::Running => {
                self.collect_newest(&own, seen.as_ref()).await?;
                // The status after the logs: a pod that ended meanwhile must not be missed.
                let observation = look(&own, seen.clone()).await?;
                if let Some(seen) = seen.filter(|_| observation.gone) {
                    // How it ended, only the watch can tell: the trigger is asked once more.
                    return Ok(self.deferral(&own, &seen, 0));
                }
                self.invoke_defer_method(&own, observation).await
            }
            EventStatus::Error => {
                let observation = look(&own, seen).await?;
                let errors = errors_before(&event) + 1;
                if node_is_silent(&observation) || errors > MOST_ERRORS {
                    return self.conclude(&own, observation, &event).await;
                }
                // What has not ended after all, on a node that has come back, is waited for.
                match self.invoke_defer_method(&own, observation.clone()).await? {
                    Step::Defer { .. } => Ok(self.deferral(&own, &observation, errors)),
                    ended @ (Step::Complete(_) | Step::Skip(_)) => Ok(ended),
                }
            }
            EventStatus::Success | EventStatus::Failed | EventStatus::Timeout => {
                let observation = match seen {
                    Some(seen) if self.is_over(&event, &seen) => seen,
                    seen => look(&own, seen).await?,
                };
                self.conclude(&own, observation, &event).await
            }
        }
    }

    /// Whether another look at the pod could tell nothing that matters: all in it has ended, and
    /// that it may be deleted meanwhile is found out by whoever wants its log or its end.
    fn is_over(&self, event: &TriggerEvent, seen: &PodObservation) -> bool {
        if seen.phase.is_final() {
            return true;
        }
        // The phase follows a moment later. It matters to who is told of it, and to what is to
        // become of a pod that is not deleted in any case. A result is asked of a sidecar, which
        // need not have been seen yet.
        let told = [
            CallbackEvent::OnPodCompletion,
            CallbackEvent::OnPodTeardown,
            CallbackEvent::OnPodCleanup,
        ];
        event.status == EventStatus::Success
            && self.file.pod.on_finish_action == OnFinishAction::DeletePod
            && !self.file.pod.do_xcom_push
            && seen.containers.iter().all(|one| ended_at(one).is_some())
            && !told.iter().any(|event| self.listeners.wants(*event))
    }

    /// The trigger has nothing more to wait for: the verdict, or the end of our patience.
    pub async fn conclude(
        &self,
        own: &OwnPod,
        observation: PodObservation,
        event: &TriggerEvent,
    ) -> Result<Step, Failure> {
        match judge(&observation, self.base()) {
            // The work may have ended in the same moment; then that is what counts.
            PodVerdict::Succeeded | PodVerdict::Failed(_) => self.finish(own, observation).await,
            PodVerdict::Pending(_) => {
                let kind = FailureKind::CouldNotStart;
                self.give_up(own, &observation, event, kind).await
            }
            PodVerdict::Running => {
                let kind = FailureKind::Failed;
                self.give_up(own, &observation, event, kind).await
            }
        }
    }

    /// The pod lives but the task does not wait for it any longer.
    async fn give_up(
        &self,
        own: &OwnPod,
        observation: &PodObservation,
        event: &TriggerEvent,
        kind: FailureKind,
    ) -> Result<Step, Failure> {
        self.collect(own, Some(observation)).await?;
        // Without a look at the pod it was the attempt's own deadline, not the pod's.
        let kind = match event.status {
            EventStatus::Timeout if event.payload == Value::Null => FailureKind::TimedOut,
            EventStatus::Timeout => FailureKind::CouldNotStart,
            EventStatus::Success
            | EventStatus::Failed
            | EventStatus::Error
            | EventStatus::Running => kind,
        };
        let mut reason = event.reason.clone();
        if let Some(words) = self.last_warning(own, kind).await {
            reason = format!("{reason}; {words}");
        }
        self.explain(own, observation).await?;
        let ending = Ending {
            reason,
            advice: Some(after_waiting(kind, observation, self.base()).to_owned()),
            observed: Some(self.observed(own, observation).await),
            disposals: self.disposals(own, observation).await?,
            ..Ending::default()
        };
        Err(Failure::Attempt {
            kind,
            retryable: true,
            ending: Box::new(ending),
        })
    }

    /// `on_kill`: fetches what logs there are and asks for the pod's end.
    pub async fn on_kill(&self) -> Result<Ending, Failure> {
        crate::failpoint::reach!("kill.before");
        let last_logs = tokio::time::timeout(LAST_LOGS, self.last_logs()).await;
        crate::failpoint::reach!("kill.after");
        match last_logs {
            Ok(Ok(())) => {}
            Ok(Err(Failure::FenceLost)) => return Err(Failure::FenceLost),
            Ok(Err(error)) => {
                tracing::info!(task = %self.context.task, %error, "the last logs could not be fetched");
            }
            Err(_) => {
                tracing::info!(task = %self.context.task, "the last logs did not come in time");
            }
        }
        let action = self.file.pod.on_kill_action;
        let disposals = self
            .records()
            .await?
            .iter()
            .filter(|record| record.disposal.is_none())
            .filter(|_| kill_deletion(action, None, true).is_some())
            .map(|record| disposal(record, DisposalAction::Delete))
            .collect();
        Ok(Ending {
            disposals,
            ..Ending::default()
        })
    }

    async fn last_logs(&self) -> Result<(), Failure> {
        match self.own_pod().await? {
            Some(own) => self.collect(&own, None).await,
            None => Ok(()),
        }
    }
}

/// The pod as it is now; if it is gone, as it was last seen.
pub(super) async fn look(
    own: &OwnPod,
    seen: Option<PodObservation>,
) -> Result<PodObservation, Failure> {
    let found = lifecycle::get_same(&own.client, &own.identity)
        .await
        .map_err(|error| unwell(&error))?;
    if found.is_none() && own.client.server() != own.record.intent.server {
        return Err(elsewhere(&own.client, &own.record.intent));
    }
    Ok(match (found, seen) {
        (Some(pod), Some(seen)) => observe(&pod).following(&seen),
        (Some(pod), None) => observe(&pod),
        (None, Some(seen)) => seen.into_gone(),
        (None, None) => PodObservation::unseen(own.identity.clone()).into_gone(),
    })
}
