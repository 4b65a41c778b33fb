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
