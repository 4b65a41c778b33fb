//! What happens to pods that is not our doing; and what several containers do together.

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{Home, image, script, with};

#[test]
fn a_pod_deleted_by_somebody_else_fails_its_task_with_a_reason() {
    let home = Home::new();
    let serve = home.serve();
    let task = with(
        script(&home.dag, "robbed", "echo up; sleep 600"),
        json!({"logging_interval": 1, "poll_interval": 1}),
    );
    let id = home.submit(&task);
    home.until_lines(&id, 1);
    let pod = home
        .cluster()
        .pods(&home.dag)
        .remove(0)
        .metadata
        .name
        .unwrap();
    home.cluster().delete(&pod);
    home.run(&["wait", &id]).expect(1);
    let told = home.describe(&id);
    assert_eq!(told["state"], "failed");
    let reason = told["reason"].as_str().unwrap();
    assert!(
        reason.contains("delete") || reason.contains("gone"),
        "{reason}"
    );
    assert_eq!(home.log(&id), b"up\n");
    assert!(home.cluster().pods(&home.dag).is_empty(), "no second pod");
    drop(serve);
}

#[test]
fn a_pod_deleted_after_its_good_end_is_a_success_all_the_same() {
    let home = Home::new();
    let diary = home.diary();
    let serve = home.serve();
    // Only the watch tells: neither a log nor a poll falls due.
    let task = with(
        script(&home.dag, "tidied", "echo up; sleep 2"),
        json!({"logging_interval": null, "poll_interval": 60}),
    );
    let id = home.submit(&task);
    home.until_state(&id, "deferred");
    diary.until_phase("Running");
    // The daemon sees nothing of what comes now, until all is over.
    serve.signal(Signal::SIGSTOP);
    home.cluster().delete(&diary.until_phase("Succeeded"));
    serve.signal(Signal::SIGCONT);
    home.run(&["wait", &id]).expect(0);
    assert_eq!(home.describe(&id)["exit_code"], 0);
    // What it wrote went with the pod, and the log says so in its place.
    let kinds = home.sql("SELECT DISTINCT kind FROM task_log WHERE kind <> 'event'");
    assert_eq!(kinds, [json!({"kind": "gap"})]);
    let shown = home.run(&["logs", &id]).expect(0);
    assert_eq!(shown.text(), "");
    assert!(shown.stderr.contains("lost"), "{shown:?}");
    assert_eq!(diary.closed().len(), 1, "no second pod");
    drop(serve);
}

#[test]
fn a_pod_that_vanished_while_no_engine_was_there_fails_its_task_with_a_reason() {
    let home = Home::new();
    let diary = home.diary();
    let serve = home.serve();
    let id = home.submit(&script(&home.dag, "vanished", "sleep 1"));
    home.until_state(&id, "deferred");
    serve.kill();
    home.cluster().delete(&diary.until_phase("Succeeded"));
    let serve = home.serve();
    home.run(&["wait", &id]).expect(1);
    let told = home.describe(&id);
    assert_eq!(told["state"], "failed");
    assert!(told["reason"].as_str().unwrap().contains("gone"), "{told}");
    assert_eq!(diary.closed().len(), 1, "no second pod");
    drop(serve);
}

#[test]
fn two_containers_share_a_directory_and_each_line_names_its_container() {
    let home = Home::new();
    let mount = json!([{"name": "shared", "mountPath": "/shared"}]);
    let container = |name: &str, script: &str| {
        json!({
            "name": name,
            "image": image(),
            "imagePullPolicy": "IfNotPresent",
            "command": ["sh", "-c", script],
            "volumeMounts": mount,
        })
    };
    let writer = "echo 'written by base' > /shared/new; mv /shared/new /shared/note; echo sent";
    let reader = "until test -e /shared/note; do sleep 0.1; done; cat /shared/note";
    let task = json!({
        "dag_id": home.dag,
        "task_id": "pair",
        "container_logs": true,
        "full_pod_spec": {
            "metadata": {"name": "pair"},
            "spec": {
                "volumes": [{"name": "shared", "emptyDir": {}}],
                "containers": [container("base", writer), container("reader", reader)],
            },
        },
    });
    let ended = home.run(&["run", &home.task(&task)]).expect(0);
    let mut lines: Vec<&str> = ended.text().lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["[base] sent", "[reader] written by base"]);
    let one = home.run(&["logs", "1", "-c", "reader"]).expect(0);
    assert_eq!(one.text(), "written by base\n");
}
