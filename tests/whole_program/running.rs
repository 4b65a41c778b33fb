//! `adjourn run`: lines on stdout, the rest on stderr, the verdict as exit code.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::json;

use crate::support::{Home, script, with};

#[test]
fn a_reader_who_has_seen_enough_stops_a_run_and_not_its_task() {
    let home = Home::new();
    let task = with(
        script(
            &home.dag,
            "talker",
            "for i in 1 2 3 4 5 6; do echo line $i; sleep 0.5; done",
        ),
        json!({"logging_interval": 1, "poll_interval": 1}),
    );
    let mut command = home.command(&["run", &home.task(&task)]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut run = command.spawn().unwrap();
    let mut first = String::new();
    // Dropped with the line: the other end is closed.
    BufReader::new(run.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    assert_eq!(first, "line 1\n");
    let said = run.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&said.stderr);
    assert_eq!(said.status.code(), Some(130), "{stderr}");
    assert!(
        stderr.contains("continue with: adjourn run --task 1"),
        "{stderr}"
    );
    assert!(!stderr.contains("panicked"), "{stderr}");
    home.run(&["run", "--task", "1"]).expect(0);
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
