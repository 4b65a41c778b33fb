//! Every file in examples/ that is no program is a task file that can be used as it stands: it is
//! read, fits the schema, renders, builds, and holds nothing that the API server would refuse.
#![allow(
    clippy::unwrap_used,
    reason = "an example that cannot be read fails its test"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use adjourn::pod::spec::{
    BuildContext, ConnectionDefaults, PodManifest, RandomNames, Stamps, TaskInstance, build,
    doubts, validate,
};
use adjourn::task::file::{TaskFile, json_schema, parse};
use adjourn::task::template::{TemplateContext, render};
use serde_json::Value;

fn examples() -> Vec<(PathBuf, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut found: Vec<(PathBuf, String)> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && path.extension().is_some_and(|kind| kind != "rs"))
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path, text)
        })
        .collect();
    found.sort();
    assert!(found.len() >= 15, "{} examples", found.len());
    found
}

fn tasks(path: &Path, text: &str) -> Vec<TaskFile> {
    let mut tasks =
        parse(text, &path.display().to_string()).unwrap_or_else(|errors| panic!("{errors}"));
    for task in &mut tasks {
        if let Some(template) = task.template_file() {
            let template = path.parent().unwrap().join(template);
            task.attach_template_file(std::fs::read_to_string(template).unwrap());
        }
    }
    tasks
}

fn pod(task: &TaskFile) -> PodManifest {
    let run_id = "manual__2026-01-05T00:00:00+00:00";
    let context = TemplateContext {
        params: task.params.clone(),
        dag_id: task.dag_id.clone(),
        task_id: task.task_id.clone(),
        run_id: run_id.to_owned(),
        map_index: task.map_index,
        try_number: 1,
        logical_date: "2026-01-05T00:00:00Z".parse().unwrap(),
        env: BTreeMap::new(),
    };
    let parameters = render(&task.pod, &context).unwrap_or_else(|error| panic!("{error}"));
    let context = BuildContext {
        task_id: &task.task_id,
        task: Some(TaskInstance {
            dag_id: &task.dag_id,
            task_id: &task.task_id,
            run_id,
            map_index: task.map_index,
            try_number: 1,
        }),
        connection: &ConnectionDefaults::default(),
        service_account_namespace: None,
        stamps: Stamps::default(),
        normalise_name: true,
    };
    build(&parameters, &context, &mut RandomNames::new(rand::rng()))
        .unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_example_makes_a_pod_that_the_api_server_would_take() {
    for (path, text) in examples() {
        for task in tasks(&path, &text) {
            let pod = pod(&task);
            assert_eq!(validate(&pod), [], "{}", path.display());
            assert_eq!(doubts(&pod), [], "{}", path.display());
            // The typed form holds all of it.
            let typed = serde_json::to_value(pod.to_pod().unwrap()).unwrap();
            assert_eq!(typed["metadata"]["name"], pod.name(), "{}", path.display());
        }
    }
}

#[test]
fn every_example_fits_the_schema() {
    let schema = json_schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (path, text) in examples() {
        let value: Value = serde_saphyr::from_str(&text).unwrap();
        let faults: Vec<String> = validator
            .iter_errors(&value)
            .map(|fault| format!("{}: {fault}", fault.instance_path()))
            .collect();
        assert!(faults.is_empty(), "{}: {faults:#?}", path.display());
    }
}

#[test]
fn the_schema_is_as_strict_as_the_parser() {
    let schema = json_schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for text in [
        "image: busybox\n",
        "task_id: t\nimgae: busybox\n",
        "task_id: t\nimage: 5\n",
        "task_id: t\nvolumes: [{name: v, emptyDri: {}}]\n",
        "task_id: t\nvolumes: [{emptyDir: {}}]\n",
        "task_id: t\nsecrets: [{deploy_type: file, secret: s}]\n",
        "task_id: t\non_finish_action: remove\n",
        "task_id: t\npoll_interval: soon\n",
        "task_id: t\ncallbacks: [{webhook: {events: [on_pod_creation]}}]\n",
        "task_id: t\nports: [{containerPort: '80'}]\n",
    ] {
        assert!(parse(text, "t.yaml").is_err(), "{text}");
        let value: Value = serde_saphyr::from_str(text).unwrap();
        assert!(!validator.is_valid(&value), "{text}");
    }
    for text in [
        "task_id: t\nimage: null\npoll_interval: 1h30m\nvolumes: [{name: v, emptyDir: null}]\n",
        "task_id: t\ncontainer_resources: {limits: {cpu: 2}}\nskip_on_exit_code: [1, 2]\n",
        "- task_id: a\n- task_id: b\n",
    ] {
        assert!(parse(text, "t.yaml").is_ok(), "{text}");
        let value: Value = serde_saphyr::from_str(text).unwrap();
        assert!(validator.is_valid(&value), "{text}");
    }
}

#[test]
fn the_schema_describes_every_key_and_gives_its_default() {
    let schema = json_schema();
    let keys = schema["$defs"]["Task"]["properties"].as_object().unwrap();
    for (name, key) in keys {
        let description = key["description"].as_str().unwrap_or_default();
        assert!(description.len() > 15, "{name}: {description:?}");
        assert!(key.get("default").is_some() || name == "task_id", "{name}");
    }
    assert_eq!(keys["poll_interval"]["default"], 2);
    assert_eq!(keys["retry_delay"]["default"], 300);
    assert_eq!(keys["deferrable"]["default"], true);
    assert_eq!(keys["on_finish_action"]["default"], "delete_pod");
    assert_eq!(keys["image"]["default"], Value::Null);
}
