//! Changes to a pod before it is sent, and what must survive them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde_json::Value;

use super::alone::words_of;
use crate::pod::spec::{
    IN_CLUSTER_LABEL, INSTALLATION_LABEL, PodManifest, VERSION_LABEL, validate,
};

/// Changes every pod of a program before it is checked and sent: labels for billing, a sidecar, a
/// node selector. In the API's form.
///
/// The name, the labels that say whose pod it is and the base container must stay as they are. It
/// is called each time a pod is built, at submit, too, so that what it makes can be checked.
pub type PodMutationHook = Arc<dyn Fn(&mut Value) + Send + Sync>;

/// The labels that say whose pod it is.
const IDENTITY_LABELS: [&str; 9] = [
    "dag_id",
    "task_id",
    "run_id",
    "map_index",
    "try_number",
    "kubernetes_pod_operator",
    VERSION_LABEL,
    IN_CLUSTER_LABEL,
    INSTALLATION_LABEL,
];

/// A pod that has been changed into something that cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangedPod {
    /// The hook panicked.
    #[error("pod_mutation_hook panicked: {0}")]
    HookPanicked(String),
    /// It would not be known again as the task's.
    #[error("pod_mutation_hook must leave alone what says whose pod it is: {}", .0.join(", "))]
    Identity(
        /// What was changed, each with its value.
        Vec<String>,
    ),
    /// The API server would refuse it.
    #[error("pod_mutation_hook or on_pod_manifest_created made a pod that would be refused: {}", .0.join("; "))]
    Invalid(
        /// What is wrong with it.
        Vec<String>,
    ),
}

/// Lets the hook change the pod.
///
/// # Errors
/// [`ChangedPod`] when it panics or changes what says whose pod it is.
pub fn apply_hook(
    hook: &PodMutationHook,
    pod: &mut PodManifest,
    base: &str,
) -> Result<(), ChangedPod> {
    let before = pod.as_value().clone();
    catch_unwind(AssertUnwindSafe(|| hook(pod.as_value_mut())))
        .map_err(|panic| ChangedPod::HookPanicked(words_of(&*panic)))?;
    let lost = lost_identity(&before, pod.as_value(), base);
    if lost.is_empty() {
        Ok(())
    } else {
        Err(ChangedPod::Identity(lost))
    }
}

/// Checks a pod that has been changed.
///
/// # Errors
/// [`ChangedPod::Invalid`] with all that the API server would refuse.
pub fn changed_pod(pod: &PodManifest) -> Result<(), ChangedPod> {
    let violations = validate(pod);
    if violations.is_empty() {
        Ok(())
    } else {
        Err(ChangedPod::Invalid(
            violations.iter().map(ToString::to_string).collect(),
        ))
    }
}

/// What of a pod's identity a change has not left alone.
pub fn lost_identity(before: &Value, after: &Value, base: &str) -> Vec<String> {
    let mut lost = Vec::new();
    let mut same = |path: String, before: &Value, after: &Value| {
        if before != after {
            lost.push(format!("{path} was {before} and is {after}"));
        }
    };
    for field in ["apiVersion", "kind"] {
        same(field.to_owned(), &before[field], &after[field]);
    }
    let (old, new) = (&before["metadata"], &after["metadata"]);
    same("metadata.name".to_owned(), &old["name"], &new["name"]);
    for label in IDENTITY_LABELS {
        let path = format!("metadata.labels.{label}");
        same(path, &old["labels"][label], &new["labels"][label]);
    }
    let namespace = new["namespace"].as_str().unwrap_or_default();
    if namespace.is_empty() {
        lost.push("metadata.namespace is empty".to_owned());
    }
    if has_container(before, base) && !has_container(after, base) {
        lost.push(format!("the container {base:?} is gone"));
    }
    lost
}

fn has_container(pod: &Value, name: &str) -> bool {
    pod["spec"]["containers"]
        .as_array()
        .is_some_and(|containers| containers.iter().any(|one| one["name"] == name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod() -> PodManifest {
        PodManifest::new(json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "a-1", "namespace": "jobs",
                "labels": {"dag_id": "d", "task_id": "t", "adjourn_installation": "i", "own": "x"},
            },
            "spec": {"containers": [{"name": "base", "image": "busybox"}]},
        }))
    }

    fn after(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Result<Value, ChangedPod> {
        let mut pod = pod();
        let hook: PodMutationHook = Arc::new(change);
        apply_hook(&hook, &mut pod, "base").map(|()| pod.into_value())
    }

    #[test]
    fn a_hook_may_change_all_but_the_identity() {
        let changed = after(|pod| {
            pod["metadata"]["labels"]["own"] = "y".into();
            pod["metadata"]["namespace"] = "other".into();
            pod["spec"]["containers"][0]["image"] = "alpine".into();
        })
        .unwrap();
        assert_eq!(changed["metadata"]["labels"]["own"], "y");
        assert_eq!(changed["metadata"]["namespace"], "other");
        assert_eq!(changed["spec"]["containers"][0]["image"], "alpine");
    }

    #[test]
    fn a_hook_that_touches_the_identity_is_refused_and_told_what() {
        type Spoil = fn(&mut Value);
        let table: [(Spoil, &str); 6] = [
            (
                |pod| pod["metadata"]["name"] = "b".into(),
                "metadata.name was \"a-1\" and is \"b\"",
            ),
            (
                |pod| pod["metadata"]["labels"]["adjourn_installation"] = "j".into(),
                "adjourn_installation",
            ),
            (
                |pod| pod["metadata"]["labels"] = json!({}),
                "metadata.labels.dag_id was \"d\" and is null",
            ),
            (
                |pod| pod["metadata"]["namespace"] = Value::Null,
                "metadata.namespace is empty",
            ),
            (
                |pod| pod["spec"]["containers"][0]["name"] = "main".into(),
                "the container \"base\" is gone",
            ),
            (|pod| *pod = Value::Null, "kind was \"Pod\" and is null"),
        ];
        for (change, told) in table {
            let refused = after(change).unwrap_err().to_string();
            assert!(refused.contains(told), "{refused}");
        }
    }

    #[test]
    fn a_hook_that_panics_is_an_error() {
        let refused = after(|_| panic!("no billing code"));
        assert_eq!(
            refused,
            Err(ChangedPod::HookPanicked("no billing code".to_owned()))
        );
    }
}
