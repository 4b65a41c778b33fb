//! Text into tasks.

use std::collections::HashMap;
use std::fmt::Display;

use serde_json::{Map, Value, json};

use super::definition::TaskFile;
use super::keys::{self, ELSEWHERE, Key, Owner, find};
use super::limits::{DEEPEST, MOST_TASKS, depth};
use super::names::{key_fault, run_fault};
use super::problem::{Problem, Problems, Stage, TaskFileErrors, element, nearest};
use super::yaml::{self, Content, Entry, Node};
use crate::task::retry::RetryPolicy;

/// Reads a task file: YAML or JSON, one task, several documents, or a list.
///
/// `origin` is the file's name, for the messages.
///
/// # Errors
/// Everything that is wrong with the file, each fault with its line and column.
pub fn parse(text: &str, origin: &str) -> Result<Vec<TaskFile>, TaskFileErrors> {
    let fail = |problems| TaskFileErrors {
        origin: origin.to_owned(),
        problems,
    };
    let documents = yaml::documents(text).map_err(|error| {
        fail(vec![Problem::new(
            error.position,
            error.message,
            Stage::Parameters,
        )])
    })?;
    let mut problems = Problems::new(Stage::Parameters);
    let tasks = read_documents(&documents, &mut problems);
    let problems = problems.into_sorted();
    if problems.is_empty() {
        Ok(tasks)
    } else {
        Err(fail(problems))
    }
}

/// Reads one task from a JSON value: the same checks as for a file, without positions.
///
/// # Errors
/// Everything that is wrong with it.
pub fn from_value(value: &Value, origin: &str) -> Result<TaskFile, TaskFileErrors> {
    let mut problems = Problems::new(Stage::Parameters);
    if depth(value) > DEEPEST {
        let message = format!("is nested more than {DEEPEST} levels deep, and a task may not be");
        problems.push(None, "", message);
        return Err(TaskFileErrors {
            origin: origin.to_owned(),
            problems: problems.into_sorted(),
        });
    }
    let task = read_task(&Node::from_value(value), "", &mut problems);
    let problems = problems.into_sorted();
    match task {
        Some(task) if problems.is_empty() => Ok(task),
        _ => Err(TaskFileErrors {
            origin: origin.to_owned(),
            problems,
        }),
    }
}

fn read_documents(documents: &[Node], problems: &mut Problems) -> Vec<TaskFile> {
    let documents: Vec<&Node> = documents
        .iter()
        .filter(|document| document.content != Content::Null)
        .collect();
    let many = documents.len() > 1;
    let mut found: Vec<(&Node, String)> = Vec::new();
    for (number, document) in documents.into_iter().enumerate() {
        let prefix = if many {
            format!("document {}", number + 1)
        } else {
            String::new()
        };
        match &document.content {
            Content::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    found.push((item, element(&prefix, index)));
                }
            }
            Content::Null
            | Content::Boolean(_)
            | Content::Number(_)
            | Content::Text(_)
            | Content::Mapping(_) => found.push((document, prefix)),
        }
    }
    if found.is_empty() {
        problems.push(
            None,
            "",
            "holds no task: give at least task_id and image, or see `adjourn schema`",
        );
    }
    if found.len() > MOST_TASKS {
        let message = format!(
            "holds {} tasks, and one file may hold {MOST_TASKS}: split it",
            found.len()
        );
        problems.push(None, "", message);
        return Vec::new();
    }
    let mut tasks: Vec<TaskFile> = Vec::new();
    let mut places: HashMap<(String, String, Option<String>, i32), String> = HashMap::new();
    for (node, path) in found {
        let Some(task) = read_task(node, &path, problems) else {
            continue;
        };
        let key = (
            task.dag_id.clone(),
            task.task_id.clone(),
            task.run_id.clone(),
            task.map_index,
        );
        let place = node.position.map_or_else(
            || "another place".to_owned(),
            |position| format!("line {}", position.line),
        );
        if let Some(first) = places.get(&key) {
            problems.push(
                node.position,
                super::problem::child(&path, "task_id"),
                format!(
                    "the task {}/{} stands at {first} already: give it another task_id, run_id or map_index",
                    task.dag_id, task.task_id
                ),
            );
        } else {
            places.insert(key, place);
        }
        tasks.push(task);
    }
    tasks
}

fn read_task(node: &Node, path: &str, problems: &mut Problems) -> Option<TaskFile> {
    let Content::Mapping(entries) = &node.content else {
        problems.push(
            node.position,
            path,
            format!(
                "must be a task, a mapping with task_id and image, found {}",
                node.describe()
            ),
        );
        return None;
    };
    if let Some(kind) = kubernetes_kind(entries) {
        let what = match kind {
            "Pod" => {
                "this is a pod and no task: give a task_id, and put the pod under full_pod_spec"
            }
            _ => "this is an object of Kubernetes and no task: give task_id and image",
        };
        problems.push(node.position, path, what);
        return None;
    }
    let mut reading = Reading::default();
    for entry in entries {
        reading.entry(entry, path, problems);
    }
    reading.check_names(node, path, problems);
    // The typed parameters are made only from values that fit, so a failure here is a hole in the
    // table of keys; it is told like any other fault rather than by a panic.
    reading
        .finish()
        .map_err(|error| problems.push(node.position, path, error))
        .ok()
        .flatten()
}

/// The kind of an object of the Kubernetes API that stands in place of a task.
fn kubernetes_kind(entries: &[Entry]) -> Option<&str> {
    let text = |name: &str| {
        let entry = entries.iter().find(|entry| entry.key == name)?;
        match &entry.value.content {
            Content::Text(text) => Some(text.as_str()),
            Content::Null
            | Content::Boolean(_)
            | Content::Number(_)
            | Content::List(_)
            | Content::Mapping(_) => None,
        }
    };
    text("apiVersion")?;
    match text("task_id") {
        Some(_) => None,
        None => text("kind"),
    }
}

/// The values of one task, sorted by whose they are.
#[derive(Default)]
struct Reading {
    engine: Map<String, Value>,
    pod: Map<String, Value>,
    warnings: Vec<String>,
    broken: bool,
}

impl Reading {
    fn entry(&mut self, entry: &Entry, path: &str, problems: &mut Problems) {
        let path = super::problem::child(path, &entry.key);
        let Some(key) = find(&entry.key) else {
            let message = if problems.is_full() {
                String::new()
            } else {
                unknown(&entry.key)
            };
            problems.unknown_with(entry, path, message);
            return;
        };
        if entry.value.content == Content::Null {
            return;
        }
        let before = problems.len();
        let value = problems.at_stage(key.stage, |problems| {
            key.kind.read(&entry.value, &path, problems)
        });
        self.broken |= problems.len() > before;
        self.keep(key, value, entry, &path, problems);
    }

    fn keep(
        &mut self,
        key: &Key,
        value: Value,
        entry: &Entry,
        path: &str,
        problems: &mut Problems,
    ) {
        match key.owner {
            Owner::Engine => {
                self.engine.insert(key.name.to_owned(), value);
            }
            Owner::Pod => {
                // Two names of one thing are one parameter from here on.
                let (name, value) = match (key.name, value) {
                    ("durable", value) => ("reattach_on_restart", value),
                    ("is_delete_operator_pod", value) => {
                        let action = if value == json!(true) {
                            "delete_pod"
                        } else {
                            "keep_pod"
                        };
                        self.warnings.push(format!(
                            "{path} is an old name: write on_finish_action: {action}"
                        ));
                        (key.name, json!(action))
                    }
                    (name, value) => (name, value),
                };
                let old = self.pod.insert(name.to_owned(), value.clone());
                if old.is_some_and(|old| old != value) {
                    problems.push(
                        entry.position,
                        path,
                        "durable and reattach_on_restart are one parameter: give only one of them",
                    );
                }
            }
        }
    }

    fn check_names(&mut self, node: &Node, path: &str, problems: &mut Problems) {
        let Content::Mapping(entries) = &node.content else {
            return;
        };
        let position = |name: &str| {
            entries
                .iter()
                .find(|entry| entry.key == name)
                .map_or(node.position, |entry| entry.value.position)
        };
        let before = problems.len();
        if !entries
            .iter()
            .any(|entry| entry.key == "task_id" && entry.value.content != Content::Null)
        {
            problems.push(
                node.position,
                super::problem::child(path, "task_id"),
                "is required: the task's name",
            );
        }
        for name in ["task_id", "dag_id"] {
            if let Some(Value::String(text)) = self.engine.get(name)
                && let Some(fault) = key_fault(text)
            {
                problems.push(position(name), super::problem::child(path, name), fault);
            }
        }
        if let Some(Value::String(text)) = self.engine.get("run_id")
            && let Some(fault) = run_fault(text)
        {
            problems.push(
                position("run_id"),
                super::problem::child(path, "run_id"),
                fault,
            );
        }
        if self.pod.get("in_cluster") == Some(&json!(true))
            && self
                .pod
                .get("config_file")
                .is_some_and(|path| *path != json!(""))
        {
            problems.push(
                position("config_file"),
                super::problem::child(path, "config_file"),
                "cannot stand beside in_cluster: true, two ways to a cluster: give only one of them",
            );
        }
        self.broken |= problems.len() > before;
    }

    fn finish(mut self) -> Result<Option<TaskFile>, String> {
        if self.broken {
            return Ok(None);
        }
        // Where both names are given, the new one counts.
        if let Some(action) = self.pod.remove("is_delete_operator_pod") {
            self.pod
                .entry("on_finish_action".to_owned())
                .or_insert(action);
        }
        // `base_container_name: ""` means the default.
        if self.pod.get("base_container_name") == Some(&json!("")) {
            self.pod.remove("base_container_name");
        }
        let pod = serde_json::from_value(Value::Object(self.pod)).map_err(text)?;
        let mut engine = self.engine;
        let mut take = |name: &str| engine.remove(name);
        let task_id = take("task_id").and_then(into_text).unwrap_or_default();
        let mut task = TaskFile::new(task_id, pod);
        if let Some(dag_id) = take("dag_id").and_then(into_text) {
            task.dag_id = dag_id;
        }
        task.run_id = take("run_id").and_then(into_text);
        if let Some(index) = take("map_index") {
            task.map_index = serde_json::from_value(index).map_err(text)?;
        }
        if let Some(Value::Object(params)) = take("params") {
            task.params = params;
        }
        task.execution_timeout =
            take("execution_timeout").and_then(|value| super::seconds::read(&value));
        task.retry = retry_policy(&mut take)?;
        task.warnings = self.warnings;
        Ok(Some(task))
    }
}

fn retry_policy(take: &mut impl FnMut(&str) -> Option<Value>) -> Result<RetryPolicy, String> {
    let mut policy = RetryPolicy::default();
    if let Some(retries) = take("retries") {
        policy.retries = serde_json::from_value(retries).map_err(text)?;
    }
    if let Some(delay) = take("retry_delay").and_then(|value| super::seconds::read(&value)) {
        policy.retry_delay = delay;
    }
    if let Some(factor) = take("retry_exponential_backoff").and_then(|value| value.as_f64()) {
        policy.backoff_multiplier = factor;
    }
    policy.max_retry_delay = take("max_retry_delay").and_then(|value| super::seconds::read(&value));
    Ok(policy)
}

fn text(error: impl Display) -> String {
    error.to_string()
}

fn into_text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    }
}

fn unknown(name: &str) -> String {
    let elsewhere = ELSEWHERE
        .iter()
        .find(|(other, _)| *other == name)
        .map(|(_, ours)| *ours);
    match elsewhere.or_else(|| nearest(name, keys::all().map(|key| key.name))) {
        Some(known) => format!("unknown key, did you mean {known}?"),
        None => "unknown key: `adjourn schema` lists the known ones".to_owned(),
    }
}
