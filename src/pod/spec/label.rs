//! The labels that say whose a pod is, and the selector that finds it again.

use md5::{Digest, Md5};
use serde_json::{Map, Value};

/// The longest label value that the API server takes.
const LONGEST_LABEL_VALUE: usize = 63;

/// How many hex digits of the hash tell shortened values apart.
const HASH_DIGITS: usize = 9;

/// Marks a pod whose task is done with it.
pub const ALREADY_CHECKED: &str = "already_checked";

/// Whose pod it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskInstance<'a> {
    /// The group.
    pub dag_id: &'a str,
    /// The task.
    pub task_id: &'a str,
    /// The run.
    pub run_id: &'a str,
    /// Which mapped instance; below 0 when the task is not mapped.
    pub map_index: i32,
    /// Which try, counted from 1.
    pub try_number: u32,
}

/// Labels of our own that the reference does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamps<'a> {
    /// `adjourn_version`.
    pub version: Option<&'a str>,
    /// `adjourn_in_cluster`.
    pub in_cluster: Option<bool>,
    /// `adjourn_installation`: which installation may touch the pod.
    pub installation: Option<&'a str>,
}

/// The label of [`Stamps::version`].
pub const VERSION_LABEL: &str = "adjourn_version";
/// The label of [`Stamps::in_cluster`].
pub const IN_CLUSTER_LABEL: &str = "adjourn_in_cluster";
/// The label of [`Stamps::installation`].
pub const INSTALLATION_LABEL: &str = "adjourn_installation";

/// `text` as a label value: what does not fit is dropped, and a hash tells such values apart.
#[must_use]
pub fn safe_label_value(text: &str) -> String {
    let alphanumeric = |c: char| c.is_ascii_alphanumeric();
    let safe: String = text
        .trim_matches(|c: char| !alphanumeric(c))
        .chars()
        .filter(|c| alphanumeric(*c) || matches!(c, '_' | '.' | '-'))
        .collect();
    if safe == text && safe.len() <= LONGEST_LABEL_VALUE {
        return safe;
    }
    let hash = Md5::digest(text.as_bytes());
    let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let room = LONGEST_LABEL_VALUE - HASH_DIGITS - 1;
    format!("{:.room$}-{:.HASH_DIGITS$}", safe, digits)
}

/// The user's labels as they are sent: no value is empty text, everything else stays.
#[must_use]
pub fn without_nulls(labels: &Map<String, Value>) -> Map<String, Value> {
    labels
        .iter()
        .map(|(key, value)| {
            let value = if value.is_null() {
                Value::String(String::new())
            } else {
                value.clone()
            };
            (key.clone(), value)
        })
        .collect()
}

/// The labels that say whose pod it is.
#[must_use]
pub fn of_task(task: &TaskInstance<'_>) -> Vec<(&'static str, String)> {
    let mut labels = vec![
        ("dag_id", safe_label_value(task.dag_id)),
        ("task_id", safe_label_value(task.task_id)),
        ("run_id", safe_label_value(task.run_id)),
        ("kubernetes_pod_operator", "True".to_owned()),
        ("try_number", task.try_number.to_string()),
    ];
    if task.map_index >= 0 {
        labels.push(("map_index", task.map_index.to_string()));
    }
    labels
}

/// The labels that say which program made the pod.
#[must_use]
pub fn of_stamps(stamps: &Stamps<'_>) -> Vec<(&'static str, String)> {
    let mut labels = Vec::new();
    if let Some(version) = stamps.version {
        // A plus sign, as in a development version, is not allowed in a label.
        labels.push((VERSION_LABEL, version.replace('+', "-")));
    }
    if let Some(in_cluster) = stamps.in_cluster {
        let word = if in_cluster { "True" } else { "False" };
        labels.push((IN_CLUSTER_LABEL, word.to_owned()));
    }
    if let Some(installation) = stamps.installation {
        labels.push((INSTALLATION_LABEL, installation.to_owned()));
    }
    labels
}

/// The label selector that finds a task's pods, whichever try they belong to.
///
/// Pods whose task is done with them are left out unless `checked_too`.
#[must_use]
pub fn selector(
    user_labels: &Map<String, Value>,
    task: Option<&TaskInstance<'_>>,
    checked_too: bool,
) -> String {
    let mut labels: std::collections::BTreeMap<String, String> = user_labels
        .iter()
        .map(|(key, value)| (key.clone(), scalar_text(value)))
        .collect();
    for (key, value) in task.map(of_task).into_iter().flatten() {
        if key != "try_number" {
            labels.insert(key.to_owned(), value);
        }
    }
    let terms: Vec<String> = labels
        .into_iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    // With nothing to look for the selector begins with a comma. The API server refuses that,
    // which is better than finding every pod.
    let mut selector = terms.join(",");
    if !checked_too {
        selector.push_str(&format!(",{ALREADY_CHECKED}!=True"));
    }
    selector.push_str(",!airflow-worker");
    selector
}

/// A scalar as the reference would print it.
fn scalar_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}
