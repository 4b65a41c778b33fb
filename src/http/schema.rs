//! What requests hold, as the OpenAPI document says it: names of tasks, words, task files.

use serde_json::{Map, Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::task::file::json_schema;

/// How a task is named: by its id, or by its key.
pub(super) struct TaskName;

impl PartialSchema for TaskName {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "A task's id, or its key: dag_id/task_id/run_id[/map_index].",
            ))
            .pattern(Some("^([0-9]{1,18}|[^/]+/[^/]+/[^/]+(/(-1|[0-9]{1,9}))?)$"))
            .examples([json!("1"), json!("default/hello/first")])
            .into()
    }
}

impl ToSchema for TaskName {}

/// A task file as JSON: one task or several, in the words of `adjourn schema`.
pub(super) struct TaskDocument;

/// The name of the schema of one task.
const TASK: &str = "Task";

impl PartialSchema for TaskDocument {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().into()
    }
}

impl ToSchema for TaskDocument {}

/// Puts what a task file is into a document, from the same words as `adjourn schema`. Kubernetes'
/// own types, which are ten times the rest, are only named.
pub(super) fn add_task_file(document: &mut Value) {
    let schema = json_schema();
    let mut task = schema["$defs"][TASK].clone();
    if let Some(keys) = task["properties"].as_object_mut() {
        for key in keys.values_mut() {
            shorten(key, &schema["$defs"]);
        }
    }
    let one = json!({"$ref": format!("#/components/schemas/{TASK}")});
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else {
        return;
    };
    schemas.insert(TASK.to_owned(), task);
    let whole = json!({
        "description": "A task file: one task, or a list of them.",
        "oneOf": [one, {"type": "array", "items": one, "minItems": 1}],
        "examples": [{"task_id": "hello", "run_id": "first", "image": "busybox"}],
    });
    schemas.insert(TaskDocument::name().into_owned(), whole);
}

/// Names Kubernetes' own types where a schema refers to them.
fn shorten(schema: &mut Value, definitions: &Value) {
    match schema {
        Value::Object(fields) => {
            let reference = fields.remove("$ref");
            let name = reference.as_ref().and_then(Value::as_str);
            if let Some(name) = name.and_then(|reference| reference.rsplit('/').next()) {
                let mut named = Map::new();
                named.insert("description".to_owned(), name.into());
                if let Some(kind) = definitions[name].get("type") {
                    named.insert("type".to_owned(), kind.clone());
                }
                *fields = named;
                return;
            }
            let inner = fields.values_mut();
            inner.for_each(|schema| shorten(schema, definitions));
        }
        Value::Array(items) => {
            let inner = items.iter_mut();
            inner.for_each(|schema| shorten(schema, definitions));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
