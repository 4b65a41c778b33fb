//! This machine's clock is set by an hour, either way, while tasks are under way.
//!
//! Only with the feature `failpoints`: the program's clock is then moved by what a file says.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be"
)]

#[path = "support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "shared with tests that ask for more"
)]
mod support;

use serde_json::{Value, json};

use support::{Home, script, with};

const HOUR: i64 = 3600;

/// A home whose program reads its clock's offset from a file.
fn home() -> Home {
    let home = Home::new();
    let file = home.write("clock", "0");
    home.set("ADJOURN_FAILPOINT_CLOCK", &file)
}

/// Sets the clock; written aside and moved, so that nobody reads half a number.
fn set(home: &Home, seconds: i64) {
    let fresh = home.write("clock.new", seconds.to_string());
    std::fs::rename(fresh, home.path().join("clock")).unwrap();
}

fn eight_lines(home: &Home, more: Value) -> Value {
    let text = "for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 0.5; done";
    let task = with(
        script(&home.dag, "timeless", text),
        json!({"logging_interval": 0.5, "poll_interval": 1}),
    );
    with(task, more)
}

/// The clock is set when the second line is stored, and again at the fifth.
#[track_caller]
fn set_twice(first: i64, second: i64, more: Value) {
    let home = home();
    let diary = home.diary();
    let serve = home.serve();
    let id = home.submit(&eight_lines(&home, more));
    home.until_lines(&id, 2);
    set(&home, first);
    home.until_lines(&id, 5);
    set(&home, second);
    home.run(&["wait", &id]).expect(0);
    let lines: String = (1..=8).map(|number| format!("line {number}\n")).collect();
    assert_eq!(String::from_utf8_lossy(&home.log(&id)), lines);
    let told = home.describe(&id);
    assert_eq!(told["try_number"], 1, "{told}");
    assert_eq!(diary.closed().len(), 1, "one pod ever");
    home.until_count(
        "nothing left to dispose of",
        "SELECT count(*) = 0 FROM disposals",
        1,
    );
    drop(serve);
}

#[test]
fn set_forward_and_back_while_a_task_is_deferred() {
    set_twice(HOUR, 0, json!({}));
}

#[test]
fn set_back_and_forward_while_a_task_is_deferred() {
    set_twice(-HOUR, 0, json!({}));
}

#[test]
fn set_back_twice_while_a_task_is_deferred() {
    set_twice(-HOUR, -2 * HOUR, json!({}));
}

#[test]
fn set_forward_and_back_while_a_worker_follows_a_pod() {
    set_twice(HOUR, 0, json!({"deferrable": false}));
}

#[test]
fn set_back_and_forward_while_a_worker_follows_a_pod() {
    set_twice(-HOUR, 0, json!({"deferrable": false}));
}

#[test]
fn what_was_queued_an_hour_ahead_is_not_waited_for() {
    let home = home();
    set(&home, HOUR);
    let id = home.submit(&script(&home.dag, "early", "echo done"));
    set(&home, 0);
    let serve = home.serve();
    home.run(&["wait", &id]).expect(0);
    drop(serve);
}

#[test]
fn an_attempt_that_was_put_off_an_hour_ahead_is_not_waited_for() {
    let home = home();
    set(&home, HOUR);
    let serve = home.serve();
    let id = home.submit(&with(
        script(&home.dag, "again", "test {{ try_number }} = 2"),
        json!({"retries": 1, "retry_delay": 3}),
    ));
    home.until_state(&id, "up_for_retry");
    set(&home, 0);
    home.run(&["wait", &id]).expect(0);
    drop(serve);
}

#[test]
fn a_daemon_that_died_an_hour_ahead_holds_nothing_up() {
    let home = home();
    let diary = home.diary();
    set(&home, HOUR);
    let serve = home.serve();
    let id = home.submit(&eight_lines(&home, json!({})));
    home.until_lines(&id, 2);
    serve.kill();
    set(&home, 0);
    let ended = home.run(&["run", "--task", &id]).expect(0);
    assert!(ended.text().ends_with("line 8\n"), "{ended:?}");
    assert_eq!(diary.closed().len(), 1, "one pod ever");
}

#[test]
fn the_doctor_tells_how_far_the_clusters_clock_is_off() {
    let home = home();
    home.submit(&script(&home.dag, "any", "exit 0"));
    home.run(&["doctor"]).expect(0);
    for (step, word) in [(HOUR, "behind"), (-HOUR, "ahead of")] {
        set(&home, step);
        let report = home.run(&["doctor", "-o", "json"]).expect(1).json();
        let findings = report["findings"].as_array().unwrap();
        assert_eq!(findings.len(), 1, "{report}");
        assert_eq!(findings[0]["kind"], "clock_skew");
        let what = findings[0]["what"].as_str().unwrap();
        assert!(what.contains(word), "{what}");
        let seconds = what.split(" s ").next().unwrap().rsplit(' ').next();
        let seconds: i64 = seconds.unwrap().parse().unwrap();
        assert!((HOUR - 60..=HOUR + 60).contains(&seconds), "{what}");
    }
}

#[test]
fn the_doctor_tells_a_clock_that_is_an_hour_off() {
    for seconds in [HOUR, -HOUR] {
        let home = home();
        home.submit(&eight_lines(&home, json!({})));
        set(&home, seconds);
        let report = home.run(&["doctor", "-o", "json"]).expect(1).json();
        let found = report["findings"].as_array().unwrap();
        let skew = found.iter().find(|found| found["kind"] == "clock_skew");
        let skew = skew.unwrap_or_else(|| panic!("{report}"));
        let what = skew["what"].as_str().unwrap();
        let word = if seconds > 0 { "behind" } else { "ahead" };
        assert!(what.contains(word), "{what}");
        set(&home, 0);
        let report = home.run(&["doctor", "-o", "json"]).expect(0).json();
        assert_eq!(report["findings"], json!([]), "{report}");
    }
}
