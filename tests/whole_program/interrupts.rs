//! Ctrl-C and SIGTERM: the first asks, the second insists; pods are left alone either way.

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{Home, script, with};

const LINES: &str = "for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 0.5; done";

fn lines() -> String {
    (1..=8).map(|number| format!("line {number}\n")).collect()
}

#[track_caller]
fn the_pod_is_left_alone(home: &Home) {
    let pods = home.cluster().pods(&home.dag);
    assert_eq!(pods.len(), 1);
    assert_eq!(pods[0].metadata.deletion_timestamp, None);
}

#[test]
fn an_interrupted_run_says_how_to_go_on_and_nothing_is_lost() {
    let home = Home::new();
    let diary = home.diary();
    let task = with(
        script(&home.dag, "let-go", LINES),
        json!({"logging_interval": 1, "poll_interval": 1}),
    );
    let run = home.start(&["run", &home.task(&task)]);
    run.until_out("line 2", |said| said.contains("line 2\n"));
    run.signal(Signal::SIGINT);
    let let_go = run.finish().expect(130);
    assert!(
        let_go
            .stderr
            .contains("continue with: adjourn run --task 1"),
        "{let_go:?}"
    );
    the_pod_is_left_alone(&home);
    let state = home.describe("1")["state"].clone();
    assert!(state == "deferred" || state == "queued", "{state}");

    let ended = home.run(&["run", "--task", "1"]).expect(0);
    assert_eq!(ended.text(), lines(), "the whole log, each line once");
    assert_eq!(home.log("1"), lines().as_bytes());
    assert_eq!(diary.closed().len(), 1, "one pod ever");
    // What has ended is shown again, and no more.
    let again = home.run(&["run", "--task", "1"]).expect(0);
    assert_eq!(again.text(), lines());
}

#[test]
fn a_second_signal_ends_a_run_at_once() {
    let home = Home::new();
    let task = with(
        script(&home.dag, "insisted", LINES),
        json!({"logging_interval": 1, "poll_interval": 1}),
    );
    let run = home.start(&["run", &home.task(&task)]);
    run.until_out("line 1", |said| said.contains("line 1\n"));
    // Stopped, so that both signals are there when it looks.
    run.signal(Signal::SIGSTOP);
    run.signal(Signal::SIGINT);
    run.signal(Signal::SIGTERM);
    run.signal(Signal::SIGCONT);
    run.finish().expect(130);
    let ended = home.run(&["run", "--task", "1"]).expect(0);
    assert_eq!(ended.text(), lines());
}

#[test]
fn a_daemon_that_is_terminated_leaves_its_tasks_waiting() {
    let home = Home::new();
    let diary = home.diary();
    let serve = home.serve();
    let task = with(
        script(&home.dag, "waiting", "echo up; sleep 6; echo down"),
        json!({"logging_interval": 1, "poll_interval": 1}),
    );
    let id = home.submit(&task);
    home.until_lines(&id, 1);
    home.until_state(&id, "deferred");
    serve.signal(Signal::SIGTERM);
    serve.finish().expect(0);
    let told = home.describe(&id);
    assert!(
        told["state"] == "deferred" || told["state"] == "queued",
        "{told}"
    );
    the_pod_is_left_alone(&home);
    assert_eq!(home.sql("SELECT count(*) AS n FROM engines")[0]["n"], 0);

    let serve = home.serve();
    home.run(&["wait", &id]).expect(0);
    assert_eq!(home.log(&id), b"up\ndown\n");
    assert_eq!(diary.closed().len(), 1);
    drop(serve);
}

#[test]
fn a_daemon_ends_at_once_when_told_twice() {
    let home = Home::new();
    let serve = home.serve();
    serve.signal(Signal::SIGSTOP);
    serve.signal(Signal::SIGTERM);
    serve.signal(Signal::SIGINT);
    serve.signal(Signal::SIGCONT);
    let ended = serve.finish();
    // With nothing in its hands it may have let go in good order before it saw the second.
    assert!(matches!(ended.code, Some(0 | 130)), "{ended:?}");
    home.run(&["list"]).expect(0);
}
