//! Sets of fields, as `FieldsV1` writes them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::local_cluster::api::strategic::{Key, merge_key};
use crate::local_cluster::api::update::Part;
use crate::local_cluster::objects::Resource;

/// One step of the way to a field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// A member of an object.
    Member(String),
    /// The item of a list whose key has this value.
    Item { key: String, value: String },
    /// An item of a list that is a set.
    Value(String),
}

/// A set of fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fields(BTreeMap<Step, Field>);

/// What of one field is in the set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Field {
    /// The field itself.
    itself: bool,
    inside: Fields,
}

impl Fields {
    /// The fields of one part of `value`, which is a whole object of `resource`, but for those that
    /// the server alone writes.
    pub fn of(resource: Resource, value: &Value, part: Part) -> Self {
        if part == Part::Status {
            let status = value.get("status").filter(|status| status.is_object());
            let only = status.map_or_else(|| json!({}), |status| json!({"status": status}));
            return Self::inside(resource, &only, "");
        }
        let mut value = value.clone();
        if let Some(object) = value.as_object_mut() {
            for member in ["apiVersion", "kind", "status"] {
                object.shift_remove(member);
            }
            if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.retain(|member, _| {
                    matches!(
                        member.as_str(),
                        "labels" | "annotations" | "finalizers" | "ownerReferences"
                    )
                });
                if metadata.is_empty() {
                    object.shift_remove("metadata");
                }
            }
        }
        Self::inside(resource, &value, "")
    }

    fn inside(resource: Resource, value: &Value, path: &str) -> Self {
        let mut all = BTreeMap::new();
        for (member, value) in value.as_object().into_iter().flatten() {
            let path = join(path, member);
            all.insert(Step::Member(member.clone()), field(resource, value, &path));
        }
        Self(all)
    }

    /// Reads `FieldsV1`.
    pub fn parse(written: &Value) -> Self {
        let mut all = BTreeMap::new();
        for (name, inside) in written.as_object().into_iter().flatten() {
            let Some(step) = Step::parse(name) else {
                continue;
            };
            let inside_fields = Self::parse(inside);
            let itself = inside.get(".").is_some() || inside_fields.is_empty();
            all.insert(
                step,
                Field {
                    itself,
                    inside: inside_fields,
                },
            );
        }
        Self(all)
    }

    /// As `FieldsV1`.
    pub fn written(&self) -> Value {
        let mut all = Map::new();
        for (step, field) in &self.0 {
            let mut inside = field.inside.written();
            if field.itself && !field.inside.is_empty() {
                inside["."] = Value::Object(Map::new());
            }
            all.insert(step.written(), inside);
        }
        Value::Object(all)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds all fields of `other`.
    pub fn add(&mut self, other: &Self) {
        for (step, field) in &other.0 {
            let own = self.0.entry(step.clone()).or_default();
            own.itself |= field.itself;
            own.inside.add(&field.inside);
        }
    }

    /// Takes away all fields of `other`.
    pub fn take_away(&mut self, other: &Self) {
        for (step, field) in &other.0 {
            if let Some(own) = self.0.get_mut(step) {
                own.itself &= !field.itself;
                own.inside.take_away(&field.inside);
            }
        }
        self.0
            .retain(|_, field| field.itself || !field.inside.is_empty());
    }

    /// The fields that are in `other` too.
    pub fn common(&self, other: &Self) -> Self {
        let mut all = BTreeMap::new();
        for (step, field) in &self.0 {
            let Some(theirs) = other.0.get(step) else {
                continue;
            };
            let field = Field {
                itself: field.itself && theirs.itself,
                inside: field.inside.common(&theirs.inside),
            };
            if field.itself || !field.inside.is_empty() {
                all.insert(step.clone(), field);
            }
        }
        Self(all)
    }

    /// The fields whose value in `one` is not that in `other`.
    pub fn differing(&self, one: &Value, other: &Value) -> Self {
        let mut all = BTreeMap::new();
        for (step, field) in &self.0 {
            let (one, other) = (step.find(one), step.find(other));
            let inside = field.inside.differing(one, other);
            // A list's item, or a map, differs only in what is in it, unless it is not there.
            let maps = one.is_object() && other.is_object();
            let compared = if field.inside.is_empty() && !maps {
                one != other
            } else {
                one.is_null() != other.is_null()
            };
            let itself = field.itself && compared;
            if itself || !inside.is_empty() {
                all.insert(step.clone(), Field { itself, inside });
            }
        }
        Self(all)
    }

    /// Removes these fields from `value`, but for what `kept` holds.
    pub fn remove_from(&self, value: &mut Value, kept: &Self) {
        for (step, field) in &self.0 {
            let theirs = kept.0.get(step);
            if field.itself && theirs.is_none() {
                step.remove_from(value);
                continue;
            }
            if let Some(inside) = step.find_mut(value) {
                let nothing = Self::default();
                let theirs = theirs.map_or(&nothing, |field| &field.inside);
                field.inside.remove_from(inside, theirs);
            }
        }
    }

    /// The paths of the fields, as messages name them.
    pub fn paths(&self) -> Vec<String> {
        let mut all = Vec::new();
        for (step, field) in &self.0 {
            let own = step.shown();
            // What holds other fields is named by them.
            if field.itself && field.inside.is_empty() {
                all.push(own.clone());
            }
            all.extend(
                field
                    .inside
                    .paths()
                    .iter()
                    .map(|path| format!("{own}{path}")),
            );
        }
        all
    }
}

fn field(resource: Resource, value: &Value, path: &str) -> Field {
    let leaf = Field {
        itself: true,
        inside: Fields::default(),
    };
    match value {
        Value::Object(members) if !members.is_empty() => Field {
            itself: false,
            inside: Fields::inside(resource, value, path),
        },
        Value::Array(items) => match merge_key(resource, path) {
            Some(key) if !items.is_empty() => Field {
                itself: false,
                inside: Fields(
                    items
                        .iter()
                        .map(|item| {
                            let mut field = match key {
                                Key::Member(_) => field(resource, item, path),
                                Key::Itself => leaf.clone(),
                            };
                            field.itself = true;
                            (Step::of_item(key, item), field)
                        })
                        .collect(),
                ),
            },
            Some(_) | None => leaf,
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            leaf
        }
    }
}

fn join(path: &str, member: &str) -> String {
    if path.is_empty() {
        member.to_owned()
    } else {
        format!("{path}.{member}")
    }
}

fn written(value: &Value) -> String {
    value.to_string()
}

impl Step {
    fn of_item(key: Key, item: &Value) -> Self {
        match key {
            Key::Member(key) => Self::Item {
                key: key.to_owned(),
                value: written(&item[key]),
            },
            Key::Itself => Self::Value(written(item)),
        }
    }

    fn parse(name: &str) -> Option<Self> {
        let (kind, rest) = name.split_once(':')?;
        match kind {
            "f" => Some(Self::Member(rest.to_owned())),
            "v" => Some(Self::Value(rest.to_owned())),
            "k" => {
                let keys: Map<String, Value> = serde_json::from_str(rest).ok()?;
                // Lists here have one key; a second one that others write is not told apart.
                let (key, value) = keys.iter().next()?;
                Some(Self::Item {
                    key: key.clone(),
                    value: written(value),
                })
            }
            _ => None,
        }
    }

    fn written(&self) -> String {
        match self {
            Self::Member(name) => format!("f:{name}"),
            Self::Item { key, value } => format!("k:{{{key:?}:{value}}}"),
            Self::Value(value) => format!("v:{value}"),
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Member(name) => format!(".{name}"),
            Self::Item { key, value } => format!("[{key}={value}]"),
            Self::Value(value) => format!("[={value}]"),
        }
    }

    fn is(&self, item: &Value) -> bool {
        match self {
            Self::Member(_) => false,
            Self::Item { key, value } => written(&item[key]) == *value,
            Self::Value(value) => written(item) == *value,
        }
    }

    fn find<'a>(&self, value: &'a Value) -> &'a Value {
        let found = match self {
            Self::Member(name) => value.get(name),
            Self::Item { .. } | Self::Value(_) => value
                .as_array()
                .and_then(|items| items.iter().find(|item| self.is(item))),
        };
        found.unwrap_or(&Value::Null)
    }

    fn find_mut<'a>(&self, value: &'a mut Value) -> Option<&'a mut Value> {
        match self {
            Self::Member(name) => value.get_mut(name),
            Self::Item { .. } | Self::Value(_) => value
                .as_array_mut()
                .and_then(|items| items.iter_mut().find(|item| self.is(item))),
        }
    }

    fn remove_from(&self, value: &mut Value) {
        match (self, value) {
            (Self::Member(name), Value::Object(members)) => {
                members.shift_remove(name);
            }
            (Self::Item { .. } | Self::Value(_), Value::Array(items)) => {
                items.retain(|item| !self.is(item));
            }
            (Self::Member(_) | Self::Item { .. } | Self::Value(_), _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod() -> Value {
        json!({
            "kind": "Pod",
            "metadata": {"name": "a", "labels": {"app": "x"}, "finalizers": ["a/b"]},
            "spec": {"containers": [{"name": "base", "args": ["x"], "env": [{"name": "A", "value": "1"}]}]},
            "status": {"phase": "Running"},
        })
    }

    #[test]
    fn fields_are_written_as_the_api_writes_them_and_read_again() {
        let fields = Fields::of(Resource::Pod, &pod(), Part::Main);
        let written = json!({
            "f:metadata": {"f:labels": {"f:app": {}}, "f:finalizers": {"v:\"a/b\"": {}}},
            "f:spec": {"f:containers": {"k:{\"name\":\"base\"}": {
                ".": {}, "f:name": {}, "f:args": {},
                "f:env": {"k:{\"name\":\"A\"}": {".": {}, "f:name": {}, "f:value": {}}},
            }}},
        });
        assert_eq!(fields.written(), written);
        assert_eq!(Fields::parse(&written), fields);
        assert!(
            fields
                .paths()
                .contains(&".spec.containers[name=\"base\"].env[name=\"A\"].value".to_owned())
        );
    }

    #[test]
    fn what_differs_is_told_and_what_is_removed_spares_what_others_own() {
        let fields = Fields::of(Resource::Pod, &pod(), Part::Main);
        let mut other = pod();
        other["metadata"]["labels"]["app"] = "y".into();
        other["spec"]["containers"][0]["env"][0]["value"] = "2".into();
        let differing = fields.differing(&pod(), &other);
        assert_eq!(
            differing.paths(),
            [
                ".metadata.labels.app",
                ".spec.containers[name=\"base\"].env[name=\"A\"].value",
            ]
        );
        let label = json!({"metadata": {"labels": {"app": "x"}}});
        fields.remove_from(&mut other, &Fields::of(Resource::Pod, &label, Part::Main));
        assert_eq!(other["metadata"]["labels"], json!({"app": "y"}));
        assert_eq!(other["spec"]["containers"], json!([]));
    }
}
