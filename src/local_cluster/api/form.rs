//! Objects in the forms that clients ask for: whole, metadata alone, rows of a table.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::table;
use super::target::Collection;
use crate::local_cluster::objects::{Object, Resource};

/// `kind` and `apiVersion` of the collection's objects, in the group that was asked for.
pub(crate) fn kind_and_version(collection: &Collection) -> (&'static str, &'static str) {
    if collection.events_group {
        ("Event", "events.k8s.io/v1")
    } else {
        (
            collection.resource.kind(),
            collection.resource.api_version(),
        )
    }
}

/// An object as the group that was asked for shows it.
pub(crate) fn shown<'a>(collection: &Collection, object: &'a Value) -> Cow<'a, Value> {
    if collection.events_group {
        Cow::Owned(grouped_event(object))
    } else {
        Cow::Borrowed(object)
    }
}

/// An event in the form of the `events.k8s.io` group.
pub(crate) fn grouped_event(event: &Value) -> Value {
    let mut grouped = json!({"kind": "Event", "apiVersion": "events.k8s.io/v1"});
    for (to, from) in [
        ("metadata", "metadata"),
        ("eventTime", "eventTime"),
        ("series", "series"),
        ("reportingController", "reportingComponent"),
        ("reportingInstance", "reportingInstance"),
        ("action", "action"),
        ("reason", "reason"),
        ("regarding", "involvedObject"),
        ("related", "related"),
        ("note", "message"),
        ("type", "type"),
        ("deprecatedSource", "source"),
        ("deprecatedFirstTimestamp", "firstTimestamp"),
        ("deprecatedLastTimestamp", "lastTimestamp"),
        ("deprecatedCount", "count"),
    ] {
        if let Some(value) = event.get(from) {
            grouped[to] = value.clone();
        }
    }
    grouped
}

/// An object's metadata alone.
pub(crate) fn metadata(object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": object["metadata"],
    })
}

/// Writes an object as an item of a list: without `kind` and `apiVersion`.
pub(crate) fn write_item(out: &mut Vec<u8>, object: &Value) {
    let Some(members) = object.as_object() else {
        out.extend_from_slice(b"{}");
        return;
    };
    out.push(b'{');
    let mut first = true;
    for (name, value) in members {
        if matches!(name.as_str(), "kind" | "apiVersion") {
            continue;
        }
        if !first {
            out.push(b',');
        }
        first = false;
        write_json(out, name);
        out.push(b':');
        write_json(out, value);
    }
    out.push(b'}');
}

/// An item of a list in two pieces of what is already written, if it begins as most objects do:
/// with `kind` and `apiVersion`, which an item goes without.
pub(crate) fn written_item<'a>(
    collection: &Collection,
    object: &'a Object,
) -> Option<(&'static [u8], &'a [u8])> {
    if collection.events_group {
        return None;
    }
    let (kind, version) = kind_and_version(collection);
    let head = |first: &str, second: &str| format!("{{{first},{second},");
    let (kind, version) = (
        format!("\"kind\":\"{kind}\""),
        format!("\"apiVersion\":\"{version}\""),
    );
    let json = object.json();
    json.strip_prefix(head(&kind, &version).as_bytes())
        .or_else(|| json.strip_prefix(head(&version, &kind).as_bytes()))
        .map(|rest| (b"{".as_slice(), rest))
}

/// Appends a value as JSON.
pub(crate) fn write_json(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    // Neither a vector nor a JSON value can fail to be written.
    let _ = serde_json::to_writer(out, value);
}

/// The object of a BOOKMARK: a version and nothing else, in the shape of its kind.
pub(crate) fn bookmark(collection: &Collection, version: u64, end_of_initial: bool) -> Value {
    let (kind, api_version) = kind_and_version(collection);
    let mut bookmark = json!({
        "kind": kind,
        "apiVersion": api_version,
        "metadata": {"resourceVersion": version.to_string()},
    });
    if end_of_initial {
        bookmark["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
    }
    match collection.resource {
        Resource::Pod => {
            bookmark["spec"] = json!({"containers": null});
            bookmark["status"] = json!({});
        }
        Resource::Namespace | Resource::Node => {
            bookmark["spec"] = json!({});
            bookmark["status"] = json!({});
        }
        Resource::Lease => bookmark["spec"] = json!({}),
        Resource::Event | Resource::Secret | Resource::ConfigMap | Resource::ServiceAccount => {}
        Resource::Role | Resource::ClusterRole => bookmark["rules"] = Value::Null,
        Resource::RoleBinding | Resource::ClusterRoleBinding => {
            bookmark["roleRef"] = json!({"apiGroup": "", "kind": "", "name": ""});
        }
    }
    bookmark
}

/// The columns in which a kind is shown.
pub(crate) struct Columns(Resource);

impl Columns {
    pub fn of(resource: Resource) -> Self {
        Self(resource)
    }

    /// A table of `objects`.
    pub fn table(
        &self,
        metadata: Value,
        objects: &[Object],
        include_object: Option<&str>,
    ) -> Value {
        let rows: Vec<Value> = objects
            .iter()
            // Each row's tree goes with the row.
            .map(|object| self.row(&object.packed(), include_object))
            .collect();
        json!({
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata,
            "columnDefinitions": table::columns(self.0),
            "rows": rows,
        })
    }

    /// A table of one object, as a watch sends it.
    pub fn single(&self, object: &Object, include_object: Option<&str>) -> Value {
        let version = object.version().to_string();
        self.table(
            json!({"resourceVersion": version}),
            std::slice::from_ref(object),
            include_object,
        )
    }

    fn row(&self, object: &Value, include_object: Option<&str>) -> Value {
        let mut row = Map::new();
        row.insert("cells".into(), Value::Array(table::cells(self.0, object)));
        if let Some(condition) = table::condition(self.0, object) {
            row.insert("conditions".into(), json!([condition]));
        }
        match include_object {
            Some("None") => {
                row.insert("object".into(), Value::Null);
            }
            Some("Object") => {
                row.insert("object".into(), object.clone());
            }
            Some(_) | None => {
                row.insert("object".into(), metadata(object));
            }
        }
        Value::Object(row)
    }
}
