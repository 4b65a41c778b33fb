//! `adjourn run`: lines on stdout, the rest on stderr, the verdict as exit code.

use std::path::Path;

use serde_json::json;

use crate::support::{Home, script, with};

const HELLO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/hello.yaml");

/// Stops the local cluster of a home, however the test ends.
struct StopsCluster<'a>(&'a Home);

impl Drop for StopsCluster<'_> {
    fn drop(&mut self) {
        let stopped = self.0.run(&["cluster", "stop"]);
        if !std::thread::panicking() {
            stopped.expect(0);
        }
    }
}

#[test]
fn hello_runs_from_nothing_on_the_local_cluster() {
    let home = Home::without_cluster();
    let _stops = StopsCluster(&home);
    let ended = home.run(&["run", HELLO, "--local"]).expect(0);
    assert_eq!(
        ended.text(),
        "hello from a pod\nline 1\nline 2\nline 3\ngoodbye\n"
    );
    assert!(
        ended.stderr.contains("task 1 default/hello/manual__"),
        "{ended:?}"
    );
    assert!(ended.stderr.contains("task 1 succeeded"), "{ended:?}");
    // What it says of the local cluster, a person must know.
    assert!(ended.stderr.contains("images are not pulled"), "{ended:?}");

    let status = home.run(&["cluster", "status", "-o", "json"]).expect(0);
    assert!(
        status.json()["server"]
            .as_str()
            .unwrap()
            .starts_with("https://127.0.0.1:")
    );
    let kubeconfig = home.run(&["cluster", "kubeconfig"]).expect(0);
    assert!(Path::new(kubeconfig.text().trim_end()).is_file());
    home.run(&["cluster", "stop"]).expect(0);
    home.run(&["cluster", "status"]).expect(4);
    home.run(&["cluster", "stop"]).expect(0);
}

#[test]
fn run_as_json_keeps_stdout_for_the_finished_task() {
    let home = Home::new();
    let task = script(&home.dag, "told", "echo to people");
    let ended = home
        .run(&["run", &home.task(&task), "-o", "json"])
        .expect(0);
    let told = ended.json();
    assert_eq!(told["state"], "success");
    assert_eq!(told["exit_code"], 0);
    assert_eq!(told["task_id"], "told");
    assert_eq!(told["dag_id"], home.dag.as_str());
    assert!(told["pod"]["uid"].is_string(), "{told}");
    assert!(told["finished_at"].is_string(), "{told}");
    assert!(told["xcom"].is_object(), "{told}");
    assert!(ended.stderr.contains("to people\n"), "{ended:?}");
}

#[test]
fn several_tasks_of_a_file_run_together_and_their_lines_are_told_apart() {
    let home = Home::new();
    let file = home.write(
        "several.yaml",
        [
            script(&home.dag, "one", "echo first"),
            script(&home.dag, "two", "echo second"),
            with(
                script(&home.dag, "three", "echo third"),
                json!({"map_index": 4}),
            ),
        ]
        .map(|task| task.to_string())
        .join("\n---\n"),
    );
    let ended = home.run(&["run", &file]).expect(0);
    let mut lines: Vec<&str> = ended.text().lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "[one/base] first",
            "[three/4/base] third",
            "[two/base] second"
        ]
    );
    for id in 1..=3 {
        assert!(
            ended.stderr.contains(&format!("task {id} succeeded")),
            "{ended:?}"
        );
    }
    let runs = home.sql("SELECT count(DISTINCT run_id) AS runs FROM task_list");
    assert_eq!(runs[0]["runs"], 1, "tasks of one file share a new run");
}

#[test]
fn one_failure_among_several_is_exit_code_1() {
    let home = Home::new();
    let tasks = json!([
        script(&home.dag, "good", "exit 0"),
        script(&home.dag, "bad", "exit 3"),
    ]);
    let ended = home.run(&["run", &home.task(&tasks)]).expect(1);
    assert!(ended.stderr.contains("succeeded"), "{ended:?}");
    assert!(ended.stderr.contains("exit code 3"), "{ended:?}");
}

#[test]
fn a_task_file_may_come_by_stdin() {
    let home = Home::new();
    let file = home.task(&script(&home.dag, "piped", "echo piped"));
    let mut command = home.command(&["submit", "-"]);
    command.stdin(std::fs::File::open(file).unwrap());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(output.stdout, b"1\n");
}
