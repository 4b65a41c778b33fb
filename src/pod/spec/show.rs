//! A pod as text for a person.

use serde_json::{Map, Value};

use super::manifest::PodManifest;
use crate::task::file::PodParameters;
use crate::task::file::api_type::core_type;
use crate::task::file::attribute_name::attribute_names;

/// The pod as YAML in API form, keys sorted, without empty members.
#[must_use]
pub fn to_yaml(pod: &PodManifest) -> String {
    yaml(&sorted(&without_empty(pod.as_value())))
}

/// The pod as the reference's `dry_run` prints it: YAML with sorted keys and the attribute names
/// of its client (`env_from`, `host_network`), without empty members.
///
/// `parameters` tell which security contexts were given as plain maps, whose keys stay.
#[must_use]
pub fn dry_run_yaml(pod: &PodManifest, parameters: &PodParameters) -> String {
    let value = without_empty(pod.as_value());
    let mut named = attribute_names(&value, &core_type("Pod"));
    let plain = [
        (
            !parameters.security_context.is_empty(),
            "/spec/security_context".to_owned(),
            "/spec/securityContext".to_owned(),
        ),
        (
            !parameters.container_security_context.is_empty(),
            "/spec/containers/0/security_context".to_owned(),
            "/spec/containers/0/securityContext".to_owned(),
        ),
        sidecar_context(&value, parameters),
    ];
    for (is_plain, to, from) in plain {
        if is_plain
            && let Some(original) = value.pointer(&from)
            && let Some(place) = named.pointer_mut(&to)
        {
            *place = original.clone();
        }
    }
    yaml(&sorted(&named))
}

/// The sidecar is the last container, and its security context is always a plain map.
fn sidecar_context(pod: &Value, parameters: &PodParameters) -> (bool, String, String) {
    let last = pod["spec"]["containers"]
        .as_array()
        .map_or(0, |containers| containers.len().saturating_sub(1));
    (
        parameters.do_xcom_push,
        format!("/spec/containers/{last}/security_context"),
        format!("/spec/containers/{last}/securityContext"),
    )
}

/// Drops null, empty lists and empty maps, except those that say something by being there: an
/// `emptyDir: {}` is a kind of volume.
fn without_empty(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(key, value)| key.as_str() == "emptyDir" || !is_empty(value))
            .map(|(key, value)| (key.clone(), without_empty(value)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(without_empty).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Drops null at every depth and keeps everything else.
#[must_use]
pub fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), without_nulls(value)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items
            .iter()
            .filter(|item| !item.is_null())
            .map(without_nulls)
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            entries
                .into_iter()
                .map(|(key, value)| (key.clone(), sorted(value)))
                .collect::<Map<_, _>>()
                .into()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// JSON is YAML too, so a value that the YAML writer refuses is still shown.
fn yaml(value: &Value) -> String {
    serde_saphyr::to_string(value).unwrap_or_else(|_| format!("{value:#}\n"))
}
