//! Writes that are no applies: they take the fields that they change.

use serde_json::Value;

use super::entries::{Entry, Operation, read, write};
use super::fields::Fields;
use crate::local_cluster::api::update::Part;
use crate::local_cluster::objects::Resource;

/// Records that `manager` made `next` of `current` by changing one part of it. `claimed` are the records that came with the
/// write: a client may change them, as it does when it hands its fields to another manager.
pub(crate) fn track(
    resource: Resource,
    current: &Value,
    next: &mut Value,
    part: Part,
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
    let (before, after) = (
        Fields::of(resource, current, part),
        Fields::of(resource, next, part),
    );
    let mut touched = before.differing(current, next);
    touched.add(&after.differing(current, next));
    if touched.is_empty() {
        if claimed.is_some() {
            write(&entries, next);
        }
        return;
    }
    for entry in &mut entries {
        if !entry.is_of(manager, Operation::Update, part) {
            entry.fields.take_away(&touched);
        }
    }
    let gained = after.common(&touched);
    let own = entries
        .iter_mut()
        .find(|entry| entry.is_of(manager, Operation::Update, part));
    match own {
        Some(own) => {
            own.fields.take_away(&touched);
            own.fields.add(&gained);
        }
        None => entries.push(Entry::new(
            resource,
            manager,
            Operation::Update,
            part,
            gained,
        )),
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
            part: Part::Main,
            force: false,
        };
        first(Resource::ConfigMap, &one, &mut object);
        let mut next = object.clone();
        next["data"]["a"] = "changed".into();
        track(
            Resource::ConfigMap,
            &object,
            &mut next,
            Part::Main,
            None,
            "editor",
        );
        let refused = apply(Resource::ConfigMap, &next, &one, Ok).unwrap_err();
        assert!(
            refused.message.contains("\"editor\""),
            "{}",
            refused.message
        );
        let mut back = next.clone();
        back["data"]["a"] = "1".into();
        track(
            Resource::ConfigMap,
            &next,
            &mut back,
            Part::Main,
            None,
            "editor",
        );
        assert!(apply(Resource::ConfigMap, &back, &one, Ok).is_ok());
    }

    #[test]
    fn an_object_that_was_never_applied_has_no_records() {
        let before = json!({"metadata": {}, "data": {"a": "1"}});
        let mut next = json!({"metadata": {}, "data": {"a": "2"}});
        track(
            Resource::ConfigMap,
            &before,
            &mut next,
            Part::Main,
            None,
            "editor",
        );
        assert_eq!(next, json!({"metadata": {}, "data": {"a": "2"}}));
    }

    #[test]
    fn records_that_come_with_a_write_are_taken() {
        let mut object = json!({"metadata": {}, "data": {"a": "1"}});
        let wanted = object.clone();
        let one = Applied {
            wanted: &wanted,
            manager: "one",
            part: Part::Main,
            force: false,
        };
        first(Resource::ConfigMap, &one, &mut object);
        let mut next = object.clone();
        let none = json!([{}]);
        track(
            Resource::ConfigMap,
            &object,
            &mut next,
            Part::Main,
            Some(&none),
            "two",
        );
        assert!(next["metadata"].get("managedFields").is_none());
    }

    #[test]
    fn a_status_has_owners_of_its_own() {
        let mut object = json!({"metadata": {}, "status": {"phase": "Pending"}});
        let labels = json!({"metadata": {"labels": {"a": "1"}}});
        let one = Applied {
            wanted: &labels,
            manager: "one",
            part: Part::Main,
            force: false,
        };
        object["metadata"] = labels["metadata"].clone();
        first(Resource::Pod, &one, &mut object);
        let mut next = object.clone();
        next["status"]["phase"] = "Running".into();
        track(Resource::Pod, &object, &mut next, Part::Status, None, "one");
        let managed = &next["metadata"]["managedFields"];
        assert_eq!(managed[0].get("subresource"), None);
        assert_eq!(managed[1]["subresource"], "status");
        assert_eq!(managed[1]["operation"], "Update");
        assert_eq!(managed[1]["fieldsV1"], json!({"f:status": {"f:phase": {}}}));
        let status = json!({"status": {"phase": "Failed", "reason": "Why"}});
        let mut two = Applied {
            wanted: &status,
            manager: "two",
            part: Part::Status,
            force: false,
        };
        let refused = apply(Resource::Pod, &next, &two, Ok).unwrap_err();
        let owner = "conflict with \"one\" with subresource \"status\"";
        assert!(refused.message.contains(owner), "{}", refused.message);
        two.force = true;
        let forced = apply(Resource::Pod, &next, &two, Ok).unwrap();
        assert_eq!(forced["status"], status["status"]);
        let managed = forced["metadata"]["managedFields"].as_array().unwrap();
        // Its only field of the status is lost, that of the object is not.
        assert_eq!(managed.len(), 2);
        assert_eq!(
            managed[0]["fieldsV1"],
            object["metadata"]["managedFields"][0]["fieldsV1"]
        );
        assert_eq!(
            (&managed[1]["manager"], &managed[1]["subresource"]),
            (&json!("two"), &json!("status"))
        );
    }
}
