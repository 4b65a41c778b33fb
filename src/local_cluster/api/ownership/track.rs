//! Writes that are no applies: they take the fields that they change.

use serde_json::Value;

use super::entries::{Entry, Operation, read, write};
use super::fields::Fields;
use crate::local_cluster::objects::Resource;

/// Records that `manager` made `next` of `current`. `claimed` are the records that came with the
/// write: a client may change them, as it does when it hands its fields to another manager.
pub(crate) fn track(
    resource: Resource,
    current: &Value,
    next: &mut Value,
    claimed: Option<&Value>,
    manager: &str,
) {
    let recorded = &current["metadata"]["managedFields"];
    let claimed = claimed.filter(|claimed| claimed.is_array());
    if recorded.is_null() && claimed.is_none() {
        return;
    }
    let mut entries = read(claimed.unwrap_or(recorded));
    if entries.is_empty() {
        // The client wants no records.
        write(&[], next);
        return;
    }
    let (before, after) = (Fields::of(resource, current), Fields::of(resource, next));
    let mut touched = before.differing(current, next);
    touched.add(&after.differing(current, next));
    if touched.is_empty() {
        if claimed.is_some() {
            write(&entries, next);
        }
        return;
    }
    for entry in &mut entries {
        if !entry.is_of(manager, Operation::Update) {
            entry.fields.take_away(&touched);
        }
    }
    let gained = after.common(&touched);
    let own = entries
        .iter_mut()
        .find(|entry| entry.is_of(manager, Operation::Update));
    match own {
        Some(own) => {
            own.fields.take_away(&touched);
            own.fields.add(&gained);
        }
        None => entries.push(Entry::new(resource, manager, Operation::Update, gained)),
    }
    write(&entries, next);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Applied, apply, first};
    use super::*;

    #[test]
    fn who_changes_an_applied_field_owns_it() {
        let mut object = json!({"metadata": {"name": "m"}, "data": {"a": "1", "b": "2"}});
        let wanted = object.clone();
        let one = Applied {
            wanted: &wanted,
            manager: "one",
            force: false,
        };
        first(Resource::ConfigMap, &one, &mut object);
        let mut next = object.clone();
        next["data"]["a"] = "changed".into();
        track(Resource::ConfigMap, &object, &mut next, None, "editor");
        let refused = apply(Resource::ConfigMap, &next, &one, Ok).unwrap_err();
        assert!(
            refused.message.contains("\"editor\""),
            "{}",
            refused.message
        );
        let mut back = next.clone();
        back["data"]["a"] = "1".into();
        track(Resource::ConfigMap, &next, &mut back, None, "editor");
        assert!(apply(Resource::ConfigMap, &back, &one, Ok).is_ok());
    }

    #[test]
    fn an_object_that_was_never_applied_has_no_records() {
        let before = json!({"metadata": {}, "data": {"a": "1"}});
        let mut next = json!({"metadata": {}, "data": {"a": "2"}});
        track(Resource::ConfigMap, &before, &mut next, None, "editor");
        assert_eq!(next, json!({"metadata": {}, "data": {"a": "2"}}));
    }

    #[test]
    fn records_that_come_with_a_write_are_taken() {
        let mut object = json!({"metadata": {}, "data": {"a": "1"}});
        let wanted = object.clone();
        let one = Applied {
            wanted: &wanted,
            manager: "one",
            force: false,
        };
        first(Resource::ConfigMap, &one, &mut object);
        let mut next = object.clone();
        let none = json!([{}]);
        track(Resource::ConfigMap, &object, &mut next, Some(&none), "two");
        assert!(next["metadata"].get("managedFields").is_none());
    }
}
