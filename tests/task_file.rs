//! Task files as users write them: what is accepted, and what is said about the rest.

#![allow(
    clippy::unwrap_used,
    reason = "a file that cannot be read fails its test"
)]

use std::time::Duration;

use adjourn::task::file::{self, OnFinishAction, TaskFile};
use serde_json::json;

fn one(text: &str) -> TaskFile {
    let mut tasks = file::parse(text, "task.yaml").unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(tasks.len(), 1);
    tasks.remove(0)
}

fn errors(text: &str) -> Vec<String> {
    let errors = file::parse(text, "task.yaml").unwrap_err();
    errors.to_string().lines().map(str::to_owned).collect()
}

#[test]
fn the_smallest_task_has_every_default() {
    let task = one("task_id: hello\nimage: busybox\n");
    assert_eq!(task.task_id, "hello");
    assert_eq!(task.dag_id, "default");
    assert_eq!(task.run_id, None);
    assert_eq!(task.map_index, -1);
    assert_eq!(task.retry.retries, 0);
    assert_eq!(task.retry.retry_delay, Duration::from_secs(300));
    assert_eq!(task.execution_timeout, None);
    assert_eq!(task.pod.poll_interval, Duration::from_secs(2));
    assert!(task.pod.deferrable);
    assert_eq!(task.pod.on_finish_action, OnFinishAction::DeletePod);
}

#[test]
fn lengths_of_time_may_have_units() {
    let task = one(
        "task_id: t\nretry_delay: 90\nmax_retry_delay: 2h\nexecution_timeout: 1h30m\nlogging_interval: 1.5\nretry_exponential_backoff: true\n",
    );
    assert_eq!(task.retry.retry_delay, Duration::from_secs(90));
    assert_eq!(task.retry.max_retry_delay, Some(Duration::from_secs(7200)));
    assert_eq!(task.execution_timeout, Some(Duration::from_secs(5400)));
    assert_eq!(task.pod.logging_interval, Some(Duration::from_millis(1500)));
    assert!((task.retry.backoff_multiplier - 2.0).abs() < f64::EPSILON);
}

#[test]
fn documents_and_lists_hold_several_tasks() {
    let text = "task_id: a\n---\n- task_id: b\n- {task_id: c, map_index: 2}\n---\n";
    let tasks = file::parse(text, "task.yaml").unwrap();
    let names: Vec<&str> = tasks.iter().map(|task| task.task_id.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
}

#[test]
fn json_is_a_task_file_too() {
    let text = json!({"task_id": "a", "cmds": ["true"], "env_vars": {"A": null}}).to_string();
    assert_eq!(one(&text).pod.cmds, ["true"]);
}

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    assert_eq!(
        errors("task_id: t\nimgae: busybox\n"),
        ["task.yaml:2:1: imgae: unknown key, did you mean image?"]
    );
    assert_eq!(
        errors("task_id: t\ncommand: [sh]\nnodeSelector: {a: b}\nqqqqqqq: 1\n"),
        [
            "task.yaml:2:1: command: unknown key, did you mean cmds?",
            "task.yaml:3:1: nodeSelector: unknown key, did you mean node_selector?",
            "task.yaml:4:1: qqqqqqq: unknown key: `adjourn schema` lists the known ones",
        ]
    );
}

#[test]
fn every_fault_is_told_at_once_with_its_place() {
    let text = "\
task_id: a b
image: 5
retries: -1
poll_interval: soon
on_finish_action: delet_pod
volumes:
  - name: data
    emptyDri: {}
  - emptyDir: {}
secrets:
  - deploy_type: file
    secret: s
";
    assert_eq!(
        errors(text),
        [
            "task.yaml:1:10: task_id: must be made of letters, digits, dashes, dots and underscores",
            "task.yaml:2:8: image: must be text, found a number: put it in quotes",
            "task.yaml:3:10: retries: must be a whole number from 0 to 4294967295",
            "task.yaml:4:16: poll_interval: must be a length of time of at most 100 years: seconds, or text such as 90s, 10m, 1h30m, 2d",
            "task.yaml:5:19: on_finish_action: must be one of delete_pod, delete_succeeded_pod, delete_active_pod, keep_pod, did you mean delete_pod?",
            "task.yaml:8:5: volumes[0].emptyDri: unknown field, did you mean emptyDir?",
            "task.yaml:9:5: volumes[1].name: is required here",
            "task.yaml:11:18: secrets[0].deploy_type: must be one of env, volume",
        ]
    );
}

#[test]
fn an_error_never_shows_a_value_that_may_be_secret() {
    let text = "task_id: t\nenv_vars: hunter2=1\nimage: {password: hunter2}\nvolumes: [hunter2]\nports: hunter2\n";
    for line in errors(text) {
        assert!(!line.contains("hunter2"), "{line}");
    }
}

#[test]
fn two_tasks_of_one_key_are_an_error() {
    assert_eq!(
        errors("- task_id: a\n- task_id: b\n- task_id: a\n"),
        [
            "task.yaml:3:3: [2].task_id: the task default/a stands at line 1 already: give it another task_id, run_id or map_index"
        ]
    );
}

#[test]
fn a_file_without_a_task_says_so() {
    for text in ["", "# nothing\n", "[]\n", "---\n"] {
        assert_eq!(
            errors(text),
            ["task.yaml: holds no task: give at least task_id and image, or see `adjourn schema`"],
            "{text:?}"
        );
    }
    assert_eq!(
        errors("hello\n"),
        ["task.yaml:1:1: must be a task, a mapping with task_id and image, found text"]
    );
    assert_eq!(
        errors("image: busybox\n"),
        ["task.yaml:1:1: task_id: is required: the task's name"]
    );
}

#[test]
fn broken_yaml_is_told_with_its_place() {
    let found = errors("task_id: t\nimage: [a\n");
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("task.yaml:"), "{found:?}");
    let found = errors("task_id: t\ntask_id: u\n");
    assert!(found[0].starts_with("task.yaml:2:1: "), "{found:?}");
}

#[test]
fn old_names_are_translated_with_a_warning() {
    let task = one("task_id: t\nis_delete_operator_pod: false\n");
    assert_eq!(task.pod.on_finish_action, OnFinishAction::KeepPod);
    assert_eq!(
        task.warnings,
        ["is_delete_operator_pod is an old name: write on_finish_action: keep_pod"]
    );
    assert!(!one("task_id: t\ndurable: false\n").pod.reattach_on_restart);
}

#[test]
fn the_stored_form_reads_back_as_the_same_task() {
    let task = one(
        "task_id: t\nrun_id: r\nparams: {a: [1, {b: null}]}\nretries: 2\nexecution_timeout: 10\nskip_on_exit_code: 42\nimage_pull_secrets: a,b\ncontainer_logs: true\nlabels: {n: 7, e: null}\ncallbacks: [{webhook: {url: 'http://x', events: [on_pod_cleanup]}}, known]\nsecrets: [{deploy_type: env, deploy_target: x, secret: s, key: k}]\n",
    );
    let stored = serde_json::to_value(&task).unwrap();
    assert_eq!(stored["v"], json!(1));
    assert_eq!(serde_json::from_value::<TaskFile>(stored).unwrap(), task);
}

/// What version 0.1.0 wrote. It must be read for as long as rows of it may exist.
#[test]
fn the_form_of_the_first_version_is_still_read() {
    let stored = include_str!("fixtures/task_file_v1.json");
    let task: TaskFile = serde_json::from_str(stored).unwrap();
    assert_eq!(task.task_id, "train");
    assert_eq!(task.retry.retries, 3);
    assert_eq!(task.pod.logging_interval, Some(Duration::from_secs(30)));
    assert_eq!(task.pod.image.as_deref(), Some("trainer:7"));
    assert!(task.pod.skip_on_exit_code.contains(42));
}

#[test]
fn a_form_of_a_later_version_is_refused_and_says_what_to_do() {
    let stored = include_str!("fixtures/task_file_v1.json").replace("\"v\": 1", "\"v\": 2");
    let error = serde_json::from_str::<TaskFile>(&stored).unwrap_err();
    assert!(error.to_string().contains("use a newer adjourn"), "{error}");
}

#[test]
fn a_template_for_log_lines_is_tried_when_it_is_read() {
    assert_eq!(
        errors("task_id: t\nlog_formatter: '{{ level }} {{ message }}'\n"),
        ["task.yaml:2:16: log_formatter: level is not defined; container and message are"]
    );
}

#[test]
fn a_number_that_may_be_octal_is_not_guessed_at() {
    let text = "task_id: t\nvolumes: [{name: v, secret: {secretName: s, defaultMode: 0644}}]\n";
    let found = errors(text);
    assert!(found[0].contains("octal number as 0o644"), "{found:?}");
    let text = text.replace("0644", "0o644");
    assert_eq!(one(&text).pod.volumes[0]["secret"]["defaultMode"], 420);
}

proptest::proptest! {
    /// Whatever stands in a file, it is read or refused: no text makes the parser fall over, and
    /// every refusal says something.
    #[test]
    fn no_text_breaks_the_parser(text in "[a-z_:{}\\[\\]\"'\\-, \n\t#&*!|>0-9.]{0,120}") {
        if let Err(errors) = file::parse(&text, "t.yaml") {
            proptest::prop_assert!(!errors.problems.is_empty());
        }
    }
}
