//! What a person can do about a failed attempt: one sentence for each kind of failure.

use crate::pod::observe::{
    FailureCause, PodFailure, PodObservation, PodVerdict, StartStage, hopeless_start, judge,
};
use crate::task::outcome::FailureKind;

/// After a pod that ended badly.
pub(super) fn after_failure(failure: &PodFailure) -> &'static str {
    match failure.cause {
        FailureCause::ExitCode => {
            "look at the log's last lines for what the program itself says (adjourn logs ID --tail 50)"
        }
        FailureCause::OutOfMemory => {
            "give it more memory (container_resources.limits.memory), or let it use less"
        }
        FailureCause::StartError => {
            "check cmds: the program must be in the image, at that path, and executable"
        }
        FailureCause::InitContainer => {
            "look at what the init container wrote; init_container_logs: true brings it into the log"
        }
        FailureCause::DeadlineExceeded => {
            "raise active_deadline_seconds, or find out why it takes so long"
        }
        FailureCause::Evicted => {
            "the node was short of something: request what the pod needs (container_resources.requests), and give it retries"
        }
        FailureCause::Preempted => {
            "give it a higher priority_class_name, or retries so that it finds room later"
        }
        FailureCause::NodeLost => "give it retries: the node went away, not the task",
        FailureCause::Rejected => {
            "the node did not have what the pod asks for: check its resources, ports and node_selector"
        }
        FailureCause::Deleted => {
            "find out who deleted the pod (the API server's audit log tells), then retry: adjourn retry ID"
        }
        FailureCause::Vanished | FailureCause::NoExitCode => {
            "whether its work was done cannot be known: check what it should have left, then retry: adjourn retry ID"
        }
    }
}

/// After a pod that was waited for in vain.
pub(super) fn after_waiting(
    kind: FailureKind,
    observation: &PodObservation,
    base: &str,
) -> &'static str {
    match kind {
        FailureKind::TimedOut => "raise execution_timeout, or find out why it takes so long",
        FailureKind::Failed => "give it retries: the node went away, not the task",
        FailureKind::CouldNotStart if hopeless_start(observation).is_some() => {
            "check the image's name and tag, and image_pull_secrets if its registry wants a login"
        }
        FailureKind::CouldNotStart => match judge(observation, base) {
            PodVerdict::Pending(pending) if pending.stage == StartStage::Scheduling => {
                "check what the pod asks of a node (container_resources, node_selector, tolerations), or raise schedule_timeout_seconds"
            }
            PodVerdict::Pending(_)
            | PodVerdict::Running
            | PodVerdict::Succeeded
            | PodVerdict::Failed(_) => {
                "check its volumes, secrets, configmaps and image, or raise startup_timeout_seconds"
            }
        },
    }
}
