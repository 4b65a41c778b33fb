//! What a task leaves behind as its result.

use serde_json::json;

use crate::support::{Home, eventually, script, with};

fn leaves(home: &Home, name: &str, text: &str, more: &str) -> serde_json::Value {
    let words = format!("printf '%s' '{text}' > /airflow/xcom/return.json; {more}");
    with(
        script(&home.dag, name, &words),
        json!({"do_xcom_push": true}),
    )
}

#[test]
fn what_a_task_leaves_is_its_result() {
    let home = Home::new();
    let task = leaves(&home, "sum", r#"{"rows": 3, "names": ["a", "b"]}"#, "true");
    home.run(&["run", &home.task(&task)]).expect(0);
    let told = home.describe("1");
    assert_eq!(told["state"], "success");
    assert_eq!(
        told["xcom"]["return_value"],
        json!({"rows": 3, "names": ["a", "b"]})
    );
    eventually("the end of the sidecar, with its pod", || {
        home.cluster().pods(&home.dag).is_empty().then_some(())
    });
}

#[test]
fn a_result_that_is_no_json_fails_its_task_and_is_shown() {
    let home = Home::new();
    let task = leaves(&home, "broken", "{rows: 3", "true");
    home.run(&["run", &home.task(&task)]).expect(1);
    let told = home.describe("1");
    let reason = told["reason"].as_str().unwrap();
    assert!(reason.contains("{rows: 3"), "{reason}");
}

#[test]
fn a_task_that_leaves_nothing_has_no_result() {
    let home = Home::new();
    let task = with(
        script(&home.dag, "nothing", "true"),
        json!({"do_xcom_push": true}),
    );
    home.run(&["run", &home.task(&task)]).expect(0);
    assert_eq!(home.describe("1")["xcom"], json!({}));
}

#[test]
fn a_kept_pods_sidecar_is_ended_with_its_task() {
    let home = Home::new();
    let diary = home.diary();
    let task = with(
        leaves(&home, "kept", "7", "true"),
        json!({"on_finish_action": "keep_pod"}),
    );
    home.run(&["run", &home.task(&task)]).expect(0);
    assert_eq!(home.describe("1")["xcom"]["return_value"], 7);
    diary.until("the end of the pod", |seen| {
        seen.iter()
            .all(|pod| matches!(pod.phase.as_str(), "Succeeded" | "Failed"))
    });
}
