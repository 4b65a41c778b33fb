//! Hiding what may be secret wherever a pod or a task is shown.

use serde_json::Value;

/// What is shown in place of a value.
pub const REDACTED: &str = "***";

/// Lists whose elements have a `value` that may be secret.
const NAMED_VALUES: [&str; 5] = [
    "env",
    "env_vars",
    "pod_runtime_info_envs",
    "httpHeaders",
    "http_headers",
];

/// Maps whose values may be secret.
const SECRET_MAPS: [&str; 6] = [
    "env_vars",
    "headers",
    "volumeAttributes",
    "volume_attributes",
    "options",
    "params",
];

/// Annotations that hold a whole object as text.
const APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Hides the values of environment variables, HTTP headers and driver options in a pod, and in a
/// task as it is stored (its `params` and template file too).
///
/// Names and references to secrets stay: they say where a value comes from and not what it is.
pub fn redact(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, member) in map.iter_mut() {
                let key = key.as_str();
                if NAMED_VALUES.contains(&key) && member.is_array() {
                    hide_values(member);
                } else if SECRET_MAPS.contains(&key) && member.is_object() {
                    hide_all(member);
                } else if key == APPLIED || key == "pod_template_content" {
                    hide(member);
                } else {
                    redact(member);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Hides `value` in each element of a list.
fn hide_values(list: &mut Value) {
    for item in list.as_array_mut().into_iter().flatten() {
        if let Some(value) = item.get_mut("value") {
            hide(value);
        }
    }
}

/// Hides every scalar inside a map.
fn hide_all(value: &mut Value) {
    match value {
        Value::Object(map) => map.values_mut().for_each(hide_all),
        Value::Array(items) => items.iter_mut().for_each(hide_all),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => hide(value),
    }
}

/// Nothing stays nothing, so that it can be told from a value.
fn hide(value: &mut Value) {
    if !value.is_null() && *value != Value::String(String::new()) {
        *value = Value::String(REDACTED.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_hidden_and_names_stay() {
        let mut pod = json!({
            "metadata": {"labels": {"env": "prod"}, "annotations": {APPLIED: "hunter2", "a": "b"}},
            "spec": {
                "containers": [{
                    "name": "base",
                    "args": ["--env", "prod"],
                    "env": [
                        {"name": "A", "value": "hunter2"},
                        {"name": "N", "value": 5},
                        {"name": "E", "value": ""},
                        {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                    ],
                    "livenessProbe": {"httpGet": {"port": 1, "httpHeaders": [{"name": "Authorization", "value": "hunter2"}]}},
                }],
                "initContainers": [{"name": "i", "env": [{"name": "B", "value": "hunter2"}]}],
                "volumes": [{"name": "v", "csi": {"driver": "d", "volumeAttributes": {"token": "hunter2"}}}],
                "dnsConfig": {"options": [{"name": "ndots", "value": "2"}]},
            },
        });
        redact(&mut pod);
        let text = pod.to_string();
        assert!(!text.contains("hunter2"), "{text}");
        assert_eq!(
            pod["spec"]["containers"][0]["env"],
            json!([
                {"name": "A", "value": "***"},
                {"name": "N", "value": "***"},
                {"name": "E", "value": ""},
                {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            ])
        );
        assert_eq!(pod["metadata"]["labels"]["env"], "prod");
        assert_eq!(
            pod["spec"]["containers"][0]["args"],
            json!(["--env", "prod"])
        );
        assert_eq!(pod["spec"]["dnsConfig"]["options"][0]["value"], "2");
    }

    #[test]
    fn a_stored_task_is_redacted_too() {
        let mut task = json!({
            "params": {"token": "hunter2"},
            "pod": {
                "env_vars": {"A": "hunter2", "B": null},
                "pod_template_content": "env: hunter2",
                "full_pod_spec": {"spec": {"containers": [{"name": "b", "env": [{"name": "A", "value": "hunter2"}]}]}},
                "callbacks": [{"webhook": {"url": "http://x", "headers": {"Authorization": "hunter2"}}}],
            },
        });
        redact(&mut task);
        assert!(!task.to_string().contains("hunter2"), "{task}");
        assert_eq!(task["pod"]["env_vars"], json!({"A": "***", "B": null}));
    }
}
