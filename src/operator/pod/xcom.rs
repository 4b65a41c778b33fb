//! The result of a task: a file that the base container leaves to a sidecar.
//!
//! The sidecar lives until it is told to end, so its pod keeps running after the base container
//! has ended: that end, not the phase, is the signal to fetch the result. The sidecar is never
//! waited for when the base container has failed.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::Value;

use super::call::{Call, OwnPod};
use crate::operator::Failure;
use crate::operator::verdict::{EMPTY_XCOM, xcom_result};
use crate::pod::exec::{ExecError, exec};
use crate::pod::observe::{ContainerState, PodObservation, container_is_running};
use crate::pod::spec::{XCOM_MOUNT_PATH, XCOM_SIDECAR};
use crate::task::log::LogCursor;
use crate::task::outcome::FailureKind;

/// How long one command in the sidecar may take.
const LIMIT: Duration = Duration::from_secs(30);

/// How long a sidecar that does not hand the result out is asked again, counted from the first
/// time that it did not.
pub const XCOM_PATIENCE: TimeDelta = TimeDelta::minutes(10);

/// How often it is asked at least, however long that takes.
const LEAST_TRIES: u32 = 3;

/// The mark that keeps count; no container can have this name.
const MARK: &str = "(xcom)";

impl Call<'_> {
    /// The result that the base container left, if the task wants one.
    pub async fn extract_xcom(
        &self,
        own: &OwnPod,
        observation: &PodObservation,
        succeeded: bool,
    ) -> Result<Option<Value>, Failure> {
        if !self.file.pod.do_xcom_push || observation.gone {
            return if self.file.pod.do_xcom_push && succeeded {
                Err(not_retrieved("the pod is gone, and its result with it"))
            } else {
                Ok(None)
            };
        }
        if !succeeded {
            return Ok(self.result_of_a_failure(own, observation).await);
        }
        if let Some(ended) = sidecar_is_over(observation) {
            return Err(not_retrieved(&ended));
        }
        let text = match self.read_result(own).await {
            Ok(text) => text,
            Err(error) if error.retryable() => {
                return Err(self.ask_again(own, &error.to_string()).await?);
            }
            // It is about to start: the base container was quicker.
            Err(ExecError::NotRunning { .. }) => {
                let words = "the sidecar with the result does not run yet";
                return Err(self.ask_again(own, words).await?);
            }
            Err(error) => return Err(not_retrieved(&error.to_string())),
        };
        xcom_result(&text).map_err(|invalid| {
            let shown: String = invalid.text.chars().take(1000).collect();
            let reason = format!("{invalid}; it begins with: {shown}");
            Failure::attempt(FailureKind::Failed, true, reason)
        })
    }

    /// The result could not be had, although the pod itself could be looked at: the step is put
    /// off, until that has been so too often and for too long.
    async fn ask_again(&self, own: &OwnPod, why: &str) -> Result<Failure, Failure> {
        let journal = &self.context.journal;
        let mut count = journal.log_cursor(&own.identity.uid, MARK).await?;
        let now = self.context.clock.now();
        let now_ns = now.timestamp_nanos_opt().unwrap_or_default();
        if count.seen_at_stamp == 0 {
            count.stamp_ns = now_ns;
        }
        count.seen_at_stamp += 1;
        let waited = TimeDelta::nanoseconds(now_ns - count.stamp_ns);
        if count.seen_at_stamp >= LEAST_TRIES && waited >= XCOM_PATIENCE {
            let tries = count.seen_at_stamp;
            let minutes = waited.num_minutes();
            let words = format!("{why}; it was asked {tries} times in {minutes} minutes");
            return Ok(not_retrieved(&words));
        }
        let count = LogCursor {
            container_id: String::new(),
            ..count
        };
        self.remark(own, MARK, Vec::new(), count).await?;
        Ok(Failure::transient(why))
    }

    /// A failed task may have left a result, too. One try, and no error.
    async fn result_of_a_failure(
        &self,
        own: &OwnPod,
        observation: &PodObservation,
    ) -> Option<Value> {
        if !container_is_running(observation, XCOM_SIDECAR) {
            return None;
        }
        match self.read_result(own).await {
            Ok(text) => xcom_result(&text).ok().flatten(),
            Err(error) => {
                tracing::info!(task = %self.context.task, %error, "a failed task's result could not be read");
                None
            }
        }
    }

    async fn read_result(&self, own: &OwnPod) -> Result<String, ExecError> {
        let file = format!("{XCOM_MOUNT_PATH}/return.json");
        let script = format!("if [ -s {file} ]; then cat {file}; else echo {EMPTY_XCOM}; fi");
        let command = ["sh", "-c", script.as_str()];
        let output = exec(&own.client, &own.identity, XCOM_SIDECAR, &command, LIMIT).await?;
        match output.exit_code {
            Some(0) => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            Some(code) => Err(ExecError::Broken(format!(
                "reading the result ended with exit code {code}: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            ))),
            None => Err(ExecError::Broken(
                "the connection ended before the result was whole".to_owned(),
            )),
        }
    }

    /// Tells the sidecar to end, so that a pod that is kept can come to its end.
    pub async fn end_xcom_sidecar(&self, own: &OwnPod, observation: &PodObservation) {
        if !container_is_running(observation, XCOM_SIDECAR) {
            return;
        }
        let command = ["sh", "-c", "kill -2 1"];
        let told = exec(&own.client, &own.identity, XCOM_SIDECAR, &command, LIMIT).await;
        if let Err(error) = told {
            tracing::info!(task = %self.context.task, %error, "the sidecar could not be told to end");
        }
    }
}

/// Why the sidecar has nothing to tell any more, if that is so.
fn sidecar_is_over(observation: &PodObservation) -> Option<String> {
    let Some(sidecar) = observation.app_container(XCOM_SIDECAR) else {
        return observation
            .phase
            .is_final()
            .then(|| "the pod has ended, and nothing is known of the sidecar".to_owned());
    };
    match &sidecar.state {
        ContainerState::Terminated(end) => Some(format!(
            "the sidecar that holds the result has ended already, with exit code {}",
            end.exit_code
        )),
        ContainerState::Waiting { .. }
        | ContainerState::Running { .. }
        | ContainerState::Unreported => None,
    }
}

/// The reference's `XComRetrievalError`.
fn not_retrieved(why: &str) -> Failure {
    let reason = format!("the result cannot be retrieved: {why}");
    Failure::attempt(FailureKind::Failed, true, reason)
}
