//! The network between the engine and the API server: cut, refused, silent.

use serde_json::{Value, json};

use crate::support::{Diary, Home, script, with};

const LINES: u32 = 8;

fn task(home: &Home, more: Value) -> Value {
    let text = "for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 0.4; done";
    with(
        with(
            script(&home.dag, "far", text),
            json!({"logging_interval": 0.4, "poll_interval": 1}),
        ),
        more,
    )
}

#[track_caller]
fn nothing_was_lost(home: &Home, diary: &Diary) {
    home.run(&["wait", "1"]).expect(0);
    let lines: String = (1..=LINES)
        .map(|number| format!("line {number}\n"))
        .collect();
    assert_eq!(String::from_utf8_lossy(&home.log("1")), lines);
    assert_eq!(home.describe("1")["try_number"], 1);
    assert_eq!(diary.closed().len(), 1, "one pod ever");
}

/// Cuts all connections in the middle of the log, again and again.
#[track_caller]
fn cut_again_and_again(more: Value) {
    let (home, proxy) = Home::new().through_a_proxy();
    let diary = home.diary();
    let serve = home.serve();
    home.submit(&task(&home, more));
    for line in [1, 2, 4, 6] {
        home.until_lines("1", line);
        proxy.cut();
    }
    nothing_was_lost(&home, &diary);
    drop(serve);
}

#[test]
fn a_deferred_task_whose_connections_are_cut() {
    cut_again_and_again(json!({}));
}

#[test]
fn a_log_that_is_followed_live_is_cut() {
    cut_again_and_again(json!({"deferrable": false}));
}

#[test]
fn a_server_that_is_away_while_the_pod_ends() {
    let (home, proxy) = Home::new().through_a_proxy();
    let diary = home.diary();
    let serve = home.serve();
    home.submit(&task(&home, json!({})));
    home.until_lines("1", 1);
    proxy.refuse();
    // The test's own way to the cluster does not lead through the proxy.
    diary.until_phase("Succeeded");
    assert_eq!(home.describe("1")["is_final"], false);
    proxy.let_through();
    nothing_was_lost(&home, &diary);
    drop(serve);
}

#[test]
fn a_server_that_falls_silent_and_comes_back() {
    let (home, proxy) = Home::new().through_a_proxy();
    let config = home.write(
        "adjourn.toml",
        "[connections.kubernetes_default]\nrequest_timeout_seconds = 1\n",
    );
    let home = home.set("ADJOURN_CONFIG", &config);
    let diary = home.diary();
    let serve = home.serve();
    home.submit(&task(&home, json!({})));
    home.until_lines("1", 1);
    proxy.fall_silent();
    diary.until_phase("Succeeded");
    home.until_count(
        "a step that is put off",
        "SELECT count(*) FROM history WHERE event = 'postpone'",
        1,
    );
    proxy.let_through();
    nothing_was_lost(&home, &diary);
    drop(serve);
}

/// With one request at a time, whoever waits for its turn must let the others have theirs.
#[test]
fn a_log_that_is_followed_live_with_one_request_at_a_time() {
    let home = Home::new();
    let config = home.write(
        "adjourn.toml",
        "[connections.kubernetes_default]\nrequests_at_once = 1\n",
    );
    let home = home.set("ADJOURN_CONFIG", &config);
    let diary = home.diary();
    let tasks: Vec<Value> = (0..6)
        .map(|number| {
            with(
                task(&home, json!({"deferrable": false})),
                json!({"task_id": format!("narrow-{number}")}),
            )
        })
        .collect();
    home.run(&["run", &home.task(&json!(tasks))]).expect(0);
    assert_eq!(diary.closed().len(), tasks.len());
}
