//! The types of the Kubernetes API as far as a pod reaches: which keys an object may hold and what
//! each of them may be.
//!
//! Read once from the schemas that `k8s-openapi` generates for its types, because those types
//! themselves skip unknown keys without a word.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use k8s_openapi::api::core::v1::Pod;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value};

use super::problem::{Problems, child, element};
use super::yaml::{Content, Node};

/// What a value may be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    Text,
    /// Text that is a date or a moment. It keeps its form.
    Time,
    /// Text, or a number that is written as text.
    Quantity,
    IntegerOrText,
    Integer {
        min: i64,
        max: i64,
    },
    Number,
    Boolean,
    List(Box<Shape>),
    /// Free keys, values of one shape.
    Map(Box<Shape>),
    /// An object of the API, by the name of its type.
    Object(String),
    Anything,
}

#[derive(Debug, Default)]
pub(super) struct ObjectType {
    pub(super) fields: BTreeMap<String, Shape>,
    required: Vec<String>,
}

pub(super) struct Api {
    pub(super) types: HashMap<String, ObjectType>,
}

pub(super) static API: LazyLock<Api> = LazyLock::new(Api::from_generated);

const DEFINITIONS: &str = "#/$defs/";

/// The full name of a type of the core group, such as `Volume`.
pub(crate) fn core_type(name: &str) -> String {
    format!("io.k8s.api.core.v1.{name}")
}

/// Reads `node` as an object of the API type `type_name`.
///
/// The result has no null members except in free maps. Whatever does not fit goes to `problems`.
pub(crate) fn read_object(
    node: &Node,
    type_name: &str,
    path: &str,
    problems: &mut Problems,
) -> Value {
    API.object(node, type_name, path, problems)
}

/// The schemas of the API types, for the schema of the task file.
pub(crate) fn definitions() -> Map<String, Value> {
    let mut generator = SchemaGenerator::default();
    generator.subschema_for::<Pod>();
    let _ = Pod::json_schema(&mut generator);
    generator.take_definitions(true)
}

impl Api {
    fn from_generated() -> Self {
        let mut api = Self {
            types: HashMap::new(),
        };
        for (name, schema) in definitions() {
            // Types that are not objects (Time, Quantity, IntOrString) are found by their
            // schema where they are used.
            let shape = ObjectType {
                fields: schema["properties"]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(key, schema)| (key.clone(), shape(schema)))
                    .collect(),
                required: required(&name, &schema),
            };
            api.types.insert(name, shape);
        }
        api
    }

    fn object(&self, node: &Node, type_name: &str, path: &str, problems: &mut Problems) -> Value {
        let Content::Mapping(entries) = &node.content else {
            problems.wrong_type(node, path, "a mapping");
            return Value::Null;
        };
        let Some(object) = self.types.get(type_name) else {
            // A type without keys of its own: anything goes.
            return node.to_value();
        };
        let mut map = Map::new();
        for entry in entries {
            let Some(shape) = object.fields.get(&entry.key) else {
                let known = object.fields.keys().map(String::as_str);
                problems.unknown(entry, child(path, &entry.key), "field", known);
                continue;
            };
            if entry.value.content == Content::Null {
                continue;
            }
            let value = self.value(&entry.value, shape, &child(path, &entry.key), problems);
            map.insert(entry.key.clone(), value);
        }
        for key in &object.required {
            let present = entries
                .iter()
                .any(|entry| entry.key == *key && entry.value.content != Content::Null);
            if !present {
                problems.push(node.position, child(path, key), "is required here");
            }
        }
        Value::Object(map)
    }

    fn value(&self, node: &Node, shape: &Shape, path: &str, problems: &mut Problems) -> Value {
        match (shape, &node.content) {
            (Shape::Object(name), _) => self.object(node, name, path, problems),
            (Shape::List(item), Content::List(items)) => items
                .iter()
                .enumerate()
                .map(|(index, node)| self.value(node, item, &element(path, index), problems))
                .collect(),
            (Shape::Map(item), Content::Mapping(entries)) => entries
                .iter()
                .map(|entry| {
                    let value = if entry.value.content == Content::Null {
                        Value::Null
                    } else {
                        self.value(&entry.value, item, &child(path, &entry.key), problems)
                    };
                    (entry.key.clone(), value)
                })
                .collect::<Map<_, _>>()
                .into(),
            (Shape::Quantity, Content::Number(number)) => number.to_string().into(),
            (Shape::Time, Content::Text(text)) => {
                if !is_time(text) {
                    problems.wrong_type(node, path, shape.wanted());
                }
                node.to_value()
            }
            (Shape::Integer { min, max }, Content::Number(number)) => {
                match number.as_i64() {
                    Some(whole) if (*min..=*max).contains(&whole) => {}
                    Some(_) => problems.push(
                        node.position,
                        path,
                        format!("must be between {min} and {max}, found {number}"),
                    ),
                    None => problems.wrong_type(node, path, "a whole number"),
                }
                node.to_value()
            }
            (Shape::Text | Shape::Quantity | Shape::IntegerOrText, Content::Text(_))
            | (Shape::Number | Shape::IntegerOrText, Content::Number(_))
            | (Shape::Boolean, Content::Boolean(_))
            | (Shape::Anything, _) => node.to_value(),
            (
                Shape::Text
                | Shape::Time
                | Shape::Quantity
                | Shape::IntegerOrText
                | Shape::Integer { .. }
                | Shape::Number
                | Shape::Boolean
                | Shape::List(_)
                | Shape::Map(_),
                Content::Null
                | Content::Boolean(_)
                | Content::Number(_)
                | Content::Text(_)
                | Content::List(_)
                | Content::Mapping(_),
            ) => {
                problems.wrong_type(node, path, shape.wanted());
                Value::Null
            }
        }
    }
}

impl Shape {
    fn wanted(&self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Time => "a time such as 2026-01-02T03:04:05Z",
            Self::Quantity => "a quantity such as 500m or 1Gi",
            Self::IntegerOrText => "a whole number or text",
            Self::Integer { .. } => "a whole number",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::List(_) => "a list",
            Self::Map(_) | Self::Object(_) => "a mapping",
            Self::Anything => "a value",
        }
    }
}

/// The shape that a generated schema describes.
fn shape(schema: &Value) -> Shape {
    let reference = schema["$ref"]
        .as_str()
        .or_else(|| schema["allOf"][0]["$ref"].as_str());
    if let Some(name) = reference.and_then(|reference| reference.strip_prefix(DEFINITIONS)) {
        return match name.rsplit('.').next() {
            Some("Quantity") => Shape::Quantity,
            Some("IntOrString") => Shape::IntegerOrText,
            Some("Time" | "MicroTime") => Shape::Time,
            _ => Shape::Object(name.to_owned()),
        };
    }
    match schema["type"].as_str() {
        Some("string") => Shape::Text,
        Some("boolean") => Shape::Boolean,
        Some("number") => Shape::Number,
        Some("integer") if schema["format"] == "int32" => Shape::Integer {
            min: i32::MIN.into(),
            max: i32::MAX.into(),
        },
        Some("integer") => Shape::Integer {
            min: i64::MIN,
            max: i64::MAX,
        },
        Some("array") => Shape::List(Box::new(shape(&schema["items"]))),
        Some("object") if schema["additionalProperties"].is_object() => {
            Shape::Map(Box::new(shape(&schema["additionalProperties"])))
        }
        _ => Shape::Anything,
    }
}

/// Types whose name the API lets be absent, although the generated types always hold one. Whether
/// such a reference makes sense is for the API server to say.
const NAMELESS: [&str; 8] = [
    "ConfigMapEnvSource",
    "ConfigMapKeySelector",
    "ConfigMapProjection",
    "ConfigMapVolumeSource",
    "LocalObjectReference",
    "SecretEnvSource",
    "SecretKeySelector",
    "SecretProjection",
];

/// The keys that an object of a type must have.
pub(super) fn required(type_name: &str, schema: &Value) -> Vec<String> {
    let nameless = NAMELESS.iter().any(|name| core_type(name) == type_name);
    schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        // The generated types always hold metadata, but the API does not ask for it.
        .filter(|key| *key != "metadata" && !(nameless && *key == "name"))
        .map(str::to_owned)
        .collect()
}

/// Whether a text is a date or a moment, with or without an offset.
fn is_time(text: &str) -> bool {
    chrono::DateTime::parse_from_rfc3339(text).is_ok()
        || text.parse::<chrono::NaiveDateTime>().is_ok()
        || text.parse::<chrono::NaiveDate>().is_ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::problem::Stage;
    use super::*;

    fn read(name: &str, value: &Value) -> (Value, Vec<String>) {
        let mut problems = Problems::new(Stage::Parameters);
        let read = read_object(
            &Node::from_value(value),
            &core_type(name),
            "it",
            &mut problems,
        );
        let problems = problems.into_sorted();
        (read, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn no_type_that_a_pod_reaches_is_unknown() {
        fn named(shape: &Shape) -> Option<&String> {
            match shape {
                Shape::Object(name) => Some(name),
                Shape::List(item) | Shape::Map(item) => named(item),
                Shape::Text
                | Shape::Time
                | Shape::Quantity
                | Shape::IntegerOrText
                | Shape::Integer { .. }
                | Shape::Number
                | Shape::Boolean
                | Shape::Anything => None,
            }
        }
        for (name, object) in &API.types {
            for (key, shape) in &object.fields {
                if let Some(used) = named(shape) {
                    assert!(API.types.contains_key(used), "{name}.{key}: {used}");
                }
                // The only free-form fields that a pod has are the server's own bookkeeping.
                assert!(
                    *shape != Shape::Anything || key == "fieldsV1",
                    "{name}.{key}"
                );
            }
        }
    }

    #[test]
    fn the_types_without_a_name_are_those_that_the_api_says_so_of() {
        let mut found: Vec<String> = definitions()
            .iter()
            .filter(|(_, schema)| {
                schema["properties"]["name"]["description"]
                    .as_str()
                    .is_some_and(|text| text.contains("allowed to be empty"))
            })
            .map(|(name, _)| name.clone())
            .collect();
        found.sort();
        assert_eq!(found, NAMELESS.map(core_type));
    }

    #[test]
    fn a_fitting_object_is_kept_and_loses_only_nulls() {
        let (value, problems) = read(
            "Container",
            &json!({"name": "a", "image": null, "resources": {"limits": {"cpu": 2, "memory": "1Gi"}},
                "livenessProbe": {"httpGet": {"port": "http", "path": "/"}, "periodSeconds": 3}, "env": []}),
        );
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(
            value,
            json!({"name": "a", "resources": {"limits": {"cpu": "2", "memory": "1Gi"}},
                "livenessProbe": {"httpGet": {"port": "http", "path": "/"}, "periodSeconds": 3}, "env": []})
        );
    }

    #[test]
    fn every_fault_is_told_with_its_path() {
        let (_, problems) = read(
            "Pod",
            &json!({"metadata": {"labels": {"a/b": 1}}, "spec": {
                "terminationGracePeriodSeconds": "3", "hostNetwork": "true",
                "volumes": [{"name": "v", "emptyDri": {}}],
                "containers": [{"image": "i", "volume_mounts": []}]}}),
        );
        assert_eq!(
            problems,
            [
                "it.metadata.labels[\"a/b\"]: must be text, found a number: put it in quotes",
                "it.spec.terminationGracePeriodSeconds: must be a whole number, found text: write it without quotes",
                "it.spec.hostNetwork: must be true or false, found text: write it without quotes",
                "it.spec.volumes[0].emptyDri: unknown field, did you mean emptyDir?",
                "it.spec.containers[0].volume_mounts: unknown field, did you mean volumeMounts?",
                "it.spec.containers[0].name: is required here",
            ]
        );
    }
}
