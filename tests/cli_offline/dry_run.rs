//! `dry-run`: what a pod would be, without a cluster.

use serde_json::Value;

use crate::sandbox::{Sandbox, exists};

const SECRET: &str = "\
task_id: hello
run_id: first
image: busybox
env_vars: {PASSWORD: hunter2}
";

#[test]
fn it_prints_the_pod_as_the_reference_does() {
    let printed = Sandbox::new()
        .with_input("dry-run - --suffix zzzzzzzz", SECRET)
        .good();
    insta::assert_snapshot!(printed.replace(env!("CARGO_PKG_VERSION"), "<version>"));
}

#[test]
fn the_cases_of_the_reference_come_out_the_same() {
    let sandbox = Sandbox::new();
    let cases = include_str!("../fixtures/golden/pod_specs.json");
    let cases: Vec<Value> = serde_json::from_str(cases).unwrap();
    let mut compared = 0;
    for case in cases.iter().filter(|case| case["mode"] == "dry_run") {
        let mut task = case["params"].clone();
        task["task_id"] = "task".into();
        let done = sandbox.with_input(
            "dry-run - --suffix zzzzzzzz --show-secrets",
            &task.to_string(),
        );
        let printed: Value = serde_saphyr::from_str(&done.out).unwrap();
        let wanted = case["expect"]["dry_run_stdout"].as_str().unwrap();
        let wanted: Value = serde_saphyr::from_str(wanted).unwrap();
        assert_eq!(comparable(&printed), comparable(&wanted), "{}", case["id"]);
        compared += 1;
    }
    assert_eq!(compared, 4);
}

/// Without empty members and without the label that names the program's version.
fn comparable(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(key, _)| !key.ends_with("_version") || *key == "api_version")
            .map(|(key, value)| (key.clone(), comparable(value)))
            .filter(|(_, value)| !is_empty(value))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(comparable).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn is_empty(value: &Value) -> bool {
    value.is_null()
        || value.as_object().is_some_and(serde_json::Map::is_empty)
        || value.as_array().is_some_and(Vec::is_empty)
}

#[test]
fn in_full_it_is_what_would_be_sent() {
    let printed = Sandbox::new()
        .with_input(
            "dry-run - --full -o json --try-number 3 --suffix zzzzzzzz",
            SECRET,
        )
        .good();
    let pod: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(pod["metadata"]["name"], "hello-zzzzzzzz");
    let labels = &pod["metadata"]["labels"];
    assert_eq!(labels["dag_id"], "default");
    assert_eq!(labels["task_id"], "hello");
    assert_eq!(labels["run_id"], "first");
    assert_eq!(labels["try_number"], "3");
    assert_eq!(labels["kubernetes_pod_operator"], "True");
    assert_eq!(pod["spec"]["restartPolicy"], "Never");
}

#[test]
fn values_of_environment_variables_are_hidden_unless_asked_for() {
    let sandbox = Sandbox::new();
    for format in ["", "-o json", "-o yaml", "--full", "--full -o json"] {
        let hidden = sandbox
            .with_input(&format!("dry-run - {format}"), SECRET)
            .good();
        assert!(hidden.contains("PASSWORD"), "{format}: {hidden}");
        assert!(!hidden.contains("hunter2"), "{format}: {hidden}");
        let shown = sandbox
            .with_input(&format!("dry-run - {format} --show-secrets"), SECRET)
            .good();
        assert!(shown.contains("hunter2"), "{format}: {shown}");
    }
}

#[test]
fn what_the_api_server_would_refuse_is_told_behind_the_pod() {
    let sandbox = Sandbox::new();
    let done = sandbox.with_input("dry-run -", "task_id: hello\n");
    assert_eq!(done.code, 2);
    assert!(done.out.contains("kind: Pod"), "{}", done.out);
    assert!(done.err.starts_with("error: task hello: "), "{}", done.err);
    assert!(done.err.contains("image"), "{}", done.err);
}

#[test]
fn templates_are_rendered_unless_they_are_to_be_left() {
    let sandbox = Sandbox::new();
    let task =
        "task_id: hello\nimage: busybox\nparams: {who: you}\narguments: ['hi {{ params.who }}']\n";
    let rendered = sandbox.with_input("dry-run -", task).good();
    assert!(rendered.contains("hi you"), "{rendered}");
    let left = sandbox.with_input("dry-run - --no-render", task).good();
    assert!(left.contains("hi {{ params.who }}"), "{left}");
}

#[test]
fn a_name_that_no_template_knows_is_told() {
    let done = Sandbox::new().with_input(
        "dry-run -",
        "task_id: hello\nimage: 'busybox:{{ params.version }}'\n",
    );
    assert_eq!((done.code, done.out.as_str()), (2, ""));
    assert!(done.err.starts_with("error: task hello: "), "{}", done.err);
    assert!(done.err.contains("image"), "{}", done.err);
}

#[test]
fn nothing_is_left_behind() {
    let sandbox = Sandbox::new();
    sandbox.with_input("dry-run - --full", SECRET).good();
    assert!(!exists(&sandbox.path("state")));
}
