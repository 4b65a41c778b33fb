//! The verdict on an attempt whose pod has ended.

use super::PodOperator;
use super::reentry::{OwnPod, disposal};
use crate::operator::{Failure, Step, TaskContext};
use crate::pod::observe::{BaseState, PodObservation, PodVerdict, base_state, judge};
use crate::task::file::{OnFinishAction, TaskFile};
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
    let ending = |reason: String, exit_code, succeeded| Ending {
        reason,
        exit_code,
        result: None,
        disposals: disposals(file, record, observation, succeeded),
    };
    if let Some(code) = exit_code.filter(|code| file.pod.skip_on_exit_code.contains((*code).into()))
    {
        let reason = format!("container {base} ended with exit code {code}, which means skipped");
        return Ok(Step::Skip(ending(reason, Some(code), code == 0)));
    }
    match judge(observation, base) {
        PodVerdict::Succeeded => {
            let reason = format!("container {base} ended with exit code 0");
            Ok(Step::Complete(ending(reason, Some(0), true)))
        }
        PodVerdict::Failed(failure) => {
            let mut reason = failure.reason;
            if let Some(message) = failure
                .message
                .as_deref()
                .map(str::trim)
                .filter(|message| !message.is_empty())
            {
                reason = format!("{reason}: {message}");
            }
            let kind = if failure.could_not_start {
                FailureKind::CouldNotStart
            } else {
                FailureKind::Failed
            };
            Err(Failure::Attempt {
                kind,
                retryable: true,
                ending: Box::new(ending(reason, failure.exit_code, false)),
            })
        }
        // The caller has looked already; a pod that is not final is looked at again later.
        PodVerdict::Pending(_) | PodVerdict::Running => Err(Failure::transient(format!(
            "the pod {}/{} has not ended after all",
            observation.identity.namespace, observation.identity.name
        ))),
    }
}

/// What is to become of the attempt's pod once the task does not need it any more.
pub(super) fn disposals(
    file: &TaskFile,
    record: &PodRecord,
    observation: &PodObservation,
    succeeded: bool,
) -> Vec<Disposal> {
    if observation.gone {
        return Vec::new();
    }
    let alive = !observation.phase.is_final();
    let delete = match file.pod.on_finish_action {
        OnFinishAction::DeletePod => true,
        OnFinishAction::DeleteSucceededPod => succeeded,
        OnFinishAction::DeleteActivePod => alive,
        OnFinishAction::KeepPod => false,
    };
    let action = if delete {
        DisposalAction::Delete
    } else if alive {
        // Keeping is for pods that have ended; one that goes on would outlive its task.
        DisposalAction::Stop
    } else {
        return Vec::new();
    };
    vec![disposal(record, action)]
}
