//! Engines that are held still, told to go, or share a database with another.

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{Home, script, with};

const LINES: &str = "for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 0.5; done";

fn lines() -> String {
    (1..=8).map(|number| format!("line {number}\n")).collect()
}

/// Verdicts in the history, and claims that were taken away from a worker.
fn events(home: &Home, event: &str) -> usize {
    let events = home.events("1");
    events.iter().filter(|one| *one == event).count()
}

#[test]
fn an_engine_that_slept_past_its_lease_finds_its_task_taken_and_does_no_harm() {
    let home = Home::new().set("ADJOURN_WORKER_LEASE_SECONDS", "1");
    let diary = home.diary();
    // Followed live: the worker holds the task all the time.
    let task = with(
        script(&home.dag, "held", LINES),
        json!({"deferrable": false}),
    );
    let id = home.submit(&task);
    let sleeper = home.serve();
    home.until_lines(&id, 2);
    sleeper.signal(Signal::SIGSTOP);
    let other = home.start(&["run", "--task", &id]);
    home.until_count(
        "the other to take over",
        "SELECT count(*) FROM history WHERE event = 'reclaim'",
        1,
    );
    home.until_lines(&id, 4);
    sleeper.signal(Signal::SIGCONT);
    let ended = other.finish().expect(0);
    assert_eq!(ended.text(), lines());
    assert_eq!(home.log(&id), lines().as_bytes());
    assert_eq!(events(&home, "complete"), 1);
    assert_eq!(diary.closed().len(), 1, "one pod ever");
    assert_eq!(diary.most_alive(), 1);
    drop(sleeper);
    home.run(&["doctor"]).expect(0);
}

#[test]
fn a_triggerer_that_slept_past_its_lease_wakes_nobody_twice() {
    let home = Home::new().set("ADJOURN_WORKER_LEASE_SECONDS", "1");
    let diary = home.diary();
    let task = with(
        script(&home.dag, "watched", LINES),
        json!({"logging_interval": 1, "poll_interval": 1}),
    );
    let id = home.submit(&task);
    let sleeper = home.serve();
    home.until_lines(&id, 1);
    home.until_state(&id, "deferred");
    sleeper.signal(Signal::SIGSTOP);
    let other = home.start(&["run", "--task", &id]);
    home.until_lines(&id, 5);
    sleeper.signal(Signal::SIGCONT);
    let ended = other.finish().expect(0);
    assert_eq!(ended.text(), lines());
    assert_eq!(events(&home, "complete"), 1);
    assert_eq!(diary.closed().len(), 1, "one pod ever");
    drop(sleeper);
    home.run(&["doctor"]).expect(0);
}

#[test]
fn a_daemon_that_is_told_to_go_in_mid_step_leaves_nothing_to_wait_for() {
    // Whoever had to wait for the lease would wait longer than any test.
    let home = Home::new().set("ADJOURN_WORKER_LEASE_SECONDS", "86400");
    let diary = home.diary();
    let task = with(
        script(&home.dag, "let-go", LINES),
        json!({"deferrable": false}),
    );
    let id = home.submit(&task);
    let serve = home.serve();
    home.until_lines(&id, 2);
    assert_eq!(home.describe(&id)["state"], "running");
    serve.signal(Signal::SIGTERM);
    serve.finish().expect(0);
    assert_eq!(home.describe(&id)["state"], "queued");
    assert_eq!(events(&home, "release"), 1);
    let serve = home.serve();
    home.run(&["wait", &id]).expect(0);
    assert_eq!(events(&home, "reclaim"), 0);
    assert_eq!(home.log(&id), lines().as_bytes());
    assert_eq!(diary.closed().len(), 1, "one pod ever");
    drop(serve);
}
