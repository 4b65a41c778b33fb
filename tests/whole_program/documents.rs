//! The documents: every command in them works, and the reference says what the schema says.

use std::path::{Path, PathBuf};
use std::process::Command;

use adjourn::task::file::json_schema;
use serde_json::Value;

use crate::support::{Finished, Home, Running};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

/// The `sh` blocks of a document, one after another.
fn commands(document: &str) -> String {
    let text = std::fs::read_to_string(docs().join(document)).unwrap();
    let blocks = text.split("```sh\n").skip(1);
    let script: String = blocks
        .map(|block| block.split("```").next().unwrap())
        .collect();
    assert!(!script.is_empty(), "{document} has no commands");
    script
}

/// Runs a document's commands in a home of its own, each of which must go well.
#[track_caller]
fn tried(document: &str) -> Finished {
    let home = Home::without_cluster();
    let program = Path::new(env!("CARGO_BIN_EXE_adjourn")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let mut shell = Command::new("bash");
    // A command that fails leaves nothing behind that would be waited for.
    let script = format!(
        "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{}",
        commands(document)
    );
    shell
        .args(["-e", "-c", &script])
        .current_dir(home.path())
        .env_clear()
        .env("PATH", format!("{}:{path}", program.display()))
        .env("HOME", home.path())
        .env("XDG_STATE_HOME", home.path().join("state"));
    let done = Running::start(shell).finish();
    // Whatever went wrong, no cluster is left behind.
    home.run(&["cluster", "stop"]);
    done.expect(0)
}

#[test]
fn ten_minutes_on_a_laptop() {
    let done = tried("getting-started.md");
    let said = done.text();
    assert!(said.starts_with("hello\ngoodbye\n"), "{said}");
    assert!(said.contains("it failed with code 1"), "{said}");
    // Through the daemon's API, beside the one of the command line.
    assert!(said.contains(r#"{"id":3,"key":"default/hello/"#), "{said}");
    assert!(
        said.contains("exit code 7") || said.contains("\"exit_code\": 7"),
        "{said}"
    );
}

#[test]
fn the_questions_in_sql() {
    assert!(tried("sql-cookbook.md").text().contains("queued"));
}

#[test]
fn what_operations_do() {
    assert!(tried("operations.md").text().contains("\"queued\": 1"));
}

#[test]
fn what_programs_ask() {
    let done = tried("http-api.md");
    let said = done.text();
    for words in [
        "ready\n",
        r#"{"tasks":[{"id":1,"key":"default/hello/monday","created":true}],"warnings":[]}"#,
        r#"{"tasks":[{"id":1,"key":"default/hello/monday","created":false}],"warnings":[]}"#,
        r#""kind":"key_taken""#,
        r#"{"rows":3}"#,
        "Z hello\n",
        "hello\ntask 1 succeeded",
        "event: end\n",
        "event: change\n",
        r#""kind":"not_found""#,
        "did you mean image?",
        "adjourn_tasks{state=\"success\"} 1\n",
    ] {
        assert!(said.contains(words), "{words} in {said}");
    }
}

#[test]
fn the_pod_of_a_task_that_moved() {
    assert!(tried("moving-from-airflow.md").text().contains("epoch', 3"));
}

/// The reference as the schema has it.
fn reference() -> String {
    let schema = json_schema();
    let mut text = String::from(
        "# The task file\n\n\
         YAML or JSON, one task or several (documents, or a list). Objects of Kubernetes are in\n\
         Kubernetes' own form. This page is what `adjourn schema` prints, for people.\n\n\
         | key | default | what it is |\n|---|---|---|\n",
    );
    let keys = schema["$defs"]["Task"]["properties"].as_object().unwrap();
    for (name, key) in keys {
        let default = match key.get("default") {
            None => "required".to_owned(),
            Some(Value::Null) => String::new(),
            Some(value) => format!("`{value}`"),
        };
        let words = key["description"].as_str().unwrap();
        let words = words.replace('\n', " ").replace('|', "\\|");
        text.push_str(&format!("| `{name}` | {default} | {words} |\n"));
    }
    text
}

#[test]
fn the_reference_says_what_the_schema_says() {
    let path = docs().join("task-file.md");
    let wanted = reference();
    if std::env::var_os("ADJOURN_WRITE_DOCS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "docs/task-file.md is not what the schema says: run this test with ADJOURN_WRITE_DOCS=1"
    );
}
