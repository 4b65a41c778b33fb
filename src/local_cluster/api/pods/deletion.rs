//! Deleting a pod: at once, or by marking it for the node to end.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::super::query::DeleteOptions;
use crate::local_cluster::objects::{Object, ObjectError, ObjectKey, Objects, Preconditions};

/// Deletes a pod as `options` ask, and returns it as it is then.
pub(crate) fn delete(
    objects: &Objects,
    key: &ObjectKey,
    current: Object,
    options: &DeleteOptions,
    now: Timestamp,
) -> Result<Object, ObjectError> {
    let seconds = grace_period(&current, options);
    let expected = Preconditions {
        uid: current.text(&["metadata", "uid"]).map(Cow::into_owned),
        resource_version: options.resource_version.clone(),
    };
    if options.dry_run {
        let mut shown = current.into_tree();
        mark(&mut shown, seconds, now);
        return Ok(shown.into());
    }
    // The node may have changed the pod since it was looked at: decided anew on the copy.
    let marked = objects.update_seen(key, current, expected.clone(), |pod| {
        let seconds = grace_period(pod, options);
        mark(pod, seconds, now);
    })?;
    if marked["metadata"]["deletionGracePeriodSeconds"] == 0 {
        return match objects.remove(
            key,
            Preconditions {
                resource_version: None,
                ..expected
            },
        ) {
            // The node may have been faster.
            Err(ObjectError::NotFound(_)) => Ok(marked),
            other => other,
        };
    }
    Ok(marked)
}

/// How long the pod may take to end. One that runs nowhere, or no longer, needs no time.
fn grace_period(pod: &Value, options: &DeleteOptions) -> i64 {
    let asked = options.grace_period.unwrap_or_else(|| {
        pod["spec"]["terminationGracePeriodSeconds"]
            .as_i64()
            .unwrap_or(30)
    });
    let nowhere = pod["spec"]["nodeName"].as_str().is_none_or(str::is_empty);
    let ended = matches!(
        pod["status"]["phase"].as_str(),
        Some("Succeeded" | "Failed")
    );
    if nowhere || ended {
        0
    } else if asked < 0 {
        1
    } else {
        asked
    }
}

/// Writes into the pod's metadata when it is to be gone. A pod that is on its way out already
/// can only be hurried.
fn mark(pod: &mut Value, seconds: i64, now: Timestamp) {
    let metadata = &mut pod["metadata"];
    let given = metadata["deletionGracePeriodSeconds"].as_i64();
    let due = metadata["deletionTimestamp"]
        .as_str()
        .and_then(|text| text.parse::<Timestamp>().ok());
    match (due, given) {
        (Some(_), Some(given)) if given <= seconds => {}
        (Some(due), given) => {
            let earlier = due
                .checked_sub(SignedDuration::from_secs(given.unwrap_or(0) - seconds))
                .unwrap_or(due);
            metadata["deletionTimestamp"] = text(earlier).into();
            metadata["deletionGracePeriodSeconds"] = seconds.into();
        }
        (None, _) => {
            let due = now
                .checked_add(SignedDuration::from_secs(seconds))
                .unwrap_or(now);
            metadata["deletionTimestamp"] = text(due).into();
            metadata["deletionGracePeriodSeconds"] = seconds.into();
            let generation = metadata["generation"].as_i64().unwrap_or(1);
            metadata["generation"] = (generation + 1).into();
        }
    }
}

fn text(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn running() -> Value {
        json!({
            "metadata": {"generation": 1},
            "spec": {"nodeName": "n", "terminationGracePeriodSeconds": 30},
            "status": {"phase": "Running"},
        })
    }

    #[test]
    fn a_pod_that_runs_nowhere_or_has_ended_goes_at_once() {
        let options = DeleteOptions::default();
        assert_eq!(grace_period(&running(), &options), 30);
        let mut ended = running();
        ended["status"]["phase"] = "Failed".into();
        assert_eq!(grace_period(&ended, &options), 0);
        let mut nowhere = running();
        nowhere["spec"]["nodeName"] = Value::Null;
        assert_eq!(grace_period(&nowhere, &options), 0);
    }

    #[test]
    fn a_second_deletion_can_only_hurry() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut pod = running();
        mark(&mut pod, 20, now);
        assert_eq!(pod["metadata"]["deletionTimestamp"], "2026-01-01T00:00:20Z");
        assert_eq!(pod["metadata"]["generation"], 2);
        let before = pod.clone();
        mark(&mut pod, 30, now);
        assert_eq!(pod, before);
        mark(&mut pod, 5, now);
        assert_eq!(pod["metadata"]["deletionTimestamp"], "2026-01-01T00:00:05Z");
        assert_eq!(pod["metadata"]["deletionGracePeriodSeconds"], 5);
        assert_eq!(pod["metadata"]["generation"], 2);
    }
}
