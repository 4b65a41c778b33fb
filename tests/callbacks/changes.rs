//! Changes to the pod before it is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use adjourn::operator::callbacks::{CallbackResult, ManifestTold, PodCallbacks};
use async_trait::async_trait;
use serde_json::{Value, json};

use crate::house::House;
use crate::support::{script, with};

type Change = fn(&mut Value) -> CallbackResult;

/// Changes the pod.
struct Changing(Change);

#[async_trait]
impl PodCallbacks for Changing {
    async fn on_pod_manifest_created(
        &self,
        _told: &ManifestTold,
        pod: &mut Value,
    ) -> CallbackResult {
        (self.0)(pod)
    }
}

fn variable(pod: &mut Value, name: &str, value: &str) {
    let container = &mut pod["spec"]["containers"][0];
    let mut variables = container["env"].as_array().cloned().unwrap_or_default();
    variables.push(json!({"name": name, "value": value}));
    container["env"] = variables.into();
}

#[test]
fn callbacks_change_the_pod_in_turn_and_the_hook_has_the_last_word() {
    let house = House::new();
    let task = with(
        script(&house.dag, "t", "echo $FIRST $SECOND $THIRD"),
        json!({"callbacks": ["first", "second"]}),
    );
    let first: Change = |pod| {
        variable(pod, "FIRST", "one");
        Ok(())
    };
    let second: Change = |pod| {
        let before = pod["spec"]["containers"][0]["env"][0]["value"].clone();
        variable(
            pod,
            "SECOND",
            &format!("{}-two", before.as_str().unwrap_or_default()),
        );
        Ok(())
    };
    let ended = house
        .run(
            |operator| {
                operator
                    .with_callback("first", Arc::new(Changing(first)))
                    .with_callback("second", Arc::new(Changing(second)))
                    .with_pod_mutation_hook(Arc::new(|pod| {
                        let count = pod["spec"]["containers"][0]["env"].as_array().map(Vec::len);
                        variable(pod, "THIRD", &count.unwrap_or_default().to_string());
                    }))
            },
            &task,
        )
        .expect("success");
    assert_eq!(ended.lines(), ["one one-two 2"]);
}

#[test]
fn changes_of_a_callback_that_fails_or_touches_the_identity_are_dropped() {
    let house = House::new();
    let task = with(
        script(&house.dag, "t", "echo ${HALF-whole} ${LOST-kept}"),
        json!({"callbacks": ["half", "thief"]}),
    );
    let half: Change = |pod| {
        variable(pod, "HALF", "half");
        Err("the other half is missing".into())
    };
    let thief: Change = |pod| {
        variable(pod, "LOST", "lost");
        pod["metadata"]["labels"]["adjourn_installation"] = "another".into();
        Ok(())
    };
    let ended = house
        .run(
            |operator| {
                operator
                    .with_callback("half", Arc::new(Changing(half)))
                    .with_callback("thief", Arc::new(Changing(thief)))
            },
            &task,
        )
        .expect("success");
    assert_eq!(ended.lines(), ["whole kept"]);
}

#[test]
fn a_hook_that_touches_the_identity_is_refused_at_submit() {
    let house = House::new();
    let task = script(&house.dag, "t", "true");
    let refused = house.refusal(
        |operator| {
            operator.with_pod_mutation_hook(Arc::new(|pod| {
                pod["metadata"]["name"] = "mine".into();
            }))
        },
        &task,
    );
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(
        refused[0].starts_with(
            "pod_mutation_hook must leave alone what says whose pod it is: metadata.name was "
        ),
        "{refused:?}"
    );
}

#[test]
fn what_a_hook_makes_is_checked_at_submit_like_any_other_pod() {
    let house = House::new();
    let task = script(&house.dag, "t", "true");
    let refused = house.refusal(
        |operator| {
            operator.with_pod_mutation_hook(Arc::new(|pod| {
                pod["metadata"]["labels"]["not a label"] = "x".into();
            }))
        },
        &task,
    );
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(refused[0].contains("not a label"), "{refused:?}");
}

#[test]
fn a_hook_that_goes_wrong_later_fails_the_task_before_any_pod_is_made() {
    type Later = fn(&mut Value);
    let later: [(Later, &str); 3] = [
        (
            |pod| pod["metadata"]["labels"]["task_id"] = "another".into(),
            "must leave alone what says whose pod it is: metadata.labels.task_id was",
        ),
        (
            |pod| pod["spec"]["containers"][0]["image"] = Value::Null,
            "made a pod that would be refused: spec.containers[0].image",
        ),
        (|_| panic!("no billing code"), "panicked: no billing code"),
    ];
    let house = House::new();
    for (number, (change, told)) in later.into_iter().enumerate() {
        let task = with(
            script(&house.dag, &format!("t-{number}"), "true"),
            json!({"retries": 3, "retry_delay": 0}),
        );
        let calls = AtomicU32::new(0);
        let ended = house
            .run(
                |operator| {
                    operator.with_pod_mutation_hook(Arc::new(move |pod| {
                        // The first call is the check at submit.
                        if calls.fetch_add(1, Ordering::Relaxed) > 0 {
                            change(pod);
                        }
                    }))
                },
                &task,
            )
            .expect("failed");
        let reason = ended.detail.task.reason.unwrap_or_default();
        assert!(reason.contains("pod_mutation_hook"), "{reason}");
        assert!(reason.contains(told), "{reason}");
        assert_eq!(
            ended.detail.task.failure_kind.unwrap().as_str(),
            "could_not_start"
        );
        // Another attempt would go the same way, and there is no pod.
        assert_eq!(ended.detail.task.try_number, 1);
        assert!(ended.detail.pods.is_empty());
    }
    assert!(house.cluster.pods(&house.dag).is_empty());
}
