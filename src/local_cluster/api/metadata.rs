//! The metadata that all kinds share: what is taken from a client and what it must look like.

use serde_json::{Value, json};

use super::names::{key_fault, label_value_fault, subdomain_fault};
use super::refusal::Cause;

/// Bytes of all annotations together.
const ANNOTATION_BYTES: usize = 262_144;
/// Members that only the cluster writes.
const OURS: [&str; 7] = [
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
];

/// Makes a new object's metadata ready: without what only the cluster may say.
pub(crate) fn prepare_new(object: &mut Value, namespace: Option<&str>) {
    let Some(metadata) = object["metadata"].as_object_mut() else {
        return;
    };
    for member in OURS {
        metadata.shift_remove(member);
    }
    metadata.shift_remove("selfLink");
    match namespace {
        Some(namespace) => {
            metadata.insert("namespace".into(), namespace.into());
        }
        None => {
            metadata.shift_remove("namespace");
        }
    }
    drop_empty(object);
}

/// Makes a changed object's metadata ready: what only the cluster may say stays as it is.
pub(crate) fn prepare_changed(object: &mut Value, current: &Value) {
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    let old = &current["metadata"];
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.shift_remove("managedFields");
        metadata.shift_remove("selfLink");
        for member in OURS
            .into_iter()
            .chain(["name", "namespace", "generateName"])
        {
            match old.get(member) {
                Some(value) => metadata.insert(member.into(), value.clone()),
                None => metadata.shift_remove(member),
            };
        }
    }
    drop_empty(object);
}

/// An empty map or list is the same as none.
fn drop_empty(object: &mut Value) {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|name, value| {
            let optional = matches!(
                name.as_str(),
                "labels" | "annotations" | "finalizers" | "ownerReferences" | "generateName"
            );
            let empty = value.as_object().is_some_and(serde_json::Map::is_empty)
                || value.as_array().is_some_and(Vec::is_empty)
                || value.as_str().is_some_and(str::is_empty)
                || value.is_null();
            !(optional && empty)
        });
    }
}

/// Everything that is wrong with an object's metadata.
pub(crate) fn faults(metadata: &Value, name_fault: fn(&str) -> Option<&'static str>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let text = |member: &str| metadata[member].as_str().unwrap_or_default();
    let (name, prefix) = (text("name"), text("generateName"));
    if name.is_empty() && prefix.is_empty() {
        causes.push(Cause::required(
            "metadata.name",
            "name or generateName is required",
        ));
    }
    if !prefix.is_empty() {
        // The suffix makes an end of '-' good.
        if let Some(fault) = name_fault(&format!("{}x", prefix.trim_end_matches('-'))) {
            causes.push(Cause::invalid(
                "metadata.generateName",
                &prefix.into(),
                fault,
            ));
        }
    }
    if !name.is_empty()
        && let Some(fault) = name_fault(name)
    {
        causes.push(Cause::invalid("metadata.name", &name.into(), fault));
    }
    for (key, value) in metadata["labels"].as_object().into_iter().flatten() {
        if let Some(fault) = key_fault(key) {
            causes.push(Cause::invalid(
                "metadata.labels",
                &key.as_str().into(),
                fault,
            ));
        }
        if let Some(fault) = label_value_fault(value.as_str().unwrap_or_default()) {
            causes.push(Cause::invalid("metadata.labels", value, fault));
        }
    }
    let mut bytes = 0;
    for (key, value) in metadata["annotations"].as_object().into_iter().flatten() {
        bytes += key.len() + value.as_str().map_or(0, str::len);
        if let Some(fault) = key_fault(&key.to_lowercase()) {
            causes.push(Cause::invalid(
                "metadata.annotations",
                &key.as_str().into(),
                fault,
            ));
        }
    }
    if bytes > ANNOTATION_BYTES {
        causes.push(Cause::too_long(
            "metadata.annotations",
            &format!("may not be more than {ANNOTATION_BYTES} bytes"),
        ));
    }
    for (index, finalizer) in metadata["finalizers"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
    {
        let name = finalizer.as_str().unwrap_or_default();
        let good = name
            .split_once('/')
            .is_some_and(|(domain, rest)| subdomain_fault(domain).is_none() && !rest.is_empty());
        if !good && !matches!(name, "kubernetes" | "orphan" | "foregroundDeletion") {
            causes.push(Cause::invalid(
                format!("metadata.finalizers[{index}]"),
                finalizer,
                "a finalizer's name has a domain, as in example.com/name",
            ));
        }
    }
    causes
}
