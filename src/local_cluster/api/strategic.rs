//! Strategic merge: a merge patch in which lists of named things are merged by name.

use serde_json::{Map, Value};

use crate::local_cluster::objects::Resource;

/// Merges `patch` into `object`.
pub(crate) fn merge(resource: Resource, object: &mut Value, patch: &Value) {
    merge_at(resource, object, patch, "");
}

/// By which member the items of the list at `path` are told apart; none for a list that is
/// replaced as a whole. Paths are written without indices.
pub(super) fn merge_key(resource: Resource, path: &str) -> Option<Key> {
    if matches!(path, "metadata.ownerReferences") {
        return Some(Key::Member("uid"));
    }
    if matches!(path, "metadata.finalizers") {
        return Some(Key::Itself);
    }
    let path = match resource {
        Resource::Pod => path,
        Resource::ServiceAccount => {
            return matches!(path, "secrets" | "imagePullSecrets").then_some(Key::Member("name"));
        }
        Resource::Node => {
            return match path {
                "status.conditions" => Some(Key::Member("type")),
                "status.addresses" => Some(Key::Member("type")),
                _ => None,
            };
        }
        Resource::Namespace => {
            return (path == "status.conditions").then_some(Key::Member("type"));
        }
        Resource::Event
        | Resource::Secret
        | Resource::ConfigMap
        | Resource::Lease
        | Resource::Role
        | Resource::RoleBinding
        | Resource::ClusterRole
        | Resource::ClusterRoleBinding => return None,
    };
    let inner = ["containers", "initContainers", "ephemeralContainers"]
        .into_iter()
        .find_map(|list| path.strip_prefix(&format!("spec.{list}.")));
    if let Some(inner) = inner {
        return match inner {
            "env" => Some(Key::Member("name")),
            "ports" => Some(Key::Member("containerPort")),
            "volumeMounts" => Some(Key::Member("mountPath")),
            "volumeDevices" => Some(Key::Member("devicePath")),
            _ => None,
        };
    }
    match path {
        "spec.containers"
        | "spec.initContainers"
        | "spec.ephemeralContainers"
        | "spec.volumes"
        | "spec.imagePullSecrets" => Some(Key::Member("name")),
        "spec.hostAliases" | "status.podIPs" | "status.hostIPs" => Some(Key::Member("ip")),
        "spec.topologySpreadConstraints" => Some(Key::Member("topologyKey")),
        "status.conditions" => Some(Key::Member("type")),
        _ => None,
    }
}

/// How the items of a list are told apart.
#[derive(Clone, Copy)]
pub(super) enum Key {
    /// Items are objects, told apart by this member.
    Member(&'static str),
    /// Items are plain values: the list is a set.
    Itself,
}

fn merge_at(resource: Resource, target: &mut Value, patch: &Value, path: &str) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if patch.get("$patch").and_then(Value::as_str) == Some("replace") {
        let mut whole = patch.clone();
        whole.shift_remove("$patch");
        *target = Value::Object(whole);
        return;
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(members) = target.as_object_mut() else {
        return;
    };
    for (name, value) in patch {
        if let Some(list) = name.strip_prefix("$deleteFromPrimitiveList/") {
            remove_items(members.get_mut(list), value);
            continue;
        }
        if let Some(kept) = name.strip_prefix("$retainKeys") {
            if kept.is_empty() {
                retain(members, value);
            }
            continue;
        }
        if name.starts_with('$') && name != "$patch" {
            // The order of a list's items is not kept apart.
            continue;
        }
        if name == "$patch" {
            continue;
        }
        let inner = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        match value {
            Value::Null => {
                members.shift_remove(name);
            }
            Value::Object(inside)
                if inside.get("$patch").and_then(Value::as_str) == Some("delete") =>
            {
                members.shift_remove(name);
            }
            Value::Object(_) => {
                let slot = members.entry(name).or_insert(Value::Null);
                merge_at(resource, slot, value, &inner);
            }
            Value::Array(items) => match merge_key(resource, &inner) {
                Some(key) => {
                    let slot = members
                        .entry(name)
                        .or_insert_with(|| Value::Array(Vec::new()));
                    merge_list(resource, slot, items, key, &inner);
                }
                None => {
                    members.insert(name.clone(), value.clone());
                }
            },
            Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                members.insert(name.clone(), value.clone());
            }
        }
    }
}

fn merge_list(resource: Resource, target: &mut Value, items: &[Value], key: Key, path: &str) {
    if !target.is_array() {
        *target = Value::Array(Vec::new());
    }
    let Some(list) = target.as_array_mut() else {
        return;
    };
    let directive = |item: &Value| {
        item.get("$patch")
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    if items
        .iter()
        .any(|item| directive(item).as_deref() == Some("replace"))
    {
        *list = items
            .iter()
            .filter(|item| directive(item).is_none())
            .cloned()
            .collect();
        return;
    }
    for item in items {
        match key {
            Key::Itself => {
                if !list.contains(item) {
                    list.push(item.clone());
                }
            }
            Key::Member(member) => {
                let same = |found: &Value| found.get(member) == item.get(member);
                if directive(item).as_deref() == Some("delete") {
                    list.retain(|found| !same(found));
                } else if let Some(found) = list.iter_mut().find(|found| same(found)) {
                    merge_at(resource, found, item, path);
                } else {
                    let mut new = Value::Null;
                    merge_at(resource, &mut new, item, path);
                    list.push(new);
                }
            }
        }
    }
}

fn remove_items(list: Option<&mut Value>, items: &Value) {
    if let Some(list) = list.and_then(Value::as_array_mut) {
        let gone = items.as_array().cloned().unwrap_or_default();
        list.retain(|item| !gone.contains(item));
    }
}

fn retain(members: &mut Map<String, Value>, names: &Value) {
    let names = names.as_array().cloned().unwrap_or_default();
    members.retain(|member, _| names.iter().any(|name| name == member.as_str()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_of_named_things_are_merged_by_name() {
        let mut pod = json!({"spec": {"containers": [
            {"name": "base", "image": "a", "env": [{"name": "A", "value": "1"}], "args": ["x", "y"]},
            {"name": "two", "image": "b"},
        ]}});
        merge(
            Resource::Pod,
            &mut pod,
            &json!({"spec": {"$setElementOrder/containers": [], "containers": [
                {"name": "base", "image": "c", "env": [{"name": "B", "value": "2"}], "args": ["z"]},
                {"name": "two", "$patch": "delete"},
                {"name": "three", "image": "d"},
            ]}}),
        );
        assert_eq!(
            pod["spec"]["containers"],
            json!([
                {"name": "base", "image": "c",
                 "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                 "args": ["z"]},
                {"name": "three", "image": "d"},
            ])
        );
    }

    #[test]
    fn null_removes_and_finalizers_are_a_set() {
        let mut pod = json!({"metadata": {"labels": {"a": "1", "b": "2"}, "finalizers": ["x/y"]}});
        merge(
            Resource::Pod,
            &mut pod,
            &json!({"metadata": {"labels": {"a": null}, "finalizers": ["x/z"]}}),
        );
        assert_eq!(
            pod,
            json!({"metadata": {"labels": {"b": "2"}, "finalizers": ["x/y", "x/z"]}})
        );
        merge(
            Resource::Pod,
            &mut pod,
            &json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["x/y"]}}),
        );
        assert_eq!(pod["metadata"]["finalizers"], json!(["x/z"]));
    }
}
