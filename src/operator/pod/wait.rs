//! What a task waits for while its pod runs.

use std::time::Duration;

use chrono::TimeDelta;

use super::call::{Call, OwnPod};
use crate::clock::Timestamp;
use crate::operator::{Failure, Step};
use crate::pod::observe::{PodObservation, judge};
use crate::trigger::pod::{PodTerms, PodTriggerKwargs};

impl Call<'_> {
    /// Waits for the pod, unless it has ended already: then the verdict comes at once.
    pub async fn invoke_defer_method(
        &self,
        own: &OwnPod,
        observation: PodObservation,
    ) -> Result<Step, Failure> {
        if judge(&observation, self.base()).is_final() {
            return self.finish(own, observation).await;
        }
        if !self.file.pod.deferrable {
            return self.execute_sync(own, observation).await;
        }
        self.tell_start(own, &observation).await?;
        self.tell_deferral(own).await?;
        Ok(self.deferral(own, &observation, 0))
    }

    /// The task waits for the pod's trigger, after so many waits in a row that ended in an error.
    pub fn deferral(&self, own: &OwnPod, observation: &PodObservation, errors: u32) -> Step {
        let identity = &observation.identity;
        let kwargs = PodTriggerKwargs {
            errors,
            ..self.awaited(own, observation)
        };
        Step::Defer {
            trigger: kwargs.to_spec(),
            reason: format!("waits for the pod {}/{}", identity.namespace, identity.name),
        }
    }

    /// What the trigger is built from; its moments count from now.
    pub fn awaited(&self, own: &OwnPod, observation: &PodObservation) -> PodTriggerKwargs {
        let parameters = &self.file.pod;
        let now = self.context.clock.now();
        let interval = parameters.logging_interval;
        PodTriggerKwargs {
            connection: own.record.intent.connection.clone(),
            pod: observation.identity.clone(),
            terms: PodTerms {
                base_container: parameters.base_container_name.clone(),
                poll_interval_seconds: parameters.poll_interval.as_secs_f64(),
                logging_interval_seconds: interval.map(|interval| interval.as_secs_f64()),
                next_log_at: interval.map(|interval| later(now, interval)),
                schedule_by: later(now, parameters.schedule_timeout()),
                schedule_timeout_seconds: parameters.schedule_timeout().as_secs_f64(),
                startup_timeout_seconds: parameters.startup_timeout_seconds.as_secs_f64(),
            },
            errors: 0,
            trigger_kwargs: parameters.trigger_kwargs.clone(),
        }
    }
}

fn later(now: Timestamp, wait: Duration) -> Timestamp {
    TimeDelta::from_std(wait)
        .ok()
        .and_then(|wait| now.checked_add_signed(wait))
        .unwrap_or(Timestamp::MAX_UTC)
}
