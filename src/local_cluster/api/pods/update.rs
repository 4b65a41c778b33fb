//! What of a pod may change once it exists.

use serde_json::Value;

use super::super::refusal::Cause;

/// What is wrong with the change of a pod's spec from `old` to `new`.
pub(crate) fn faults(old: &Value, new: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    deadline_faults(old, new, &mut causes);
    if frame(old) != frame(new) || !keeps_tolerations(old, new) {
        causes.push(Cause::forbidden(
            "spec",
            "pod updates may not change fields other than the containers' `image`, \
             `activeDeadlineSeconds`, further `tolerations`, and a negative \
             `terminationGracePeriodSeconds`",
        ));
    }
    causes
}

/// A deadline may be set, and be brought forward.
fn deadline_faults(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let path = "spec.activeDeadlineSeconds";
    match (
        old["activeDeadlineSeconds"].as_i64(),
        new["activeDeadlineSeconds"].as_i64(),
    ) {
        (Some(before), Some(after)) if after > before => causes.push(Cause::invalid(
            path,
            &after.into(),
            "must be less than or equal to previous value",
        )),
        (Some(_), None) => causes.push(Cause::invalid(
            path,
            &Value::Null,
            "must not update from a positive integer to nil value",
        )),
        (Some(_) | None, Some(_)) | (None, None) => {}
    }
}

fn keeps_tolerations(old: &Value, new: &Value) -> bool {
    let list = |spec: &Value| spec["tolerations"].as_array().cloned().unwrap_or_default();
    let new = list(new);
    list(old).iter().all(|one| new.contains(one))
}

/// The spec without what may change.
fn frame(spec: &Value) -> Value {
    let mut frame = spec.clone();
    for list in ["containers", "initContainers"] {
        for container in frame
            .get_mut(list)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
            .filter_map(Value::as_object_mut)
        {
            container.shift_remove("image");
        }
    }
    if let Some(spec) = frame.as_object_mut() {
        spec.shift_remove("activeDeadlineSeconds");
        spec.shift_remove("tolerations");
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn image_deadline_and_more_tolerations_may_change() {
        let old = json!({
            "containers": [{"name": "base", "image": "a", "command": ["true"]}],
            "tolerations": [{"key": "x"}],
        });
        let mut new = old.clone();
        new["containers"][0]["image"] = "b".into();
        new["activeDeadlineSeconds"] = 5.into();
        new["tolerations"] = json!([{"key": "x"}, {"key": "y"}]);
        assert_eq!(faults(&old, &new), []);
        let mut later = new.clone();
        later["activeDeadlineSeconds"] = 6.into();
        assert_eq!(faults(&new, &later)[0].field, "spec.activeDeadlineSeconds");
        let mut other = old.clone();
        other["containers"][0]["command"] = json!(["false"]);
        assert_eq!(faults(&old, &other)[0].field, "spec");
    }
}
