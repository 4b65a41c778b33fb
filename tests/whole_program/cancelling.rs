//! `adjourn cancel`: the pod goes, then the task has ended.

use serde_json::json;

use crate::support::{Home, script, with};

fn endless(home: &Home) -> serde_json::Value {
    with(
        script(&home.dag, "endless", "echo up; sleep 600"),
        json!({"logging_interval": 1, "poll_interval": 1}),
    )
}

#[test]
fn a_deferred_task_is_cancelled_by_the_daemon() {
    let home = Home::new();
    let diary = home.diary();
    let serve = home.serve();
    let id = home.submit(&endless(&home));
    home.until_lines(&id, 1);
    home.until_state(&id, "deferred");
    let wait = home.start(&["wait", &id]);
    home.run(&["cancel", &id, "--reason", "not wanted"])
        .expect(0);
    wait.finish().expect(1);
    let told = home.describe(&id);
    assert_eq!(told["state"], "cancelled");
    assert_eq!(told["reason"], "not wanted");
    assert_eq!(home.log(&id), b"up\n");
    let reasons = home.sql("SELECT reason FROM task_history WHERE event = 'cancel'");
    assert_eq!(reasons, [json!({"reason": "not wanted"})]);
    assert_eq!(diary.closed().len(), 1);
    drop(serve);
}

#[test]
fn a_deferred_task_is_cancelled_without_any_engine() {
    let home = Home::new();
    let diary = home.diary();
    let serve = home.serve();
    let id = home.submit(&endless(&home));
    home.until_lines(&id, 1);
    serve.kill();
    assert_eq!(home.cluster().pods(&home.dag).len(), 1);
    home.run(&["cancel", &id]).expect(0);
    // The command itself saw the pod's end asked for.
    assert_eq!(diary.closed().len(), 1);
    assert_eq!(home.describe(&id)["state"], "cancelled");
    home.run(&["wait", &id]).expect(1);
    // To ask once more is fine; to cancel what ended otherwise is not.
    home.run(&["cancel", &id]).expect(0);
}

#[test]
fn a_run_ends_when_its_task_is_cancelled() {
    let home = Home::new();
    let diary = home.diary();
    let run = home.start(&["run", &home.task(&endless(&home))]);
    run.until_out("the first line", |said| said == "up\n");
    home.run(&["cancel", "1"]).expect(0);
    let ended = run.finish().expect(1);
    assert!(ended.stderr.contains("task 1 cancelled"), "{ended:?}");
    assert_eq!(diary.closed().len(), 1);
}

#[test]
fn what_nobody_has_begun_is_cancelled_without_a_pod() {
    let home = Home::new();
    let id = home.submit(&endless(&home));
    home.run(&["cancel", &id]).expect(0);
    assert_eq!(home.describe(&id)["state"], "cancelled");
    assert!(home.cluster().pods(&home.dag).is_empty());
    home.run(&["cancel", "77"]).expect(3);
}

#[test]
fn what_has_ended_otherwise_cannot_be_cancelled() {
    let home = Home::new();
    let task = home.task(&script(&home.dag, "done", "exit 0"));
    home.run(&["run", &task]).expect(0);
    let refused = home.run(&["cancel", "1"]).expect(1);
    assert!(refused.stderr.contains("has ended already"), "{refused:?}");
    assert_eq!(home.describe("1")["state"], "success");
}
