//! The JSON Schema of a task file, for editors and for `adjourn schema`.

use serde_json::{Map, Value, json};

use super::api_type::{core_type, definitions, required};
use super::choices::CallbackEvent;
use super::definition::TaskFile;
use super::keys;
use super::kind::Kind;
use super::parameters::PodParameters;

/// The schema of a task file: every key with its description and its default.
#[must_use]
pub fn json_schema() -> Value {
    let defaults = defaults();
    let mut properties = Map::new();
    for key in keys::all() {
        let mut schema = of_kind(key.kind);
        let mut description = key.description.to_owned();
        if key.templated {
            description.push_str(" Templates are rendered.");
        }
        schema.insert("description".to_owned(), description.into());
        schema.insert(
            "default".to_owned(),
            defaults.get(key.name).cloned().unwrap_or_default(),
        );
        // Every key may be given as null, which means that it is absent.
        if key.name == "task_id" {
            schema.remove("default");
            properties.insert(key.name.to_owned(), schema.into());
        } else {
            properties.insert(key.name.to_owned(), or_null(schema));
        }
    }
    let task = json!({
        "type": "object",
        "description": "One task: a pod, and how it is run.",
        "properties": properties,
        "required": ["task_id"],
        "additionalProperties": false,
    });
    let mut definitions = strict_definitions();
    definitions.insert("Task".to_owned(), task);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Adjourn task file",
        "oneOf": [
            {"$ref": "#/$defs/Task"},
            {"type": "array", "items": {"$ref": "#/$defs/Task"}, "minItems": 1},
        ],
        "$defs": definitions,
    })
}

/// What each key is if it is not given.
fn defaults() -> Map<String, Value> {
    let task = TaskFile::new("", PodParameters::default());
    let mut defaults = match serde_json::to_value(&task.pod) {
        Ok(Value::Object(pod)) => pod,
        Ok(_) | Err(_) => Map::new(),
    };
    let retry = &task.retry;
    defaults.extend([
        ("dag_id".to_owned(), task.dag_id.into()),
        ("map_index".to_owned(), task.map_index.into()),
        ("retries".to_owned(), retry.retries.into()),
        ("retry_delay".to_owned(), retry.retry_delay.as_secs().into()),
        ("retry_exponential_backoff".to_owned(), false.into()),
        ("durable".to_owned(), task.pod.reattach_on_restart.into()),
    ]);
    defaults
}

/// Allows null beside what the schema allows, keeping description and default on the outside.
fn or_null(mut schema: Map<String, Value>) -> Value {
    let mut outer = Map::new();
    for annotation in ["description", "default"] {
        if let Some(value) = schema.remove(annotation) {
            outer.insert(annotation.to_owned(), value);
        }
    }
    outer.insert("anyOf".to_owned(), json!([schema, {"type": "null"}]));
    outer.into()
}

fn of_kind(kind: Kind) -> Map<String, Value> {
    let schema = match kind {
        Kind::Text | Kind::LineTemplate => json!({"type": "string"}),
        Kind::Word(words) => json!({"enum": words}),
        Kind::Boolean => json!({"type": "boolean"}),
        Kind::Integer { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
        Kind::Seconds => json!({"anyOf": [
            {"type": "number", "minimum": 0},
            {"type": "string", "pattern": r"^([0-9.]+d)?([0-9.]+h)?([0-9.]+m)?([0-9.]+s)?([0-9.]+ms)?$"},
        ]}),
        Kind::Texts => json!({"type": "array", "items": {"type": "string"}}),
        Kind::Scalars => scalars(),
        Kind::FreeMap => json!({"type": "object"}),
        Kind::Object(name) => reference(name),
        Kind::Objects(name) => json!({"type": "array", "items": reference(name)}),
        Kind::Environment => json!({"anyOf": [
            scalars(),
            {"type": "array", "items": reference("EnvVar")},
        ]}),
        Kind::Containers => json!({"anyOf": [
            {"type": "boolean"},
            {"type": "string"},
            {"type": "array", "items": {"type": "string"}},
        ]}),
        Kind::PullSecrets => json!({"anyOf": [
            {"type": "string"},
            {"type": "array", "items": reference("LocalObjectReference")},
        ]}),
        Kind::ExitCodes => json!({"anyOf": [
            {"type": ["integer", "boolean"]},
            {"type": "array", "items": {"type": ["integer", "null"]}},
        ]}),
        Kind::Backoff => json!({"anyOf": [{"type": "boolean"}, {"type": "number", "minimum": 0}]}),
        Kind::Secrets => json!({"type": "array", "items": secret()}),
        Kind::Callbacks => json!({"anyOf": [
            callback(),
            {"type": "array", "items": callback()},
        ]}),
    };
    match schema {
        Value::Object(schema) => schema,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}

fn scalars() -> Value {
    json!({
        "type": "object",
        "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
    })
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/$defs/{}", core_type(name))})
}

fn secret() -> Value {
    json!({
        "type": "object",
        "properties": {
            "deploy_type": {
                "enum": ["env", "volume"],
                "description": "As an environment variable, or as files.",
            },
            "deploy_target": {
                "type": ["string", "null"],
                "description": "The variable's name, or the directory.",
            },
            "secret": {"type": "string", "description": "The secret's name."},
            "key": {
                "type": ["string", "null"],
                "description": "Which key becomes the variable. Absent: all of them.",
            },
            "items": {
                "type": ["array", "null"],
                "items": reference("KeyToPath"),
                "description": "Which keys become files, and where.",
            },
        },
        "required": ["deploy_type", "secret"],
        "additionalProperties": false,
    })
}

fn callback() -> Value {
    json!({"anyOf": [
        {"type": "string", "description": "The name of a registered callback."},
        {
            "type": "object",
            "properties": {"webhook": {
                "type": "object",
                "description": "A web server that is told of each event.",
                "properties": {
                    "url": {"type": "string", "description": "Where the event is posted."},
                    "events": {
                        "type": ["array", "null"],
                        "items": {"enum": CallbackEvent::ALL.map(CallbackEvent::as_str)},
                        "description": "Which events. Absent: all but log lines.",
                    },
                    "headers": {
                        "type": ["object", "null"],
                        "additionalProperties": {"type": "string"},
                        "description": "Headers to send along.",
                    },
                },
                "required": ["url"],
                "additionalProperties": false,
            }},
            "required": ["webhook"],
            "additionalProperties": false,
        },
    ]})
}

/// The schemas of the API types, as strict as the parser: no unknown keys, and null for absent.
fn strict_definitions() -> Map<String, Value> {
    let mut definitions = definitions();
    for (name, schema) in &mut definitions {
        if name.ends_with(".Quantity") {
            *schema = json!({"type": ["string", "number"]});
        } else if name.ends_with(".IntOrString") {
            *schema = json!({"type": ["string", "integer"]});
        }
        let required = required(name, schema);
        let Some(schema) = schema.as_object_mut() else {
            continue;
        };
        if let Some(Value::Object(properties)) = schema.get_mut("properties") {
            for (key, property) in properties.iter_mut() {
                if required.iter().any(|required| required == key) {
                    continue;
                }
                if let Value::Object(plain) = std::mem::take(property) {
                    *property = or_null(plain);
                }
            }
            schema.insert("additionalProperties".to_owned(), false.into());
        }
        schema.insert("required".to_owned(), required.into());
    }
    definitions
}
