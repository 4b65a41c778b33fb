//! The verdict on an attempt whose pod has ended.

use super::PodOperator;
use super::reentry::{OwnPod, disposal};
use crate::operator::verdict::deletes;
use crate::operator::{Failure, Step, TaskContext};
use crate::pod::observe::{BaseState, PodFailure, PodObservation, PodVerdict, base_state, judge};
use crate::task::file::TaskFile;
use crate::task::outcome::{Ending, FailureKind};
use crate::task::pods::{Disposal, DisposalAction, PodRecord};

impl PodOperator {
    /// Fetches the rest of the logs and gives the verdict.
    pub(super) async fn finish(
        &self,
        context: &TaskContext,
        file: &TaskFile,
        own: &OwnPod,
        observation: PodObservation,
    ) -> Result<Step, Failure> {
        self.collect(context, file, own, Some(&observation)).await?;
        verdict(file, &own.record, &observation)
    }
}

/// What the end of the pod means for the task: pure.
///
/// The base container decides alone, whatever the phase or a sidecar says; an exit code that
/// means skipped goes before everything else.
fn verdict(
    file: &TaskFile,
    record: &PodRecord,
    observation: &PodObservation,
) -> Result<Step, Failure> {
    let base = &file.pod.base_container_name;
    let exit_code = match base_state(observation, base) {
        BaseState::Ended(end) => Some(end.exit_code),
        BaseState::NotStarted { .. }
        | BaseState::Running
        | BaseState::NeverRan { .. }
        | BaseState::Lost => None,
    };
    let ending = |reason: String, exit_code| Ending {
        reason,
        exit_code,
        result: None,
        disposals: disposals(file, record, observation),
    };
    let skip = &file.pod.skip_on_exit_code;
    if let Some(code) = exit_code.filter(|code| skip.matches(Some((*code).into()))) {
        let reason = format!("container {base} ended with exit code {code}, which means skipped");
        return Ok(Step::Skip(ending(reason, Some(code))));
    }
    match judge(observation, base) {
        PodVerdict::Succeeded => {
            let reason = format!("container {base} ended with exit code 0");
            Ok(Step::Complete(ending(reason, Some(0))))
        }
        PodVerdict::Failed(failure) => {
            let kind = if failure.could_not_start {
                FailureKind::CouldNotStart
            } else {
                FailureKind::Failed
            };
            Err(Failure::Attempt {
                kind,
                retryable: true,
                ending: Box::new(ending(told(&failure), failure.exit_code)),
            })
        }
        // The caller has looked already; a pod that is not final is looked at again later.
        PodVerdict::Pending(_) | PodVerdict::Running => Err(Failure::transient(format!(
            "the pod {}/{} has not ended after all",
            observation.identity.namespace, observation.identity.name
        ))),
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

/// What is to become of the attempt's pod once the task does not need it any more.
pub(super) fn disposals(
    file: &TaskFile,
    record: &PodRecord,
    observation: &PodObservation,
) -> Vec<Disposal> {
    if observation.gone {
        return Vec::new();
    }
    let parameters = &file.pod;
    let deletes = deletes(
        observation,
        parameters.on_finish_action,
        &parameters.base_container_name,
    );
    let action = if deletes {
        DisposalAction::Delete
    } else if observation.phase.is_final() {
        DisposalAction::Keep
    } else {
        // Keeping is for pods that have ended; one that goes on would outlive its task.
        DisposalAction::Stop
    };
    vec![disposal(record, action)]
}
