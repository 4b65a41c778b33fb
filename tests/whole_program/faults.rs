//! What an API server can do to its clients: refuse, lose, cut, forget, fall silent. No task's
//! fate hangs on it.

use serde_json::{Value, json};

use crate::support::{Cluster, Diary, Home, image, script, with};

/// Eight numbered lines within two seconds and a half.
fn eight_lines(home: &Home) -> Value {
    let text = "for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 0.3; done";
    with(
        script(&home.dag, "steadfast", text),
        json!({"logging_interval": 0.4, "poll_interval": 1}),
    )
}

fn lines() -> String {
    (1..=8).map(|number| format!("line {number}\n")).collect()
}

/// The task has come to its one right end, with one pod and each line once.
#[track_caller]
fn nothing_was_lost(home: &Home, diary: &Diary) {
    home.cluster().order(&json!({}));
    let told = home.describe("1");
    assert_eq!(told["state"], "success", "{told}");
    assert_eq!(told["try_number"], 1, "no attempt was spent: {told}");
    assert_eq!(String::from_utf8_lossy(&home.log("1")), lines());
    assert_eq!(diary.closed().len(), 1, "one pod ever");
    let report = home.run(&["doctor", "-o", "json"]).expect(0).json();
    assert_eq!(report["findings"], json!([]), "{report}");
}

/// Runs the task on a cluster with these faults from its beginning to its end; answers what
/// happened to it.
#[track_caller]
fn runs_with(faults: &Value) -> Vec<String> {
    let home = Home::beside(Cluster::with_faults());
    let diary = home.diary();
    home.submit(&eight_lines(&home));
    let serve = home.serve();
    home.cluster().order(faults);
    home.run(&["wait", "1"]).expect(0);
    nothing_was_lost(&home, &diary);
    drop(serve);
    home.events("1")
}

/// On pods only, so that the test's own orders get through.
fn rule(verbs: &[&str], share: f64, fault: &Value) -> Value {
    json!({"verbs": verbs, "path": "/pods", "share": share, "fault": fault})
}

#[test]
fn a_server_that_refuses_every_third_request() {
    let codes = [401, 429, 500, 503, 504];
    let rules: Vec<Value> = codes
        .iter()
        .map(|code| {
            // The diary's own watch must not be refused: it is the judge.
            let verbs = ["create", "get", "list", "delete", "patch", "update"];
            rule(&verbs, 0.08, &json!({"status": code}))
        })
        .collect();
    runs_with(&json!({"rules": rules}));
}

#[test]
fn a_server_whose_answers_are_lost_on_the_way() {
    let verbs = ["create", "get", "list", "delete", "patch", "update"];
    runs_with(&json!({"rules": [
        rule(&verbs, 0.15, &json!("lose_answer")),
        rule(&verbs, 0.15, &json!("cut")),
    ]}));
}

#[test]
fn a_slow_server() {
    runs_with(&json!({"rules": [rule(&[], 1.0, &json!({"delay_millis": 300}))]}));
}

#[test]
fn a_creation_whose_answers_are_lost_four_times_makes_one_pod() {
    let rule = json!({
        "verbs": ["create"], "path": "/pods", "times": 4, "fault": "lose_answer",
    });
    let events = runs_with(&json!({"rules": [rule]}));
    // All that one step tries was in vain.
    assert!(events.contains(&"postpone".to_owned()), "{events:?}");
}

#[test]
fn watches_that_say_nothing_while_a_pod_lives_and_ends() {
    let home = Home::beside(Cluster::with_faults());
    home.submit(&eight_lines(&home));
    home.cluster().order(&json!({"silent_watches": true}));
    let serve = home.serve();
    home.run(&["wait", "1"]).expect(0);
    // The diary is a watch, too: it is opened only now.
    home.cluster().order(&json!({}));
    assert_eq!(String::from_utf8_lossy(&home.log("1")), lines());
    assert_eq!(home.describe("1")["try_number"], 1);
    assert_eq!(home.sql("SELECT name FROM pods").len(), 1);
    drop(serve);
}

#[test]
fn watches_that_are_cut_and_told_that_their_history_is_gone() {
    let home = Home::beside(Cluster::with_faults());
    let diary = home.diary();
    let serve = home.serve();
    home.submit(&eight_lines(&home));
    for line in [1, 3, 5] {
        home.until_lines("1", line);
        // Not `expire_watches`: the diary would have to forget what it saw.
        home.cluster().order(&json!({"cut_watches": true}));
    }
    home.run(&["wait", "1"]).expect(0);
    nothing_was_lost(&home, &diary);
    drop(serve);
}

#[test]
fn a_history_that_is_compacted_while_the_pod_ends() {
    let home = Home::beside(Cluster::with_faults());
    let serve = home.serve();
    home.submit(&eight_lines(&home));
    for line in [1, 3, 5, 7] {
        home.until_lines("1", line);
        home.cluster()
            .order(&json!({"expire_watches": true, "forget_history": true}));
    }
    home.run(&["wait", "1"]).expect(0);
    assert_eq!(String::from_utf8_lossy(&home.log("1")), lines());
    assert_eq!(home.describe("1")["try_number"], 1);
    assert_eq!(home.sql("SELECT name FROM pods").len(), 1);
    drop(serve);
}

#[test]
fn a_pod_that_another_of_its_name_replaces_is_not_taken_for_ours() {
    let home = Home::new();
    let diary = home.diary();
    let serve = home.serve();
    let name = format!("{}-twin", home.dag);
    let task = with(
        script(&home.dag, "twin", "echo ours; sleep 600"),
        json!({
            "name": name,
            "random_name_suffix": false,
            "logging_interval": 0.5,
            "poll_interval": 1,
        }),
    );
    let id = home.submit(&task);
    home.until_lines(&id, 1);
    // Nothing of what comes now is seen before all of it has happened.
    serve.signal(nix::sys::signal::Signal::SIGSTOP);
    home.cluster().delete(&name);
    home.cluster().create(&json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"dag_id": home.dag}},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "base",
                "image": image(),
                "imagePullPolicy": "IfNotPresent",
                "command": ["sh", "-c", "echo theirs; sleep 600"],
            }],
        },
    }));
    diary.until("the twin to run", |seen| {
        seen.iter().any(|pod| pod.phase == "Running" && !pod.gone)
    });
    serve.signal(nix::sys::signal::Signal::SIGCONT);
    home.run(&["wait", &id]).expect(1);
    assert_eq!(home.log(&id), b"ours\n");
    let twin = home.cluster().pod(&name).unwrap();
    assert_eq!(twin.metadata.deletion_timestamp, None, "it is not ours");
    drop(serve);
}
