//! Going on after a trigger fired, and ending before time.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::Value;

use super::finish::disposals;
use super::launch::unwell;
use super::{PodOperator, definition_of};
use crate::clock::Timestamp;
use crate::operator::{Failure, Step, TaskContext};
use crate::pod::client::ClusterClient;
use crate::pod::lifecycle;
use crate::pod::observe::{PodObservation, PodVerdict, judge, observe};
use crate::task::deferral::{EventStatus, TriggerEvent};
use crate::task::file::{OnKillAction, TaskFile};
use crate::task::outcome::{Ending, FailureKind};
use crate::task::pods::{Disposal, DisposalAction, PodIdentity, PodRecord};
use crate::trigger::pod::PodTriggerKwargs;

/// How long the last logs of a cancelled task's pod are waited for.
const LAST_LOGS: Duration = Duration::from_secs(5);

/// The pod of the current attempt, with the way to it.
pub(super) struct OwnPod {
    pub record: PodRecord,
    pub identity: PodIdentity,
    pub client: ClusterClient,
}

impl PodOperator {
    /// Waits for the pod, unless it has ended already.
    pub(super) async fn attend(
        &self,
        context: &TaskContext,
        file: &TaskFile,
        observation: &PodObservation,
    ) -> Result<Step, Failure> {
        if judge(observation, &file.pod.base_container_name).is_final() {
            let own = self.own_pod(context).await?;
            return self.finish(context, file, &own, observation.clone()).await;
        }
        let own = own_record(context).await?;
        Ok(defer(file, &own, observation, context.clock.now()))
    }

    /// `trigger_reentry`: fetches the newest logs, then waits again or gives the verdict.
    pub(super) async fn go_on(
        &self,
        context: &TaskContext,
        event: TriggerEvent,
    ) -> Result<Step, Failure> {
        let file = definition_of(context)?;
        let own = self.own_pod(context).await?;
        let seen: Option<PodObservation> = serde_json::from_value(event.payload.clone()).ok();
        match event.status {
            EventStatus::Running => {
                self.collect(context, &file, &own, seen.as_ref()).await?;
                // The status after the logs: a pod that ended meanwhile must not be missed.
                let observation = look(&own, seen).await?;
                if judge(&observation, &file.pod.base_container_name).is_final() {
                    return self.finish(context, &file, &own, observation).await;
                }
                Ok(defer(&file, &own.record, &observation, context.clock.now()))
            }
            EventStatus::Success | EventStatus::Failed | EventStatus::Error => {
                let observation = look(&own, seen).await?;
                match judge(&observation, &file.pod.base_container_name) {
                    PodVerdict::Succeeded | PodVerdict::Failed(_) => {
                        self.finish(context, &file, &own, observation).await
                    }
                    PodVerdict::Pending(_) | PodVerdict::Running => {
                        self.give_up(context, &file, &own, &observation, &event)
                            .await
                    }
                }
            }
            EventStatus::Timeout => {
                let observation = look(&own, seen).await?;
                // The work may have ended in the same moment; then that is what counts.
                if judge(&observation, &file.pod.base_container_name).is_final() {
                    return self.finish(context, &file, &own, observation).await;
                }
                self.give_up(context, &file, &own, &observation, &event)
                    .await
            }
        }
    }

    /// The pod lives but the task does not wait for it any longer.
    async fn give_up(
        &self,
        context: &TaskContext,
        file: &TaskFile,
        own: &OwnPod,
        observation: &PodObservation,
        event: &TriggerEvent,
    ) -> Result<Step, Failure> {
        self.collect(context, file, own, Some(observation)).await?;
        let kind = match event.status {
            // Without a look at the pod it was the attempt's own deadline, not the pod's start.
            EventStatus::Timeout if event.payload == Value::Null => FailureKind::TimedOut,
            EventStatus::Timeout => FailureKind::CouldNotStart,
            EventStatus::Success
            | EventStatus::Failed
            | EventStatus::Error
            | EventStatus::Running => match judge(observation, &file.pod.base_container_name) {
                PodVerdict::Pending(_) => FailureKind::CouldNotStart,
                PodVerdict::Running | PodVerdict::Succeeded | PodVerdict::Failed(_) => {
                    FailureKind::Failed
                }
            },
        };
        let ending = Ending {
            reason: event.reason.clone(),
            disposals: disposals(file, &own.record, observation),
            ..Ending::default()
        };
        Err(Failure::Attempt {
            kind,
            retryable: true,
            ending: Box::new(ending),
        })
    }

    /// `on_kill`: fetches what logs there are and asks for the pod's end.
    pub(super) async fn end(&self, context: &TaskContext) -> Result<Ending, Failure> {
        let file = definition_of(context)?;
        if let Ok(own) = self.own_pod(context).await {
            let last = self.collect(context, &file, &own, None);
            match tokio::time::timeout(LAST_LOGS, last).await {
                Ok(Ok(_)) => {}
                Ok(Err(Failure::FenceLost)) => return Err(Failure::FenceLost),
                Ok(Err(error)) => {
                    tracing::info!(task = %context.task, %error, "the last logs could not be fetched");
                }
                Err(_) => {
                    tracing::info!(task = %context.task, "the last logs did not come in time");
                }
            }
        }
        let records = context.journal.pods().await?;
        let disposals = match file.pod.on_kill_action {
            OnKillAction::KeepPod => Vec::new(),
            OnKillAction::DeletePod => records
                .iter()
                .filter(|record| record.try_number == context.try_number)
                .map(|record| disposal(record, DisposalAction::Delete))
                .collect(),
        };
        Ok(Ending {
            disposals,
            ..Ending::default()
        })
    }

    pub(super) async fn own_pod(&self, context: &TaskContext) -> Result<OwnPod, Failure> {
        let record = own_record(context).await?;
        let identity = record.identity().ok_or_else(|| {
            Failure::attempt(
                FailureKind::CouldNotStart,
                true,
                "no pod is on record for this attempt",
            )
        })?;
        let client = self.client(&record.intent.connection).await?;
        Ok(OwnPod {
            record,
            identity,
            client,
        })
    }
}

async fn own_record(context: &TaskContext) -> Result<PodRecord, Failure> {
    let records = context.journal.pods().await?;
    records
        .into_iter()
        .rfind(|record| record.try_number == context.try_number)
        .ok_or_else(|| {
            Failure::attempt(
                FailureKind::CouldNotStart,
                true,
                "no pod is on record for this attempt",
            )
        })
}

/// The pod as it is now; if it is gone, as it was last seen.
async fn look(own: &OwnPod, seen: Option<PodObservation>) -> Result<PodObservation, Failure> {
    let found = lifecycle::get_same(&own.client, &own.identity)
        .await
        .map_err(|error| unwell(&error))?;
    let seen = seen.filter(|seen| seen.identity == own.identity);
    Ok(match (found, seen) {
        (Some(pod), Some(seen)) => observe(&pod).following(&seen),
        (Some(pod), None) => observe(&pod),
        (None, Some(seen)) => seen.into_gone(),
        (None, None) => PodObservation::unseen(own.identity.clone()).into_gone(),
    })
}

pub(super) fn disposal(record: &PodRecord, action: DisposalAction) -> Disposal {
    Disposal {
        connection: record.intent.connection.clone(),
        namespace: record.intent.namespace.clone(),
        name: record.intent.name.clone(),
        uid: record.uid.clone(),
        nonce: record.intent.nonce.clone(),
        action,
    }
}

fn later(now: Timestamp, wait: Duration) -> Timestamp {
    TimeDelta::from_std(wait)
        .ok()
        .and_then(|wait| now.checked_add_signed(wait))
        .unwrap_or(Timestamp::MAX_UTC)
}

fn defer(
    file: &TaskFile,
    record: &PodRecord,
    observation: &PodObservation,
    now: Timestamp,
) -> Step {
    let kwargs = PodTriggerKwargs {
        connection: record.intent.connection.clone(),
        pod: observation.identity.clone(),
        base_container: file.pod.base_container_name.clone(),
        poll_interval_seconds: file.pod.poll_interval.as_secs_f64(),
        logging_interval_seconds: file
            .pod
            .logging_interval
            .map(|interval| interval.as_secs_f64()),
        next_log_at: file
            .pod
            .logging_interval
            .map(|interval| later(now, interval)),
        schedule_by: later(now, file.pod.schedule_timeout()),
        schedule_timeout_seconds: file.pod.schedule_timeout().as_secs_f64(),
        startup_timeout_seconds: file.pod.startup_timeout_seconds.as_secs_f64(),
        trigger_kwargs: serde_json::Map::new(),
    };
    Step::Defer {
        trigger: kwargs.to_spec(),
        reason: format!(
            "waits for the pod {}/{}",
            observation.identity.namespace, observation.identity.name
        ),
    }
}
