//! `adjourn doctor` with a cluster: pods that nobody knows, pods that are missing.

use serde_json::{Value, json};

use crate::support::{Home, image, script, with};

/// The doctor's report on a home with a cluster.
#[track_caller]
fn report(home: &Home, fix: bool, code: i32) -> Value {
    let mut words = vec!["doctor", "-o", "json"];
    words.extend(fix.then_some("--fix"));
    let report = home.run(&words).expect(code).json();
    assert_eq!(report["unchecked"], json!([]), "{report}");
    report
}

/// The only finding.
#[track_caller]
fn one(report: &Value, kind: &str) -> Value {
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{report}");
    assert_eq!(findings[0]["kind"], kind, "{report}");
    findings[0].clone()
}

fn installation(home: &Home) -> String {
    let row = &home.sql("SELECT id FROM installation")[0];
    row["id"].as_str().unwrap().to_owned()
}

/// A pod of an installation, made by nobody in particular.
fn stranger(home: &Home, installation: &str, text: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": format!("{}-stranger", home.dag),
            "labels": {"dag_id": home.dag, "adjourn_installation": installation},
        },
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "base",
                "image": image(),
                "imagePullPolicy": "IfNotPresent",
                "command": ["sh", "-c", text],
            }],
        },
    })
}

#[test]
fn beside_a_daemon_at_work_nothing_is_wrong() {
    let home = Home::new();
    let serve = home.serve();
    let text = "for i in 1 2 3 4; do echo line $i; sleep 0.3; done";
    let task = with(
        script(&home.dag, "watched", text),
        json!({"logging_interval": 0.2, "poll_interval": 1}),
    );
    let id = home.submit(&task);
    let mut looks = 0;
    while home.describe(&id)["is_final"] == false {
        report(&home, false, 0);
        looks += 1;
    }
    assert!(looks > 1, "the task was over before anybody looked");
    home.run(&["wait", &id]).expect(0);
    home.until_count(
        "the deletion of its pod",
        "SELECT count(*) = 0 FROM disposals",
        1,
    );
    report(&home, false, 0);
    drop(serve);
}

#[test]
fn an_ended_pod_on_no_record_is_told_and_mended() {
    let home = Home::new();
    let diary = home.diary();
    home.run(&["submit", &home.task(&script(&home.dag, "other", "exit 0"))])
        .expect(0);
    let pod = stranger(&home, &installation(&home), "exit 0");
    home.cluster().create(&pod);
    diary.until_phase("Succeeded");
    let found = one(&report(&home, false, 1), "pod_without_task");
    assert_eq!(
        found["pod"],
        format!("default/{}-stranger", home.dag),
        "{found}"
    );
    one(&report(&home, true, 0), "pod_without_task");
    diary.closed();
    report(&home, false, 0);
}

#[test]
fn a_running_pod_on_no_record_is_told_and_left_alone() {
    let home = Home::new();
    let diary = home.diary();
    home.run(&["submit", &home.task(&script(&home.dag, "other", "exit 0"))])
        .expect(0);
    let pod = stranger(&home, &installation(&home), "sleep 600");
    home.cluster().create(&pod);
    let name = diary.until_phase("Running");
    let found = one(&report(&home, true, 1), "pod_without_task");
    let advice = found["advice"].as_str().unwrap();
    assert!(advice.contains("kubectl delete pod"), "{advice}");
    let left = home.cluster().pod(&name).unwrap();
    assert_eq!(left.metadata.deletion_timestamp, None);
}

#[test]
fn pods_of_another_installation_are_no_business_of_ours() {
    let home = Home::new();
    let diary = home.diary();
    home.run(&["submit", &home.task(&script(&home.dag, "other", "exit 0"))])
        .expect(0);
    let pod = stranger(&home, "somebody-elses", "exit 0");
    home.cluster().create(&pod);
    diary.until_phase("Succeeded");
    report(&home, true, 0);
    assert_eq!(home.cluster().pods(&home.dag).len(), 1);
}

#[test]
fn a_pod_whose_deletion_was_forgotten_is_told_and_mended() {
    let home = Home::new();
    let diary = home.diary();
    let task = with(
        script(&home.dag, "kept", "exit 0"),
        json!({"on_finish_action": "keep_pod"}),
    );
    home.run(&["run", &home.task(&task)]).expect(0);
    report(&home, false, 0);
    home.change("UPDATE pods SET disposal = 'delete'");
    let found = one(&report(&home, false, 1), "leftover_pod");
    assert_eq!(found["task"], 1);
    one(&report(&home, true, 0), "leftover_pod");
    diary.closed();
    report(&home, false, 0);
}

#[test]
fn a_task_whose_pod_is_gone_is_told_and_the_next_engine_ends_it() {
    let home = Home::new();
    let diary = home.diary();
    let serve = home.serve();
    let id = home.submit(&script(&home.dag, "robbed", "sleep 600"));
    home.until_state(&id, "deferred");
    let pod = diary.until_phase("Running");
    serve.kill();
    report(&home, false, 0);
    home.cluster().delete(&pod);
    let found = one(&report(&home, false, 1), "pod_gone");
    assert_eq!(found["task"], 1);
    let serve = home.serve();
    home.run(&["wait", &id]).expect(1);
    report(&home, false, 0);
    drop(serve);
}

#[test]
fn a_task_in_a_dead_workers_hands_is_told_and_mended() {
    let home = Home::new();
    let diary = home.diary();
    // Followed live: the worker holds the task as long as the pod runs.
    let task = with(
        script(&home.dag, "held", "echo up; sleep 3; echo down"),
        json!({"deferrable": false}),
    );
    let run = home.start(&["run", &home.task(&task)]);
    diary.until_phase("Running");
    report(&home, false, 0);
    run.kill();
    let found = one(&report(&home, false, 1), "stuck_lease");
    assert!(found["what"].as_str().unwrap().contains("dead"), "{found}");
    one(&report(&home, true, 0), "stuck_lease");
    home.until_state("1", "queued");
    let ended = home.run(&["run", "--task", "1"]).expect(0);
    assert_eq!(ended.text(), "up\ndown\n");
    assert_eq!(diary.closed().len(), 1, "one pod ever");
    report(&home, false, 0);
}
