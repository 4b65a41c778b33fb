//! Any daemon answers for each.

use serde_json::{Value, json};

use crate::client::Request;
use crate::load::made_up;
use crate::replicas::{Replica, Replicas};
use crate::support::postgres;

/// Long enough for many looks, short enough to be waited for.
fn talks(dag: &str, task_id: &str, more: Value) -> Value {
    let life = json!({"run-time": "4.1s", "log-lines-per-second": "4"});
    made_up(dag, task_id, life, more)
}

fn lines() -> Vec<String> {
    (0..=16).map(|number| format!("line {number}")).collect()
}

/// The events of one task's log through a daemon's API: each line with the state in which the
/// task was when it came, and the last event.
fn followed(replicas: &Replicas, at: &Replica, id: &str) -> (Vec<String>, Vec<String>, Value) {
    let path = format!("/api/v1/tasks/{id}/log/events?container=base");
    let mut events = Request::new(&at.place, "GET", &path).open();
    let (mut lines, mut states) = (Vec::new(), Vec::new());
    loop {
        let (name, _, data) = events.event().unwrap();
        if name == "end" {
            assert!(events.event().is_none(), "behind the verdict nothing comes");
            return (lines, states, data);
        }
        lines.push(data["line"].as_str().unwrap().to_owned());
        let state = format!("SELECT state FROM tasks WHERE id = {id}");
        states.extend(replicas.server.rows(&replicas.home.dag, &state));
    }
}

#[test]
fn a_task_of_one_daemon_is_followed_through_another() {
    let replicas = Replicas::on(postgres());
    let dag = replicas.home.dag.clone();
    // Each of these is held by one worker from its claim to its end.
    let live = json!({"deferrable": false});
    let worker = replicas.start();
    let tasks = ["one", "two", "three"].map(|name| talks(&dag, name, live.clone()));
    let ids = replicas.submit(&tasks);
    let running = "SELECT count(*) FROM tasks WHERE state = 'running'";
    replicas.until_count("all to run", running, 3);
    let other = replicas.start();

    let by_command = replicas
        .home
        .start(&["logs", "-f", &ids[1], "--server", &other.url()]);
    let by_database = replicas.home.start(&["logs", "-f", &ids[2]]);
    let (came, states, end) = followed(&replicas, &other, &ids[0]);
    assert_eq!(came, lines());
    assert_eq!(states[0], "running", "lines came at the end only");
    assert_eq!(end["state"], "success");
    let text = lines().join("\n") + "\n";
    assert_eq!(by_command.finish().expect(0).text(), text);
    assert_eq!(by_database.finish().expect(0).text(), text);

    let owners = "SELECT DISTINCT owner FROM history WHERE owner IS NOT NULL";
    let owners = replicas.server.rows(&dag, owners);
    assert_eq!(owners, [replicas.owner(&worker)], "who did the work");
}

#[test]
fn a_task_is_cancelled_through_another_daemon_and_changes_are_told_by_each() {
    let replicas = Replicas::on(postgres());
    let worker = replicas.start();
    let forever = json!({"run-time": "forever", "log-lines-per-second": "4"});
    let task = made_up(
        &replicas.home.dag,
        "sleeps",
        forever,
        json!({"deferrable": false}),
    );
    let id = replicas.submit(&[task]).remove(0);
    replicas.until_count("a line", "SELECT max(log_lines) FROM tasks", 1);
    let other = replicas.start();

    let mut live = Request::new(&other.place, "GET", "/api/v1/events").open();
    let done = replicas
        .home
        .run(&["cancel", &id, "--server", &other.url()])
        .expect(0);
    assert_eq!(done.stderr, format!("task {id} cancelled\n"));
    let mut told = Vec::new();
    while told
        .last()
        .is_none_or(|change: &Value| change["to_state"] != "cancelled")
    {
        told.push(live.event().unwrap().2);
    }
    for replica in [&worker, &other] {
        let request = Request::new(&replica.place, "GET", "/api/v1/changes?after=0");
        let page = request.send().expect(200).json();
        let changes = page["changes"].as_array().unwrap();
        assert!(changes.ends_with(&told), "{changes:?} and {told:?}");
    }
    replicas.diary.closed();
}
