//! The verdict on an attempt whose pod has ended.

use std::time::Duration;

use super::advice::after_failure;
use super::call::{Call, OwnPod, disposal};
use super::reentry::look;
use crate::operator::verdict::{ISTIO_CONTAINER, deletes};
use crate::operator::{Failure, Step};
use crate::pod::exec::exec;
use crate::pod::observe::{
    BaseState, PodFailure, PodObservation, PodVerdict, base_state, container_is_running, judge,
};
use crate::task::log::LogCursor;
use crate::task::outcome::{Ending, FailureKind};
use crate::task::pods::{Disposal, DisposalAction};

/// How often one attempt's pod may be replaced because the cluster took it before anything ran.
const RELAUNCHES: usize = 10;

/// How long one command in a sidecar may take.
const SIDECAR_LIMIT: Duration = Duration::from_secs(10);

/// How long a kept pod's sidecars may take to end before the pod is stopped.
const SIDECARS_END: Duration = Duration::from_secs(5);

/// Asks the mesh's proxy to end.
const QUIT_ISTIO: &str = "wget -q -S -O - --post-data '' http://127.0.0.1:15020/quitquitquit 2>&1 || curl -fsi -X POST http://127.0.0.1:15020/quitquitquit";

impl Call<'_> {
    /// Fetches the rest of the logs and gives the verdict.
    ///
    /// The base container decides alone, whatever the phase or a sidecar says; an exit code that
    /// means skipped goes before everything else.
    pub async fn finish(&self, own: &OwnPod, observation: PodObservation) -> Result<Step, Failure> {
        self.tell_start(own, &observation).await?;
        self.collect(own, Some(&observation)).await?;
        self.tell_completion(own, &observation).await?;
        let base = self.base();
        if let Some(code) = exit_code(&observation, base)
            && self.file.pod.skip_on_exit_code.matches(Some(code.into()))
        {
            let reason =
                format!("container {base} ended with exit code {code}, which means skipped");
            let ending = self.ending(own, observation, reason, Some(code)).await?;
            return Ok(Step::Skip(ending));
        }
        match judge(&observation, base) {
            PodVerdict::Succeeded => self.succeed(own, observation).await,
            PodVerdict::Failed(failure) => {
                if failure.may_relaunch() && self.records().await?.len() <= RELAUNCHES {
                    return self.relaunch(own, &failure).await;
                }
                self.fail(own, observation, &failure).await
            }
            // The caller has looked already; a pod that is not final is looked at again later.
            PodVerdict::Pending(_) | PodVerdict::Running => Err(Failure::transient(format!(
                "the pod {}/{} has not ended after all",
                observation.identity.namespace, observation.identity.name
            ))),
        }
    }

    async fn succeed(&self, own: &OwnPod, observation: PodObservation) -> Result<Step, Failure> {
        let result = match self.extract_xcom(own, &observation, true).await {
            Ok(result) => result,
            Err(Failure::Attempt {
                kind,
                retryable,
                ending,
            }) => {
                let reason = ending.reason;
                let ending = self.ending(own, observation, reason, Some(0)).await?;
                return Err(Failure::Attempt {
                    kind,
                    retryable,
                    ending: Box::new(ending),
                });
            }
            Err(other) => return Err(other),
        };
        let reason = format!("container {} ended with exit code 0", self.base());
        let ending = self.ending(own, observation, reason, Some(0)).await?;
        Ok(Step::Complete(Ending { result, ..ending }))
    }

    async fn fail(
        &self,
        own: &OwnPod,
        observation: PodObservation,
        failure: &PodFailure,
    ) -> Result<Step, Failure> {
        let kind = if failure.could_not_start {
            FailureKind::CouldNotStart
        } else {
            FailureKind::Failed
        };
        let result = self.extract_xcom(own, &observation, false).await?;
        self.explain(own, &observation).await?;
        let observed = self.observed(own, &observation).await;
        let ending = self
            .ending(own, observation, told(failure), failure.exit_code)
            .await?;
        Err(Failure::Attempt {
            kind,
            retryable: true,
            ending: Box::new(Ending {
                result,
                advice: Some(after_failure(failure).to_owned()),
                observed: Some(observed),
                ..ending
            }),
        })
    }

    /// What the attempt leaves behind, with the pod's sidecars seen to.
    async fn ending(
        &self,
        own: &OwnPod,
        observation: PodObservation,
        reason: String,
        exit_code: Option<i32>,
    ) -> Result<Ending, Failure> {
        self.tell_teardown(own, &observation).await?;
        let observation = self.end_sidecars(own, observation).await?;
        Ok(Ending {
            reason,
            exit_code,
            disposals: self.disposals(own, &observation).await?,
            ..Ending::default()
        })
    }

    /// A pod that is kept is let come to its end by itself: its sidecars are asked to end. One
    /// that is deleted takes them with it.
    async fn end_sidecars(
        &self,
        own: &OwnPod,
        observation: PodObservation,
    ) -> Result<PodObservation, Failure> {
        let action = self.file.pod.on_finish_action;
        if observation.gone
            || observation.phase.is_final()
            || deletes(&observation, action, self.base())
        {
            return Ok(observation);
        }
        self.end_xcom_sidecar(own, &observation).await;
        if container_is_running(&observation, ISTIO_CONTAINER) {
            let command = ["sh", "-c", QUIT_ISTIO];
            let limit = SIDECAR_LIMIT;
            let told = exec(&own.client, &own.identity, ISTIO_CONTAINER, &command, limit).await;
            if let Err(error) = told {
                tracing::info!(task = %self.context.task, %error, "the mesh's proxy could not be told to end");
            }
        }
        let settled = async {
            loop {
                let now = look(own, Some(observation.clone())).await?;
                if now.gone || now.phase.is_final() {
                    return Ok(now);
                }
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        };
        tokio::time::timeout(SIDECARS_END, settled)
            .await
            .unwrap_or(Ok(observation))
    }

    /// The cluster took the pod before any of its containers ran: another one takes its place,
    /// and no attempt is spent.
    async fn relaunch(&self, own: &OwnPod, failure: &PodFailure) -> Result<Step, Failure> {
        tracing::info!(
            task = %self.context.task,
            reason = failure.reason,
            "the pod is replaced: nothing of it had run"
        );
        let stamp = self.context.clock.now();
        let line = format!("{}; another pod takes its place", failure.reason);
        let cursor = LogCursor {
            complete: true,
            ..Default::default()
        };
        let stamp = stamp.timestamp_nanos_opt().unwrap_or_default();
        self.remark(own, "(relaunch)", vec![(stamp, line)], cursor)
            .await?;
        let pod = self.create().await?;
        // What follows may end in another relaunch.
        Box::pin(self.attend(&pod)).await
    }

    /// What is to become of the attempt's pods once the task does not need them any more.
    pub async fn disposals(
        &self,
        own: &OwnPod,
        observation: &PodObservation,
    ) -> Result<Vec<Disposal>, Failure> {
        let mut wishes: Vec<Disposal> = self
            .records()
            .await?
            .iter()
            .filter(|record| record.disposal.is_none() && **record != own.record)
            // Pods that gave way to this one: nothing ever ran in them.
            .map(|record| disposal(record, DisposalAction::Delete))
            .collect();
        if observation.gone {
            return Ok(wishes);
        }
        let action = self.file.pod.on_finish_action;
        let action = if deletes(observation, action, self.base()) {
            DisposalAction::Delete
        } else if observation.phase.is_final() {
            DisposalAction::Keep
        } else {
            // Keeping is for pods that have ended; one that goes on would outlive its task.
            DisposalAction::Stop
        };
        wishes.push(disposal(&own.record, action));
        Ok(wishes)
    }
}

fn exit_code(observation: &PodObservation, base: &str) -> Option<i32> {
    match base_state(observation, base) {
        BaseState::Ended(end) => Some(end.exit_code),
        BaseState::NotStarted { .. }
        | BaseState::Running
        | BaseState::NeverRan { .. }
        | BaseState::Lost => None,
    }
}

/// Why a pod failed, with what its container left as its last words.
fn told(failure: &PodFailure) -> String {
    let message = failure.message.as_deref().map(str::trim);
    match message.filter(|message| !message.is_empty()) {
        Some(message) => format!("{}: {message}", failure.reason),
        None => failure.reason.clone(),
    }
}
