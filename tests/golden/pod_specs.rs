//! Parameters in, a pod out: every recorded case, whole objects compared.

use adjourn::pod::spec::{
    BuildContext, ConnectionDefaults, Names, PodManifest, Stamps, TaskInstance, build, dry_run_yaml,
};
use adjourn::task::file::{self, Stage, TaskFile};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// The cases where we refuse on purpose what the reference accepts, because it would silently lose
/// or change what the user wrote. Nothing else may differ.
const STRICTER: &[(&str, &str)] = &[
    (
        "template_dict_int_from_text",
        "no scalar is turned into another type",
    ),
    (
        "template_file_overridden",
        "the template file has a number as the value of a variable",
    ),
    (
        "template_file_beats_dict",
        "both template forms are given, and one would be ignored",
    ),
    (
        "both_file_and_full",
        "the template file has a number as the value of a variable",
    ),
    (
        "template_file_missing",
        "a template file that does not exist",
    ),
    ("template_file_scalar", "a template file that holds no pod"),
    ("volume_unknown_keys_dropped", "unknown keys would be lost"),
    (
        "full_spec_unknown_keys_dropped",
        "unknown keys would be lost",
    ),
    (
        "param_image_pull_secrets_spaces",
        "an image pull secret with an empty name",
    ),
    (
        "invalid_configmaps_string",
        "a text would be read letter by letter",
    ),
];

#[derive(Deserialize)]
struct Case {
    id: String,
    params: Map<String, Value>,
    context: Option<Context>,
    connection: Option<Map<String, Value>>,
    mode: Option<String>,
    expect: Expect,
}

#[derive(Deserialize)]
struct Context {
    dag_id: String,
    task_id: String,
    run_id: String,
    map_index: Option<i32>,
    try_number: u32,
}

#[derive(Deserialize)]
struct Expect {
    pod: Option<Value>,
    error: Option<String>,
    stage: Option<String>,
    dry_run_stdout: Option<String>,
}

/// The suffix and the UUIDs that the recordings were made with.
#[derive(Default)]
struct RecordedNames {
    uuids: u128,
}

impl Names for RecordedNames {
    fn suffix(&mut self, length: usize) -> String {
        "z".repeat(length)
    }

    fn uuid(&mut self) -> Uuid {
        self.uuids += 1;
        Uuid::from_u128(self.uuids)
    }
}

/// What we make of a case.
fn ours(case: &Case) -> Result<(TaskFile, PodManifest), (Stage, String)> {
    let mut task = read(case)?;
    if let Some(content) = case.params.get("pod_template_file_content") {
        task.attach_template_file(content.as_str().unwrap().to_owned());
    }
    let connection = case.connection.clone().unwrap_or_default();
    let connection = ConnectionDefaults::from_fields(&connection)
        .map_err(|error| (Stage::Build, error.to_string()))?;
    let context = BuildContext {
        task_id: &task.task_id,
        task: case.context.as_ref().map(|context| TaskInstance {
            dag_id: &context.dag_id,
            task_id: &context.task_id,
            run_id: &context.run_id,
            map_index: context.map_index.unwrap_or(-1),
            try_number: context.try_number,
        }),
        connection: &connection,
        service_account_namespace: None,
        stamps: Stamps::default(),
        normalise_name: case.mode.as_deref() != Some("dry_run"),
    };
    let pod = build(&task.pod, &context, &mut RecordedNames::default())
        .map_err(|error| (Stage::Build, error.to_string()))?;
    Ok((task, pod))
}

/// Reads the case as a user would write it: a task file.
fn read(case: &Case) -> Result<TaskFile, (Stage, String)> {
    let mut map = Map::new();
    map.insert("task_id".into(), json!("task"));
    if let Some(context) = &case.context {
        map.insert("task_id".into(), json!(context.task_id));
    }
    for (key, value) in &case.params {
        if key == "pod_template_file_content" {
            map.insert("pod_template_file".into(), json!("template.yaml"));
        } else {
            map.insert(key.clone(), value.clone());
        }
    }
    let text = Value::Object(map).to_string();
    let mut tasks = file::parse(&text, "case.json").map_err(|errors| {
        let parameters = errors
            .problems
            .iter()
            .any(|problem| problem.stage == Stage::Parameters);
        let stage = if parameters {
            Stage::Parameters
        } else {
            Stage::Build
        };
        (stage, errors.to_string())
    })?;
    assert_eq!(tasks.len(), 1);
    Ok(tasks.remove(0))
}

/// To the API server, null, empty lists and empty maps are the same as nothing, and a time is the
/// same in every form.
fn pruned(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(key, value)| match (key.as_str(), value) {
                    ("creationTimestamp" | "deletionTimestamp", Value::String(time)) => {
                        (key.clone(), json!(instant(time)))
                    }
                    _ => (key.clone(), pruned(value)),
                })
                .filter(|(_, value)| !is_nothing(value))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(pruned).collect()),
        scalar => scalar.clone(),
    }
}

/// A time in one form, whichever it was written in. Without an offset it is UTC.
fn instant(time: &str) -> String {
    chrono::DateTime::parse_from_rfc3339(time)
        .or_else(|_| chrono::DateTime::parse_from_rfc3339(&format!("{time}Z")))
        .or_else(|_| chrono::DateTime::parse_from_rfc3339(&format!("{time}T00:00:00Z")))
        .map_or_else(|_| time.to_owned(), |time| time.to_utc().to_rfc3339())
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn without_branded_labels(mut pod: Value) -> Value {
    if let Some(labels) = pod["metadata"]["labels"].as_object_mut() {
        labels.remove("airflow_version");
        labels.remove("airflow_kpo_in_cluster");
    }
    pod
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("../fixtures/golden/pod_specs.json")).unwrap()
}

/// What is wrong with our answer to a case.
fn difference(case: &Case) -> Option<String> {
    let ours = ours(case);
    if let Some((_, reason)) = STRICTER.iter().find(|(id, _)| *id == case.id) {
        return ours
            .is_ok()
            .then(|| format!("accepted, but is to be refused: {reason}"));
    }
    match (&case.expect, ours) {
        (
            Expect {
                pod: Some(expected),
                ..
            },
            Ok((_, pod)),
        ) => {
            let expected = pruned(&without_branded_labels(expected.clone()));
            let pod = pruned(pod.as_value());
            (expected != pod).then(|| format!("\n  expected {expected}\n  built    {pod}"))
        }
        (
            Expect {
                error: Some(_),
                stage,
                ..
            },
            Err((ours, message)),
        ) => {
            let ours = match ours {
                Stage::Parameters => "parameters",
                Stage::Build => "build",
            };
            (stage.as_deref() != Some(ours))
                .then(|| format!("fails at {ours}, not at {stage:?}: {message}"))
        }
        (
            Expect {
                error: Some(error), ..
            },
            Ok(_),
        ) => Some(format!("accepted, but the reference says {error}")),
        (Expect { .. }, Err((_, message))) => Some(format!("refused: {message}")),
        (
            Expect {
                pod: None,
                error: None,
                ..
            },
            Ok(_),
        ) => Some("the case expects nothing".into()),
    }
}

#[test]
fn every_recorded_pod_is_built_the_same() {
    let cases = cases();
    assert!(!cases.is_empty());
    let differences: Vec<String> = cases
        .iter()
        .filter_map(|case| difference(case).map(|text| format!("{}: {text}", case.id)))
        .collect();
    assert!(
        differences.is_empty(),
        "{} of {} cases differ:\n{}",
        differences.len(),
        cases.len(),
        differences.join("\n")
    );
}

#[test]
fn every_error_says_where_and_shows_no_python() {
    for case in cases() {
        if let Err((_, message)) = ours(&case) {
            assert!(message.contains(':'), "{}: {message}", case.id);
            for word in ["Exception", "NoneType", "dict", "V1"] {
                let named = message.replace("pod_template_dict", "");
                assert!(!named.contains(word), "{}: {message}", case.id);
            }
        }
    }
}

#[test]
fn a_dry_run_prints_what_the_reference_prints() {
    let mut seen = 0;
    for case in cases() {
        let Some(expected) = &case.expect.dry_run_stdout else {
            continue;
        };
        let (task, pod) = ours(&case).unwrap();
        let printed = dry_run_yaml(&pod, &task.pod);
        let mut expected: Value = serde_saphyr::from_str(expected).unwrap();
        if let Some(labels) = expected["metadata"]["labels"].as_object_mut() {
            labels.remove("airflow_version");
        }
        let ours: Value = serde_saphyr::from_str(&printed).unwrap();
        assert_eq!(ours, pruned(&expected), "{}:\n{printed}", case.id);
        // Keys are sorted, so that two runs can be compared line by line.
        let keys: Vec<&String> = ours.as_object().unwrap().keys().collect();
        assert!(keys.is_sorted(), "{keys:?}");
        seen += 1;
    }
    assert!(seen > 0);
}
