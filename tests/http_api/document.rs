//! The OpenAPI document: whole, and true.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::daemon::Daemon;

/// Every reference in a document.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                found.insert(reference.clone());
            }
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn it_is_whole() {
    let document: Value = serde_json::from_str(&adjourn::http::document()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 10, "{found:?}");
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(
            document.pointer(pointer).is_some(),
            "{reference} leads nowhere"
        );
    }
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} names two operations");
            assert!(operation["summary"].is_string(), "{method} {path}");
            assert!(operation["responses"]["4XX"].is_object(), "{method} {path}");
            let declared = operation["parameters"].as_array().into_iter().flatten();
            let declared: Vec<&str> = declared
                .filter(|parameter| parameter["in"] == "path")
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            let named: Vec<&str> = path
                .split('/')
                .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
                .collect();
            assert_eq!(declared, named, "{method} {path}");
        }
    }
    assert!(ids.len() >= 22, "{ids:?}");
}

/// What a parameter may be, with everything that it refers to.
fn schema_of(document: &Value, operation: &str, name: &str) -> Value {
    let mut found = document["paths"].as_object().unwrap().values();
    let operation = found
        .find_map(|item| {
            let mut operations = item.as_object().unwrap().values();
            operations.find(|each| each["operationId"] == operation)
        })
        .unwrap();
    let mut parameters = operation["parameters"].as_array().unwrap().iter();
    let parameter = parameters.find(|each| each["name"] == name).unwrap();
    let mut schema = parameter["schema"].clone();
    schema["components"] = document["components"].clone();
    schema
}

/// Whatever a parameter's schema lets through is understood, and what it does not is refused.
#[test]
fn it_says_what_the_names_and_words_in_a_request_may_be() {
    let daemon = Daemon::alone();
    let document = daemon.get("/openapi.json").send().expect(200).json();
    let encoded = |text: &str| {
        text.bytes()
            .map(|byte| format!("%{byte:02X}"))
            .collect::<String>()
    };
    let named = |path: fn(&str) -> String, operation: &str, parameter: &str, list: bool| {
        let schema = schema_of(&document, operation, parameter);
        let schema = jsonschema::draft202012::new(&schema).unwrap();
        for name in ["1", "12", "a/b/c", "a/b/c/3", "a/b/c/-1", "é/b c/d"] {
            let value = if list { json!([name]) } else { json!(name) };
            assert!(schema.is_valid(&value), "{operation}: {name}");
            let answer = daemon.get(&path(&encoded(name))).send();
            assert!([200, 404].contains(&answer.status), "{operation}: {name}");
        }
        for name in ["a", "a/b", "a//c", "/b/c", "a/b/c/d", "a/b/c/3/4", "1x"] {
            let value = if list { json!([name]) } else { json!(name) };
            assert!(!schema.is_valid(&value), "{operation}: {name}");
            let refused = daemon.get(&path(&encoded(name))).send().problem(400);
            assert_eq!(refused.0, "usage", "{operation}: {name}");
        }
    };
    named(
        |task| format!("/api/v1/tasks/{task}"),
        "get_task",
        "task",
        false,
    );
    named(
        |task| format!("/api/v1/changes?task={task}"),
        "list_changes",
        "task",
        false,
    );
    named(
        |task| format!("/api/v1/tasks?id={task}"),
        "list_tasks",
        "id",
        true,
    );
    named(
        |task| format!("/api/v1/disposals?id={task}"),
        "count_disposals",
        "id",
        true,
    );

    let ids = schema_of(&document, "count_disposals", "id");
    assert_eq!(ids["minItems"], 1, "without any there is nothing to count");
    let states = schema_of(&document, "list_tasks", "state");
    let states = jsonschema::draft202012::new(&states).unwrap();
    for state in adjourn::task::state::STATE_NAMES {
        assert!(states.is_valid(&json!([state])), "{state}");
    }
    assert!(!states.is_valid(&json!(["asleep"])));
    let key = schema_of(&document, "get_xcom_value", "key");
    assert!(
        !jsonschema::draft202012::new(&key)
            .unwrap()
            .is_valid(&json!(""))
    );
}

#[test]
fn it_says_what_a_task_file_is() {
    let document: Value = serde_json::from_str(&adjourn::http::document()).unwrap();
    let body = &document["paths"]["/api/v1/tasks"]["post"]["requestBody"]["content"];
    let mut schema = body["application/json"]["schema"].clone();
    schema["components"] = document["components"].clone();
    let schema = jsonschema::draft202012::new(&schema).unwrap();
    let task = json!({"task_id": "a", "image": "busybox", "retries": 2, "labels": {"a": "b"}});
    for good in [json!([task, task]), task] {
        assert!(schema.is_valid(&good), "{good}");
    }
    for wrong in [
        json!([]),
        json!("a"),
        json!({}),
        json!({"task_id": "a", "imgae": "busybox"}),
        json!({"task_id": "a", "retries": -1}),
    ] {
        assert!(!schema.is_valid(&wrong), "{wrong}");
    }
}

#[test]
fn each_path_of_it_answers_and_answers_fit_their_schemas() {
    let daemon = Daemon::alone();
    daemon.submit_ended("task_id: a\nrun_id: r\nimage: busybox\n");
    let document = daemon.get("/openapi.json").send().expect(200).json();
    let mut checked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let Some(operation) = item.get("get") else {
            // Somebody answers there, if only to say that this is not asked.
            let path = path.replace("{task}", "1");
            assert_eq!(
                daemon.get(&path).send().problem(405).0,
                "method_not_allowed",
                "{path}"
            );
            continue;
        };
        if path.ends_with("/events") {
            let path = path.replace("{task}", "1");
            assert_eq!(daemon.get(&path).open().status, 200, "{path}");
            continue;
        }
        let missing = path.contains("{key}");
        let query = if path.ends_with("/disposals") {
            "?id=1"
        } else {
            ""
        };
        let asked = path.replace("{task}", "1").replace("{key}", "none") + query;
        let answer = daemon.get(&asked).send();
        let (status, response) = if missing { (404, "4XX") } else { (200, "200") };
        let answer = answer.expect(status);
        let content = &operation["responses"][response]["content"];
        let (kind, media) = content.as_object().unwrap().iter().next().unwrap();
        if !kind.contains("json") {
            continue;
        }
        let mut schema = media["schema"].clone();
        schema["components"] = document["components"].clone();
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let told = answer.json();
        let faults: Vec<String> = validator
            .iter_errors(&told)
            .map(|e| e.to_string())
            .collect();
        assert!(faults.is_empty(), "{asked}: {faults:?} in {told}");
        checked += 1;
    }
    assert!(checked >= 12, "{checked}");
    assert_eq!(
        daemon.get("/api/v1/none").send().problem(404).0,
        "not_found"
    );
    let empty = json!({"changes": [], "next": 9});
    assert_eq!(
        daemon
            .get("/api/v1/changes?after=9&task=1")
            .send()
            .expect(200)
            .json(),
        empty
    );
}
