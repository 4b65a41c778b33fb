//! Ending a pod, with and without its object, and marking it.

use std::collections::BTreeMap;

use http::Method;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::get_same;
use crate::pod::client::{ApiError, ApiRequest, ClusterClient};
use crate::pod::observe::{ContainerState, PodObservation, observe};
use crate::task::pods::PodIdentity;

/// What a delete call came to.
#[derive(Debug)]
pub enum Deletion {
    /// The pod is being deleted, or was just removed: as it was when the call was answered.
    Requested(Box<PodObservation>),
    /// That pod was gone already.
    AlreadyGone,
}

/// Deletes exactly this pod.
///
/// `grace_seconds` is how long its containers may take to end; the pod's own
/// `terminationGracePeriodSeconds` when absent, and 0 removes the object at once while the
/// containers may live on for a moment. A shorter grace than that of an earlier call moves the
/// time that the object shows, not the kill.
///
/// # Errors
///
/// Any refusal but 404 and a uid conflict, and what did not pass within a few attempts.
pub async fn delete(
    client: &ClusterClient,
    identity: &PodIdentity,
    grace_seconds: Option<u32>,
) -> Result<Deletion, ApiError> {
    let mut options = json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Background",
        "preconditions": {"uid": identity.uid},
    });
    if let Some(seconds) = grace_seconds {
        options["gracePeriodSeconds"] = seconds.into();
    }
    let request = ApiRequest::json(
        Method::DELETE,
        pod_path(identity),
        &options,
        format!("delete pod {}/{}", identity.namespace, identity.name),
    );
    match client.read::<Pod>(&request).await {
        Ok(pod) => Ok(Deletion::Requested(Box::new(observe(&pod)))),
        Err(error) if error.is_not_found() || error.is_conflict() => Ok(Deletion::AlreadyGone),
        Err(error) => Err(error),
    }
}

/// What a stop call came to.
#[derive(Debug)]
pub enum Stopping {
    /// The kubelet ends the pod now; the object stays.
    Requested(Box<PodObservation>),
    /// The pod had ended already, or its end was asked for already.
    AlreadyEnding(Box<PodObservation>),
    /// No node has taken the pod up, so no kubelet will end it: it can only be deleted.
    NotScheduled(Box<PodObservation>),
    /// That pod is gone.
    AlreadyGone,
}

/// Ends exactly this pod and keeps its object: `activeDeadlineSeconds` is brought forward, and
/// the kubelet does the rest.
///
/// The deadline is put just behind the end of those containers that have ended already, so that
/// it can be told later which ended by themselves and which were stopped.
///
/// # Errors
///
/// Any refusal but that the pod is gone, and what did not pass within a few attempts.
pub async fn stop(client: &ClusterClient, identity: &PodIdentity) -> Result<Stopping, ApiError> {
    let Some(pod) = get_same(client, identity).await? else {
        return Ok(Stopping::AlreadyGone);
    };
    let seen = observe(&pod);
    let deadline = deadline_behind_what_has_ended(&seen);
    if seen.phase.is_final()
        || seen.deletion.is_some()
        || seen
            .active_deadline_seconds
            .is_some_and(|present| present <= deadline)
    {
        return Ok(Stopping::AlreadyEnding(Box::new(seen)));
    }
    if !seen.scheduled {
        return Ok(Stopping::NotScheduled(Box::new(seen)));
    }
    let patch = json!({
        "metadata": {"uid": identity.uid},
        "spec": {"activeDeadlineSeconds": deadline},
    });
    Ok(match merge(client, identity, &patch, "stop").await? {
        Some(pod) => Stopping::Requested(Box::new(observe(&pod))),
        None => Stopping::AlreadyGone,
    })
}

/// Seconds from the pod's start, at least 1 as the API wants.
fn deadline_behind_what_has_ended(seen: &PodObservation) -> i64 {
    let Some(start) = seen.start_time else {
        return 1;
    };
    let last_end = seen
        .containers
        .iter()
        .filter_map(|container| match &container.state {
            ContainerState::Terminated(end) => end.finished_at,
            ContainerState::Waiting { .. }
            | ContainerState::Running { .. }
            | ContainerState::Unreported => None,
        })
        .max();
    last_end.map_or(1, |end| {
        ((end - start).num_seconds() + 1).clamp(1, i64::from(i32::MAX))
    })
}

/// Sets labels of exactly this pod; `None` removes one. Says whether the pod is still there.
///
/// # Errors
///
/// Any refusal but that the pod is gone, and what did not pass within a few attempts.
pub async fn patch_labels(
    client: &ClusterClient,
    identity: &PodIdentity,
    labels: &BTreeMap<String, Option<String>>,
) -> Result<bool, ApiError> {
    let patch = json!({"metadata": {"uid": identity.uid, "labels": labels}});
    Ok(merge(client, identity, &patch, "label").await?.is_some())
}

/// Sends a merge patch that names the uid; `None` if that pod is gone.
async fn merge(
    client: &ClusterClient,
    identity: &PodIdentity,
    patch: &Value,
    verb: &str,
) -> Result<Option<Pod>, ApiError> {
    let request = ApiRequest::with_body(
        Method::PATCH,
        pod_path(identity),
        Some("application/merge-patch+json"),
        patch.to_string().into_bytes(),
        format!("{verb} pod {}/{}", identity.namespace, identity.name),
    );
    match client.read(&request).await {
        Ok(pod) => Ok(Some(pod)),
        Err(error) if error.is_not_found() || is_another_uid(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A patch of another pod of the same name is refused because the uid cannot change.
fn is_another_uid(error: &ApiError) -> bool {
    error.is_conflict()
        || error.refusal().is_some_and(|refusal| {
            refusal.code == 422
                && refusal
                    .causes
                    .iter()
                    .any(|cause| cause.field == "metadata.uid")
        })
}

fn pod_path(identity: &PodIdentity) -> String {
    ApiRequest::path(
        &[
            "api",
            "v1",
            "namespaces",
            &identity.namespace,
            "pods",
            &identity.name,
        ],
        &[],
    )
}
