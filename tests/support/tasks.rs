//! Task files.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be; its shared parts too"
)]

use serde_json::{Value, json};

/// The image of the tests' pods.
pub fn image() -> String {
    std::env::var("ADJOURN_TEST_IMAGE").unwrap_or_else(|_| "busybox".to_owned())
}

/// A task that runs a shell script in one container. A shell that is process 1 does not hear
/// SIGTERM, so its grace is short.
pub fn script(dag: &str, task_id: &str, script: &str) -> Value {
    json!({
        "dag_id": dag,
        "task_id": task_id,
        "image": image(),
        "image_pull_policy": "IfNotPresent",
        "cmds": ["sh", "-c"],
        "arguments": [script],
        "termination_grace_period": 1,
    })
}

/// The task with more, or other, keys.
pub fn with(mut task: Value, more: Value) -> Value {
    let Value::Object(more) = more else {
        panic!("not an object: {more}")
    };
    for (key, value) in more {
        task[key] = value;
    }
    task
}
