//! Wrong words, wrong files, wrong names.

use crate::sandbox::{HELLO, Sandbox, exists};

#[test]
fn help_names_every_command() {
    let help = Sandbox::new().adjourn("--help").good();
    for command in [
        "run",
        "serve",
        "submit",
        "get",
        "list",
        "describe",
        "logs",
        "wait",
        "cancel",
        "retry",
        "dry-run",
        "schema",
        "sql",
        "backup",
        "restore",
        "migrate",
        "cluster",
        "completions",
    ] {
        assert!(help.contains(command), "{command}: {help}");
    }
}

#[test]
fn a_word_that_is_no_command_is_refused_with_the_nearest_one() {
    let done = Sandbox::new().adjourn("sumbit a.yaml");
    assert_eq!((done.code, done.out.as_str()), (2, ""));
    assert!(done.err.contains("submit"), "{}", done.err);
}

#[test]
fn every_fault_of_a_task_file_has_its_line() {
    let sandbox = Sandbox::new();
    sandbox.file(
        "a.yaml",
        "task_id: a\nimgae: busybox\npoll_interval: often\n",
    );
    let done = sandbox.adjourn("submit a.yaml");
    assert_eq!((done.code, done.out.as_str()), (2, ""));
    let lines: Vec<&str> = done.err.lines().collect();
    assert_eq!(lines.len(), 2, "{}", done.err);
    assert_eq!(
        lines[0],
        "error: a.yaml:2:1: imgae: unknown key, did you mean image?"
    );
    assert!(
        lines[1].starts_with("error: a.yaml:3:16: poll_interval: "),
        "{}",
        lines[1]
    );
    assert!(!exists(&sandbox.database()));
}

#[test]
fn broken_yaml_is_told_in_one_line_with_its_place() {
    let sandbox = Sandbox::new();
    let done = sandbox.with_input("run -", "task_id: a\n  image: [b\n");
    assert_eq!((done.code, done.out.as_str()), (2, ""));
    assert_eq!(done.err.lines().count(), 1, "{}", done.err);
    assert!(done.err.starts_with("error: stdin:2:"), "{}", done.err);
    assert!(!exists(&sandbox.database()));
}

#[test]
fn a_file_without_a_task_is_refused() {
    Sandbox::new().with_input("submit -", "# nothing\n").bad(
        2,
        "error: stdin: holds no task: give at least task_id and image, or see `adjourn schema`",
    );
}

#[test]
fn a_missing_file_is_named() {
    for command in ["submit", "run", "dry-run"] {
        Sandbox::new().run([command, "nowhere.yaml"]).bad(
            2,
            "error: cannot read nowhere.yaml: No such file or directory (os error 2)",
        );
    }
}

#[test]
fn a_missing_template_file_is_named() {
    Sandbox::new()
        .with_input("submit -", "task_id: a\npod_template_file: gone.yaml\n")
        .bad(
            2,
            "error: cannot read pod_template_file gone.yaml of task a: No such file or directory (os error 2)",
        );
}

#[test]
fn a_template_file_stands_beside_its_task_file() {
    let sandbox = Sandbox::new();
    sandbox.file(
        "tasks/pod.yaml",
        "spec: {containers: [{name: base, image: busybox}]}\n",
    );
    sandbox.file("tasks/a.yaml", "task_id: a\npod_template_file: pod.yaml\n");
    assert_eq!(sandbox.adjourn("submit tasks/a.yaml").good(), "1\n");
}

#[test]
fn the_path_of_a_template_file_may_be_a_template() {
    let sandbox = Sandbox::new();
    sandbox.file(
        "tasks/small.yaml",
        "spec: {containers: [{name: base, image: busybox}]}\n",
    );
    let task = "task_id: a\nparams: {size: small}\npod_template_file: '{{ params.size }}.yaml'\n";
    sandbox.file("tasks/a.yaml", task);
    assert_eq!(sandbox.adjourn("submit tasks/a.yaml").good(), "1\n");
    sandbox.file("tasks/b.yaml", &task.replace("params.size", "params.tint"));
    let done = sandbox.adjourn("submit tasks/b.yaml");
    assert_eq!(done.code, 2);
    assert!(done.err.contains("pod_template_file"), "{}", done.err);
}

#[test]
fn a_task_without_image_and_template_is_refused_and_nothing_is_stored() {
    let sandbox = Sandbox::new();
    let two = format!("{HELLO}---\ntask_id: blank\n");
    let done = sandbox.with_input("submit -", &two);
    assert_eq!((done.code, done.out.as_str()), (2, ""));
    assert!(done.err.starts_with("error: task blank: "), "{}", done.err);
    assert!(done.err.contains("image"), "{}", done.err);
    assert_eq!(sandbox.adjourn("list -o name").good(), "");
}

#[test]
fn a_key_that_another_definition_has_is_refused_and_nothing_is_stored() {
    let sandbox = Sandbox::new();
    sandbox.submit_hello();
    let other = "task_id: hello\nrun_id: first\nimage: alpine\n";
    let two = format!("task_id: new\nimage: alpine\n---\n{other}");
    sandbox.with_input("submit -", &two).bad(
        2,
        "error: the key default/hello/first is task 1 already, with another definition; give another run_id, or leave run_id out to start a new run",
    );
    assert_eq!(sandbox.adjourn("list -o name").good(), "1\n");
}

#[test]
fn a_task_that_is_not_there_is_not_found() {
    let sandbox = Sandbox::new();
    sandbox.submit_hello();
    for command in [
        "describe",
        "logs",
        "wait",
        "cancel",
        "retry",
        "get",
        "run --task",
    ] {
        for task in ["7", "default/hello/second"] {
            sandbox.adjourn(&format!("{command} {task}")).bad(
                3,
                &format!("error: there is no task {task}; `adjourn list` shows those there are"),
            );
        }
    }
}

#[test]
fn what_names_no_task_is_refused() {
    let done = Sandbox::new().adjourn("describe a/b");
    assert_eq!((done.code, done.out.as_str()), (2, ""));
    assert!(done.err.contains("dag_id/task_id/run_id"), "{}", done.err);
}

#[test]
fn an_unknown_state_is_refused_with_those_there_are() {
    let done = Sandbox::new().adjourn("list --state done");
    assert_eq!((done.code, done.out.as_str()), (2, ""));
    assert!(done.err.contains("up_for_retry"), "{}", done.err);
}

#[test]
fn flags_that_exclude_each_other_are_refused() {
    let done = Sandbox::new().adjourn("serve --local --kubeconfig a");
    assert_eq!((done.code, done.out.as_str()), (2, ""));
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let sandbox = Sandbox::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = sandbox.program().arg("schema").stdout(writer).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn the_schema_and_the_completions_need_no_settings() {
    let sandbox = Sandbox::new();
    sandbox.file("config/adjourn/adjourn.toml", "broken");
    let schema = sandbox.adjourn("schema").good();
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert!(schema.to_string().contains("logging_interval"));
    let script = sandbox.adjourn("completions bash").good();
    assert!(script.contains("ADJOURN_COMPLETE"), "{script}");
}
