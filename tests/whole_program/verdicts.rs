//! What the end of a pod means for its task, and for the exit code.

use serde_json::{Value, json};

use crate::support::{Home, script, with};

#[track_caller]
fn reason(task: &Value) -> &str {
    task["reason"].as_str().unwrap()
}

#[test]
fn a_container_that_ends_with_3_fails_its_task() {
    let home = Home::new();
    let diary = home.diary();
    let task = home.task(&script(&home.dag, "three", "echo before; exit 3"));
    let ended = home.run(&["run", &task]).expect(1);
    assert_eq!(ended.text(), "before\n");
    let told = home.describe("1");
    assert_eq!(told["state"], "failed");
    assert_eq!(told["exit_code"], 3);
    assert!(reason(&told).contains("base"), "{told}");
    assert!(reason(&told).contains("exit code 3"), "{told}");
    assert!(ended.stderr.contains(reason(&told)), "{ended:?}");
    home.run(&["wait", "1"]).expect(1);
    assert_eq!(diary.closed().len(), 1, "one pod, and it is gone");
}

#[test]
fn the_containers_own_exit_code_is_handed_on_when_asked_for() {
    let home = Home::new();
    let task = home.task(&script(&home.dag, "handed", "exit 3"));
    home.run(&["run", &task, "--propagate-exit-code"]).expect(3);
    let task = home.task(&script(&home.dag, "well", "exit 0"));
    home.run(&["run", &task, "--propagate-exit-code"]).expect(0);
}

#[test]
fn a_code_that_means_skipped_skips() {
    let home = Home::new();
    let task = with(
        script(&home.dag, "skipping", "exit 42"),
        json!({"skip_on_exit_code": [41, 42]}),
    );
    home.run(&["run", &home.task(&task)]).expect(0);
    let told = home.describe("1");
    assert_eq!(told["state"], "skipped");
    assert_eq!(told["exit_code"], 42);
    home.run(&["wait", "1"]).expect(0);
}

#[test]
fn a_command_that_does_not_exist_could_not_start() {
    let home = Home::new();
    let diary = home.diary();
    let task = with(
        script(&home.dag, "absent", ""),
        json!({"cmds": ["no-such-program-at-all"], "arguments": [], "startup_timeout_seconds": 60}),
    );
    let ended = home.run(&["run", &home.task(&task)]).expect(5);
    assert!(ended.stderr.contains("no-such-program-at-all"), "{ended:?}");
    let told = home.describe("1");
    assert_eq!(told["state"], "failed");
    assert_eq!(told["failure_kind"], "could_not_start");
    home.run(&["wait", "1"]).expect(5);
    diary.closed();
}

#[test]
fn a_task_that_runs_out_of_time_while_it_waits_takes_its_pod_along() {
    let home = Home::new();
    let diary = home.diary();
    let task = with(
        script(&home.dag, "late", "echo up; sleep 600"),
        json!({"execution_timeout": 3, "poll_interval": 1}),
    );
    let ended = home.run(&["run", &home.task(&task)]).expect(124);
    assert_eq!(ended.text(), "up\n", "what it wrote before is kept");
    let told = home.describe("1");
    assert_eq!(told["state"], "failed");
    assert_eq!(told["failure_kind"], "timed_out");
    assert!(reason(&told).contains("execution_timeout"), "{told}");
    assert_eq!(diary.closed().len(), 1);
}

#[test]
fn a_second_attempt_gets_a_pod_of_its_own_and_may_succeed() {
    let home = Home::new();
    let diary = home.diary();
    let task = with(
        script(
            &home.dag,
            "again",
            "echo try {{ try_number }}; test {{ try_number }} = 2",
        ),
        json!({"retries": 3, "retry_delay": 0}),
    );
    let ended = home.run(&["run", &home.task(&task)]).expect(0);
    assert_eq!(ended.text(), "try 1\ntry 2\n");
    let told = home.describe("1");
    assert_eq!(told["try_number"], 2);
    assert_eq!(told["pods"].as_array().unwrap().len(), 2);
    let tries = home.sql(
        "SELECT try_number, event FROM task_history WHERE event IN ('fail', 'complete') ORDER BY at",
    );
    assert_eq!(
        tries,
        [
            json!({"try_number": 1, "event": "fail"}),
            json!({"try_number": 2, "event": "complete"}),
        ]
    );
    assert_eq!(diary.closed().len(), 2);
}

#[test]
fn attempts_come_to_an_end() {
    let home = Home::new();
    let diary = home.diary();
    let task = with(
        script(&home.dag, "vain", "exit 9"),
        json!({"retries": 1, "retry_delay": 0}),
    );
    home.run(&["run", &home.task(&task)]).expect(1);
    let told = home.describe("1");
    assert_eq!(
        (&told["try_number"], &told["max_tries"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(told["exit_code"], 9);
    assert_eq!(diary.closed().len(), 2);
}

#[test]
fn a_pod_that_is_to_be_kept_is_kept_as_it_ended() {
    let home = Home::new();
    let diary = home.diary();
    for (task_id, text, code, phase) in [
        ("kept-good", "exit 0", 0, "Succeeded"),
        ("kept-bad", "exit 4", 1, "Failed"),
    ] {
        let task = with(
            script(&home.dag, task_id, text),
            json!({"on_finish_action": "keep_pod"}),
        );
        home.run(&["run", &home.task(&task)]).expect(code);
        let seen = diary.until("the end of the pod", |seen| {
            seen.iter()
                .any(|pod| pod.name.starts_with(task_id) && pod.phase == phase)
        });
        assert!(seen.iter().all(|pod| !pod.gone), "{seen:?}");
    }
    let reasons: Vec<_> = home
        .cluster()
        .pods(&home.dag)
        .into_iter()
        .map(|pod| pod.status.unwrap().reason)
        .collect();
    assert_eq!(reasons, [None, None], "ended by itself");
}
