//! A waiting task holds no worker, and is resumed again and again for its newest lines.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::{Home, eventually, script, with};

/// Ten numbered lines, one a second.
const TEN_LINES: &str = "for i in 1 2 3 4 5 6 7 8 9 10; do echo line $i; sleep 1; done";

fn ten_lines() -> String {
    (1..=10).map(|number| format!("line {number}\n")).collect()
}

#[test]
fn lines_appear_while_the_pod_runs_and_each_appears_once() {
    let home = Home::new();
    let task = with(
        script(&home.dag, "ten", TEN_LINES),
        json!({"logging_interval": 2, "poll_interval": 1}),
    );
    let mut run = home.start(&["run", &home.task(&task)]);
    let early = run.until_out("line 3", |said| said.contains("line 3\n"));
    assert!(run.is_running());
    assert!(
        !early.contains("line 10"),
        "lines came at the end only: {early}"
    );
    let ended = run.finish().expect(0);
    assert_eq!(ended.text(), ten_lines());

    let told = home.describe("1");
    assert_eq!(told["state"], "success");
    let resumes = told["resumes"].as_u64().unwrap();
    assert!(resumes >= 3, "{resumes} resumes");
    assert_eq!(home.log("1"), ten_lines().as_bytes());

    // Each resume is in the history: deferred, fired, claimed again.
    let events = home.events("1");
    let count = |wanted: &str| events.iter().filter(|event| *event == wanted).count() as u64;
    assert_eq!(count("fire"), resumes, "{events:?}");
    assert_eq!(count("defer"), resumes, "{events:?}");
    assert_eq!(count("claim"), resumes + 1, "{events:?}");
    assert_eq!(events.first().unwrap(), "submit");
    assert_eq!(events.last().unwrap(), "complete");
    let fired =
        home.sql("SELECT DISTINCT from_state, to_state FROM task_history WHERE event = 'fire'");
    assert_eq!(
        fired,
        [json!({"from_state": "deferred", "to_state": "queued"})]
    );
}

#[test]
fn without_a_logging_interval_the_task_is_resumed_once_at_the_end() {
    let home = Home::new();
    let task = with(
        script(&home.dag, "quiet", "echo one; sleep 3; echo two"),
        json!({"logging_interval": null, "poll_interval": 1}),
    );
    let ended = home.run(&["run", &home.task(&task)]).expect(0);
    assert_eq!(ended.text(), "one\ntwo\n");
    assert_eq!(home.describe("1")["resumes"], 1);
}

#[test]
fn thirty_waiting_tasks_need_no_more_than_two_slots() {
    let home = Home::new().set("ADJOURN_WORKER_SLOTS", "2");
    let tasks: Vec<_> = (0..30)
        .map(|number| {
            with(
                script(&home.dag, "many", "sleep 15"),
                json!({"map_index": number}),
            )
        })
        .collect();
    let serve = home.serve();
    let submitted = home.run(&["submit", &home.task(&json!(tasks))]).expect(0);
    let ids: BTreeSet<&str> = submitted.text().lines().collect();
    assert_eq!(ids.len(), 30);
    home.until_count(
        "all thirty to wait at one moment",
        "SELECT count(*) FROM deferred_tasks",
        30,
    );
    let wait: Vec<&str> = ["wait"].into_iter().chain(ids).collect();
    home.run(&wait).expect(0);
    let states = home.sql("SELECT state, count(*) AS tasks FROM task_list GROUP BY state");
    assert_eq!(states, [json!({"state": "success", "tasks": 30})]);
    drop(serve);
}

#[test]
fn a_deferred_task_shows_in_sql_what_it_waits_for() {
    let home = Home::new();
    let task = with(
        script(&home.dag, "shown", "echo up; sleep 60"),
        json!({"run_id": "r1", "logging_interval": 1, "poll_interval": 1, "execution_timeout": 600}),
    );
    let serve = home.serve();
    let id = home.submit(&task);
    home.until_count(
        "a first line and then a wait",
        "SELECT count(*) FROM deferred_tasks WHERE log_lines >= 1 AND resumes >= 1",
        1,
    );
    // It waits nearly always, but not while it is being resumed.
    let row = eventually("the task to wait", || {
        home.sql("SELECT * FROM deferred_tasks").into_iter().next()
    });
    assert_eq!(row["id"].to_string(), id);
    assert_eq!(row["dag_id"], home.dag.as_str());
    assert_eq!(row["task_id"], "shown");
    assert_eq!(row["run_id"], "r1");
    assert_eq!(row["map_index"], -1);
    assert_eq!(row["try_number"], 1);
    let pods = home.cluster().pods(&home.dag);
    let metadata = &pods[0].metadata;
    assert_eq!(row["pod_namespace"].as_str(), metadata.namespace.as_deref());
    assert_eq!(row["pod_name"].as_str(), metadata.name.as_deref());
    assert_eq!(row["pod_uid"].as_str(), metadata.uid.as_deref());
    assert!(
        row["trigger_kind"].as_str().unwrap().contains("pod"),
        "{row}"
    );
    for moment in [
        "deferred_since",
        "next_log_time",
        "deadline",
        "last_log_time",
    ] {
        let text = row[moment].as_str().unwrap_or_default();
        assert!(
            text.starts_with("20") && text.ends_with('Z'),
            "{moment} in {row}"
        );
    }
    assert!(
        row["deferred_since"].as_str() < row["next_log_time"].as_str(),
        "{row}"
    );
    assert!(
        row["next_log_time"].as_str() < row["deadline"].as_str(),
        "{row}"
    );
    assert!(row["resumes"].as_i64().unwrap() >= 1, "{row}");

    // Questions change nothing.
    let refused = home.run(&["sql", "DELETE FROM tasks"]);
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert_eq!(home.sql("SELECT id FROM task_list").len(), 1);
    home.run(&["cancel", &id]).expect(0);
    drop(serve);
}
