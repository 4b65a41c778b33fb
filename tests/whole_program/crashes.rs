//! `kill -9` at any moment: the next engine goes on, no pod comes twice, no line is lost or
//! repeated.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::{Diary, Home, Running, script, with};

/// Ten numbered lines, one a second.
const TEN_LINES: &str = "for i in 1 2 3 4 5 6 7 8 9 10; do echo line $i; sleep 1; done";

/// Three lines within a second.
const THREE_LINES: &str = "for i in 1 2 3; do echo line $i; sleep 0.3; done";

fn lines(count: u32) -> String {
    (1..=count)
        .map(|number| format!("line {number}\n"))
        .collect()
}

fn task(home: &Home, text: &str, logging_interval: f64) -> Value {
    with(
        script(&home.dag, "survivor", text),
        json!({"logging_interval": logging_interval, "poll_interval": 1}),
    )
}

/// A moment in a task's life that can be seen from outside.
#[derive(Debug, Clone, Copy)]
enum Moment {
    Submitted,
    Claimed,
    PodIntended,
    PodCreated,
    Deferred,
    FirstLine,
    Resumed,
    PodEnded,
    Succeeded,
}

impl Moment {
    fn wait(self, home: &Home, diary: &Diary) {
        let history = |event: &str| format!("SELECT count(*) FROM history WHERE event = '{event}'");
        let what = format!("{self:?}");
        match self {
            Self::Submitted => home.until_count(&what, "SELECT count(*) FROM tasks", 1),
            Self::Claimed => home.until_count(&what, &history("claim"), 1),
            Self::PodIntended => home.until_count(&what, "SELECT count(*) FROM pods", 1),
            Self::PodCreated => {
                diary.until(&what, |seen| !seen.is_empty());
            }
            Self::Deferred => home.until_count(&what, &history("defer"), 1),
            Self::FirstLine => home.until_lines("1", 1),
            Self::Resumed => home.until_count(&what, &history("fire"), 1),
            Self::Succeeded => home.until_count(&what, &history("complete"), 1),
            Self::PodEnded => {
                diary.until_phase("Succeeded");
            }
        }
    }
}

#[track_caller]
fn all_is_well(home: &Home, diary: &Diary, count: u32) {
    let told = home.describe("1");
    assert_eq!(told["state"], "success", "{told}");
    assert_eq!(told["try_number"], 1);
    let log = home.log("1");
    assert_eq!(String::from_utf8_lossy(&log), lines(count));
    assert_eq!(told["pods"].as_array().unwrap().len(), 1);
    let pods = diary.closed();
    assert_eq!(pods.len(), 1, "one pod ever: {pods:?}");
    home.until_count(
        "nothing left to dispose of",
        "SELECT count(*) = 0 FROM disposals",
        1,
    );
}

#[test]
fn a_daemon_killed_after_the_fourth_line_is_followed_by_the_next() {
    let home = Home::new();
    let diary = home.diary();
    let serve = home.serve();
    let id = home.submit(&task(&home, TEN_LINES, 2.0));
    home.until_lines(&id, 4);
    serve.kill();
    let serve = home.serve();
    home.run(&["wait", &id]).expect(0);
    all_is_well(&home, &diary, 10);
    drop(serve);
}

#[test]
fn a_run_killed_after_the_fourth_line_is_gone_on_with() {
    let home = Home::new();
    let diary = home.diary();
    let run = home.start(&["run", &home.task(&task(&home, TEN_LINES, 1.0))]);
    run.until_out("line 4", |said| said.contains("line 4\n"));
    run.kill();
    let ended = home.run(&["run", "--task", "1"]).expect(0);
    assert_eq!(ended.text(), lines(10));
    all_is_well(&home, &diary, 10);
}

#[test]
fn what_a_killed_run_left_is_taken_up_by_a_daemon() {
    let home = Home::new();
    let diary = home.diary();
    let run = home.start(&["run", &home.task(&task(&home, THREE_LINES, 0.5))]);
    run.until_out("line 1", |said| said.contains("line 1\n"));
    run.kill();
    let serve = home.serve();
    home.run(&["wait", "1"]).expect(0);
    all_is_well(&home, &diary, 3);
    drop(serve);
}

#[test]
fn killed_again_and_again_a_task_still_comes_to_its_end() {
    let home = Home::new();
    let diary = home.diary();
    let id = home.submit(&task(&home, TEN_LINES, 0.5));
    for line in [1, 2, 4, 5, 7, 9] {
        let serve = home.serve();
        home.until_lines(&id, line);
        serve.kill();
    }
    let serve = home.serve();
    home.run(&["wait", &id]).expect(0);
    all_is_well(&home, &diary, 10);
    drop(serve);
}

#[test]
fn a_run_that_left_its_work_takes_over_when_the_daemon_is_killed() {
    let home = Home::new();
    let diary = home.diary();
    let serve = home.serve();
    let run = home.start(&["run", &home.task(&task(&home, TEN_LINES, 1.0))]);
    run.until_out("line 2", |said| said.contains("line 2\n"));
    serve.kill();
    let ended = run.finish().expect(0);
    assert_eq!(ended.text(), lines(10));
    all_is_well(&home, &diary, 10);
}

#[test]
fn an_attempt_that_is_due_while_nobody_works_is_made_by_the_next_engine() {
    let home = Home::new();
    let diary = home.diary();
    let serve = home.serve();
    let id = home.submit(&with(
        script(
            &home.dag,
            "again",
            "echo {{ try_number }}; test {{ try_number }} = 2",
        ),
        json!({"retries": 1, "retry_delay": 2}),
    ));
    home.until_state(&id, "up_for_retry");
    serve.kill();
    let serve = home.serve();
    home.run(&["wait", &id]).expect(0);
    assert_eq!(home.log(&id), b"1\n2\n");
    assert_eq!(diary.closed().len(), 2);
    drop(serve);
}

#[test]
fn an_end_that_was_asked_for_while_nobody_works_comes_with_the_next_engine() {
    let home = Home::new();
    let diary = home.diary();
    let serve = home.serve();
    let id = home.submit(&task(&home, "echo line 1; sleep 600", 1.0));
    home.until_lines(&id, 1);
    serve.kill();
    home.run(&["cancel", &id, "--no-wait"]).expect(0);
    assert_eq!(home.describe(&id)["is_final"], false);
    let serve = home.serve();
    home.run(&["wait", &id]).expect(1);
    assert_eq!(home.describe(&id)["state"], "cancelled");
    assert_eq!(home.log(&id), b"line 1\n");
    assert_eq!(diary.closed().len(), 1);
    drop(serve);
}

#[test]
fn a_deadline_that_passes_while_nobody_works_holds_all_the_same() {
    let home = Home::new();
    let diary = home.diary();
    let serve = home.serve();
    let id = home.submit(&with(
        task(&home, "echo line 1; sleep 600", 1.0),
        json!({"execution_timeout": 4}),
    ));
    home.until_lines(&id, 1);
    let deadline = home.describe(&id)["deadline"].clone();
    serve.kill();
    let passed = format!(
        "SELECT count(*) FROM tasks WHERE id = {id} AND deadline < unixepoch('subsec') * 1000"
    );
    home.until_count("the deadline", &passed, 1);
    let serve = home.serve();
    home.run(&["wait", &id]).expect(124);
    let told = home.describe(&id);
    assert_eq!(told["failure_kind"], "timed_out");
    assert_eq!(told["deadline"], deadline, "nothing moves a deadline");
    assert_eq!(home.log(&id), b"line 1\n");
    assert_eq!(diary.closed().len(), 1);
    drop(serve);
}

/// Starts an engine, kills it at the moment, starts the next.
fn killed_at(moment: Moment, begin: impl Fn(&Home) -> Running) {
    let home = Home::new();
    let diary = home.diary();
    let engine = begin(&home);
    if matches!(moment, Moment::PodEnded) {
        // Held still, so that it cannot end the task before the end of the pod is seen here.
        Moment::Deferred.wait(&home, &diary);
        engine.signal(Signal::SIGSTOP);
    }
    moment.wait(&home, &diary);
    engine.kill();
    let serve = home.serve();
    home.run(&["wait", "1"]).expect(0);
    all_is_well(&home, &diary, 3);
    drop(serve);
}

/// A daemon that finds a task on its first look.
fn daemon(home: &Home) -> Running {
    home.submit(&task(home, THREE_LINES, 0.5));
    home.start(&["serve"])
}

fn run(home: &Home) -> Running {
    home.start(&["run", &home.task(&task(home, THREE_LINES, 0.5))])
}

macro_rules! killed_at {
    ($($name:ident: $moment:ident, $begin:expr;)*) => {
        $(#[test]
        fn $name() {
            killed_at(Moment::$moment, $begin);
        })*
    };
}

killed_at! {
    a_daemon_killed_when_it_has_claimed: Claimed, daemon;
    a_daemon_killed_when_it_means_to_create_the_pod: PodIntended, daemon;
    a_daemon_killed_when_the_pod_is_created: PodCreated, daemon;
    a_daemon_killed_when_the_task_is_deferred: Deferred, daemon;
    a_daemon_killed_when_the_first_line_is_stored: FirstLine, daemon;
    a_daemon_killed_when_the_task_is_resumed: Resumed, daemon;
    a_daemon_killed_when_the_pod_has_ended: PodEnded, daemon;
    a_daemon_killed_when_the_task_has_succeeded: Succeeded, daemon;
    a_run_killed_when_it_has_submitted: Submitted, run;
    a_run_killed_when_it_means_to_create_the_pod: PodIntended, run;
    a_run_killed_when_the_task_is_deferred: Deferred, run;
    a_run_killed_when_the_pod_has_ended: PodEnded, run;
}
