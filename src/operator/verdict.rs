//! What the end of a pod means for its task, and what becomes of the pod: pure rules, the
//! reference's own, decided from an observation.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;

use crate::pod::observe::{
    ContainerPhase, ContainerState, PodObservation, PodPhase, container_is_succeeded,
    termination_message,
};
use crate::task::file::{OnFinishAction, OnKillAction, SkipCodes};

/// The container that a service mesh adds, and that outlives the base container.
pub const ISTIO_CONTAINER: &str = "istio-proxy";

/// What the sidecar prints where the task left no result.
pub const EMPTY_XCOM: &str = "__airflow_xcom_result_empty__";

/// What a task says about the end of its pod.
#[derive(Debug, Clone, Copy)]
pub struct CleanupRules<'a> {
    /// The container that decides.
    pub base: &'a str,
    /// Exit codes that mean skipped.
    pub skip_on_exit_code: &'a SkipCodes,
    /// Whether a result is wanted, so that a sidecar outlives the base container.
    pub do_xcom_push: bool,
    /// Whether a service mesh has added its container.
    pub istio: bool,
    /// What becomes of the pod.
    pub on_finish_action: OnFinishAction,
}

/// What is done at the end of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleanup {
    /// How the task ends.
    pub result: CleanupResult,
    /// Whether the pod is deleted.
    pub deletes: bool,
    /// Whether the pod is marked, so that no later attempt takes it up.
    pub marks_checked: bool,
    /// Whether the result is kept although the task does not succeed.
    pub keeps_result: bool,
}

/// How a task ends by what its pod says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CleanupResult {
    /// Well.
    Succeeded,
    /// Its exit code means skipped.
    Skipped {
        /// The code; absent if the container has none and that was listed.
        exit_code: Option<i32>,
    },
    /// Badly.
    Failed {
        /// What the base container left as its last message.
        termination_message: Option<String>,
    },
}

/// Decides the end of a task from the last look at its pod.
///
/// The phase decides; where something else keeps the pod running (the sidecar of a result, a
/// service mesh), the base container alone does. An exit code that means skipped goes before
/// everything else.
#[must_use]
pub fn cleanup(pod: &PodObservation, rules: &CleanupRules<'_>, result: Option<&Value>) -> Cleanup {
    let failed = if rules.do_xcom_push || rules.istio {
        !container_is_succeeded(pod, rules.base)
    } else {
        pod.phase != PodPhase::Succeeded
    };
    let exit_code = base_exit_code(pod, rules.base);
    let end = if rules.skip_on_exit_code.matches(exit_code.map(i64::from)) {
        CleanupResult::Skipped { exit_code }
    } else if failed {
        CleanupResult::Failed {
            termination_message: termination_message(pod, rules.base)
                .filter(|message| !message.is_empty())
                .map(str::to_owned),
        }
    } else {
        CleanupResult::Succeeded
    };
    let kept = match rules.on_finish_action {
        OnFinishAction::KeepPod | OnFinishAction::DeleteActivePod => true,
        OnFinishAction::DeletePod | OnFinishAction::DeleteSucceededPod => false,
    };
    Cleanup {
        result: end,
        deletes: deletes(pod, rules.on_finish_action, rules.base),
        marks_checked: kept || pod.phase != PodPhase::Succeeded,
        keeps_result: failed && rules.do_xcom_push && result.is_some_and(says_something),
    }
}

/// The exit code of the base container, if it has ended.
fn base_exit_code(pod: &PodObservation, base: &str) -> Option<i32> {
    match &pod.app_container(base)?.state {
        ContainerState::Terminated(end) => Some(end.exit_code),
        ContainerState::Waiting { .. }
        | ContainerState::Running { .. }
        | ContainerState::Unreported => None,
    }
}

/// Whether a result is more than nothing, as the reference counts it.
fn says_something(result: &Value) -> bool {
    match result {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

/// Whether the pod is deleted at the end of its task.
#[must_use]
pub fn deletes(pod: &PodObservation, action: OnFinishAction, base: &str) -> bool {
    match action {
        OnFinishAction::DeletePod => true,
        OnFinishAction::DeleteSucceededPod => {
            pod.phase == PodPhase::Succeeded || container_is_succeeded(pod, base)
        }
        OnFinishAction::DeleteActivePod => match pod.phase {
            PodPhase::Pending | PodPhase::Running => true,
            PodPhase::Succeeded | PodPhase::Failed | PodPhase::Unknown => false,
        },
        OnFinishAction::KeepPod => false,
    }
}

/// What an attempt does about a pod that an earlier one left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// It goes on with that pod.
    Existing,
    /// It makes a pod of its own.
    New {
        /// The one that was found is deleted first.
        deletes_existing: bool,
    },
}

/// Decides whether an attempt goes on with the pod that it found.
///
/// A pod that has not ended is taken up again. One that has ended, or was evicted, gives way to a
/// new one where the task would delete it, and is used again where the task would keep it.
#[must_use]
pub fn reuse(
    existing: Option<&PodObservation>,
    reattach: bool,
    action: OnFinishAction,
    base: &str,
) -> Reuse {
    let Some(pod) = existing.filter(|_| reattach) else {
        return Reuse::New {
            deletes_existing: false,
        };
    };
    let evicted = pod
        .reason
        .as_deref()
        .is_some_and(|reason| reason.eq_ignore_ascii_case("evicted"));
    if (evicted || pod.phase.is_final()) && deletes(pod, action, base) {
        Reuse::New {
            deletes_existing: true,
        }
    } else {
        Reuse::Existing
    }
}

/// Whether the wait for a pod's start goes on, by the pod's phase and its base container's state.
#[must_use]
pub fn start_wait_goes_on(phase: PodPhase, base: ContainerPhase) -> bool {
    match base {
        ContainerPhase::Waiting | ContainerPhase::Running => true,
        ContainerPhase::Undefined => phase == PodPhase::Pending,
        ContainerPhase::Terminated | ContainerPhase::Failed => false,
    }
}

/// The deletion that a cancelled task asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KillDeletion {
    /// How many seconds the containers have to end; absent: what the pod says.
    pub grace_period_seconds: Option<i64>,
}

/// Decides what a cancelled task does about its pod.
#[must_use]
pub fn kill_deletion(
    action: OnKillAction,
    termination_grace_period: Option<i64>,
    pod_known: bool,
) -> Option<KillDeletion> {
    match action {
        OnKillAction::DeletePod if pod_known => Some(KillDeletion {
            grace_period_seconds: termination_grace_period,
        }),
        OnKillAction::DeletePod | OnKillAction::KeepPod => None,
    }
}

/// The most recent of several pods of one task: by their starts, or by their creation if one of
/// them has not started. The first of equals; a pod without a time counts as the oldest.
#[must_use]
pub fn most_recent(pods: &[Pod]) -> Option<usize> {
    let start = |pod: &Pod| {
        let status = pod.status.as_ref()?;
        status.start_time.as_ref().map(|Time(time)| *time)
    };
    let creation = |pod: &Pod| {
        pod.metadata
            .creation_timestamp
            .as_ref()
            .map(|Time(time)| *time)
    };
    let all_started = pods.iter().all(|pod| start(pod).is_some());
    let times = pods.iter().map(|pod| {
        if all_started {
            start(pod)
        } else {
            creation(pod)
        }
    });
    // `max_by_key` takes the last of equals, so the walk goes backwards.
    times
        .enumerate()
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .max_by_key(|(_, time)| *time)
        .map(|(index, _)| index)
}

/// A result that is not JSON. The text is kept: it is all that the task left.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the result in /airflow/xcom/return.json is not valid JSON ({reason}): write it with a JSON \
     library, or take do_xcom_push away"
)]
pub struct InvalidXcom {
    /// What is wrong with it.
    pub reason: String,
    /// What the task left.
    pub text: String,
}

/// The result that the sidecar printed, if the task left one.
///
/// # Errors
/// If the text is not JSON.
pub fn xcom_result(text: &str) -> Result<Option<Value>, InvalidXcom> {
    let trimmed = text.trim();
    if trimmed == EMPTY_XCOM {
        return Ok(None);
    }
    serde_json::from_str(trimmed)
        .map(Some)
        .map_err(|error| InvalidXcom {
            reason: error.to_string(),
            text: text.to_owned(),
        })
}
