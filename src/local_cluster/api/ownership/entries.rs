//! The records of owners in an object's metadata.

use serde_json::{Value, json};

use super::fields::Fields;
use crate::local_cluster::api::update::Part;
use crate::local_cluster::objects::{Resource, now};

/// How an owner wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Apply,
    Update,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// What one owner owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub manager: String,
    pub operation: Operation,
    /// Of a part of the object that is written for itself, such as its status.
    pub subresource: Option<String>,
    pub version: String,
    pub time: Option<String>,
    pub fields: Fields,
}

impl Entry {
    pub fn new(
        resource: Resource,
        manager: &str,
        operation: Operation,
        part: Part,
        fields: Fields,
    ) -> Self {
        Self {
            manager: manager.to_owned(),
            operation,
            subresource: subresource(part).map(str::to_owned),
            version: resource.api_version().to_owned(),
            time: Some(now()),
            fields,
        }
    }

    /// Whether writes of `manager` to one part by `operation` are recorded here.
    pub fn is_of(&self, manager: &str, operation: Operation, part: Part) -> bool {
        self.manager == manager
            && self.operation == operation
            && self.subresource.as_deref() == subresource(part)
    }

    fn parse(written: &Value) -> Option<Self> {
        let text = |member: &str| written[member].as_str().map(str::to_owned);
        Some(Self {
            manager: text("manager")?,
            operation: match written["operation"].as_str()? {
                "Apply" => Operation::Apply,
                _ => Operation::Update,
            },
            subresource: text("subresource").filter(|name| !name.is_empty()),
            version: text("apiVersion").unwrap_or_default(),
            time: text("time"),
            fields: Fields::parse(&written["fieldsV1"]),
        })
    }

    fn written(&self) -> Value {
        let mut written = json!({
            "manager": self.manager,
            "operation": self.operation.name(),
            "apiVersion": self.version,
        });
        if let Some(time) = &self.time {
            written["time"] = time.as_str().into();
        }
        written["fieldsType"] = "FieldsV1".into();
        written["fieldsV1"] = self.fields.written();
        if let Some(subresource) = &self.subresource {
            written["subresource"] = subresource.as_str().into();
        }
        written
    }
}

/// How records name a part of an object that is written for itself.
fn subresource(part: Part) -> Option<&'static str> {
    match part {
        Part::Main => None,
        Part::Status => Some("status"),
    }
}

/// The records that `metadata.managedFields` holds.
pub(super) fn read(managed: &Value) -> Vec<Entry> {
    managed
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Entry::parse)
        .collect()
}

/// Puts records into an object; those of owners that own nothing are left out.
pub(super) fn write(entries: &[Entry], object: &mut Value) {
    let written: Vec<Value> = entries
        .iter()
        .filter(|entry| !entry.fields.is_empty())
        .map(Entry::written)
        .collect();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        if written.is_empty() {
            metadata.shift_remove("managedFields");
        } else {
            metadata.insert("managedFields".to_owned(), written.into());
        }
    }
}
