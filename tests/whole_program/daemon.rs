//! Several processes on one database: one works, the others ask.

use serde_json::{Value, json};

use crate::support::{Home, Running, script, with};

fn slow(home: &Home, task_id: &str) -> Value {
    with(
        script(
            &home.dag,
            task_id,
            "for i in 1 2 3 4; do echo line $i; sleep 0.5; done",
        ),
        json!({"logging_interval": 1, "poll_interval": 1}),
    )
}

const LINES: &str = "line 1\nline 2\nline 3\nline 4\n";

/// Whether all work was done by this process.
#[track_caller]
fn all_done_by(home: &Home, engine: &Running) {
    let owners = home.sql("SELECT DISTINCT owner FROM task_history WHERE owner IS NOT NULL");
    let pids: Vec<&str> = owners
        .iter()
        .map(|row| row["owner"].as_str().unwrap().split(':').nth(2).unwrap())
        .collect();
    assert_eq!(pids, [engine.pid().to_string()]);
}

#[test]
fn a_task_submitted_in_one_process_is_run_by_another_and_followed_in_a_third() {
    let home = Home::new();
    let serve = home.serve();
    let submitted = home
        .run(&["submit", &home.task(&slow(&home, "sent"))])
        .expect(0);
    assert_eq!(submitted.text(), "1\n", "the id and nothing else");
    let follow = home.start(&["logs", "-f", "1"]);
    let early = follow.until_out("line 1", |said| said.contains("line 1\n"));
    assert!(
        !early.contains("line 4"),
        "lines came at the end only: {early}"
    );
    let followed = follow.finish().expect(0);
    assert_eq!(followed.text(), LINES);
    home.run(&["wait", "1"]).expect(0);
    all_done_by(&home, &serve);

    let key = home.describe("1")["key"].as_str().unwrap().to_owned();
    let by_key = home.run(&["logs", &key, "--tail", "2"]).expect(0);
    assert_eq!(by_key.text(), "line 3\nline 4\n");
    let named = home
        .run(&["logs", "1", "--prefix", "--tail", "1"])
        .expect(0);
    assert_eq!(named.text(), "[base] line 4\n");
    let names = home.run(&["get", "-o", "name"]).expect(0);
    assert_eq!(names.text(), "1\n");
}

#[test]
fn waiting_has_an_end_of_its_own() {
    let home = Home::new();
    let id = home.submit(&slow(&home, "unworked"));
    let gave_up = home.run(&["wait", &id, "--timeout", "0.2"]).expect(124);
    assert!(gave_up.stderr.contains("no adjourn serve"), "{gave_up:?}");
    assert_eq!(home.describe(&id)["state"], "queued");
    home.run(&["wait", "99"]).expect(3);
}

#[test]
fn the_same_key_is_the_same_task() {
    let home = Home::new();
    let task = with(script(&home.dag, "same", "exit 0"), json!({"run_id": "r1"}));
    let first = home.submit(&task);
    assert_eq!(home.submit(&task), first);
    let other = with(task, json!({"arguments": ["exit 1"]}));
    let refused = home.run(&["submit", &home.task(&other)]).expect(2);
    assert!(
        refused.stderr.contains("with another definition"),
        "{refused:?}"
    );
    assert_eq!(home.sql("SELECT id FROM task_list").len(), 1);
}

#[test]
fn a_file_of_several_tasks_prints_an_id_for_each() {
    let home = Home::new();
    let tasks = json!([
        script(&home.dag, "a", "exit 0"),
        script(&home.dag, "b", "exit 0"),
    ]);
    let submitted = home.run(&["submit", &home.task(&tasks)]).expect(0);
    assert_eq!(submitted.text(), "1\n2\n");
}

#[test]
fn a_run_beside_a_daemon_leaves_the_work_to_it() {
    let home = Home::new();
    let serve = home.serve();
    let ended = home
        .run(&["run", &home.task(&slow(&home, "left"))])
        .expect(0);
    assert_eq!(ended.text(), LINES);
    all_done_by(&home, &serve);
}

#[test]
fn a_second_daemon_on_the_same_database_is_refused() {
    let home = Home::new();
    let first = home.serve();
    let second = home.run(&["serve"]).expect(2);
    assert!(
        second.stderr.contains(&format!("(pid {})", first.pid())),
        "{second:?}"
    );
    // A killed one is in nobody's way.
    first.kill();
    let third = home.serve();
    home.run(&["serve"]).expect(2);
    drop(third);
}

#[test]
fn two_runs_on_one_database_work_each_on_their_own() {
    let home = Home::new();
    let one = home.start(&["run", &home.task(&slow(&home, "one"))]);
    let two = home.start(&["run", &home.task(&slow(&home, "two"))]);
    assert_eq!(one.finish().expect(0).text(), LINES);
    assert_eq!(two.finish().expect(0).text(), LINES);
    let owners = home.sql("SELECT count(DISTINCT owner) AS n FROM task_history");
    assert_eq!(owners[0]["n"], 2);
}
