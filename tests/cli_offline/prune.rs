//! `prune`, and what a task that a limit holds back says.

use adjourn::clock::Clock;
use adjourn::store::{EngineKind, EngineLimits, Store};
use serde_json::Value;

use crate::sandbox::Sandbox;

/// Three tasks, of which the first two have ended just now.
fn two_ended() -> Sandbox {
    let sandbox = Sandbox::new();
    let three = "\
- {task_id: a, image: busybox}
- {task_id: b, image: busybox}
- {task_id: c, image: busybox}
";
    sandbox.with_input("submit -", three).good();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let now = Clock::system().now();
        let store = Store::open(&sandbox.database(), now).await.unwrap();
        let scope = adjourn::store::Scope::All;
        let lease = now + chrono::Duration::seconds(60);
        for claimed in store.claim("test", &scope, 2, lease, now).await.unwrap() {
            let done = adjourn::store::StepCommit::Complete(Default::default());
            let (task, fence) = (claimed.row.id, claimed.row.fence);
            store
                .commit_step(task, fence, "test", done, now)
                .await
                .unwrap();
        }
    });
    sandbox
}

fn ids(sandbox: &Sandbox) -> String {
    sandbox.adjourn("list -o name").good()
}

#[test]
fn only_what_ended_long_enough_ago_is_removed() {
    let sandbox = two_ended();
    assert_eq!(sandbox.adjourn("prune").good(), "0 tasks removed\n");
    assert_eq!(
        sandbox.adjourn("prune --older-than 1h").good(),
        "0 tasks removed\n"
    );
    assert_eq!(
        sandbox.adjourn("prune --older-than 0 --dry-run").good(),
        "2 tasks would be removed\n"
    );
    assert_eq!(
        sandbox
            .adjourn("prune --older-than 0 --dry-run -o name")
            .good(),
        "1\n2\n"
    );
    assert_eq!(ids(&sandbox), "3\n2\n1\n");
    let removed = sandbox.adjourn("prune --older-than 0 -o json").good();
    let removed: Value = serde_json::from_str(&removed).unwrap();
    assert_eq!(
        (&removed["tasks"], &removed["dry_run"]),
        (&2.into(), &false.into())
    );
    assert_eq!(ids(&sandbox), "3\n");
    assert_eq!(sandbox.adjourn("describe 1").code, 3);
    assert_eq!(
        sandbox.adjourn("prune --older-than 0").good(),
        "0 tasks removed\n"
    );
}

#[test]
fn without_a_length_the_settings_decide_and_they_may_say_for_ever() {
    let sandbox = two_ended();
    sandbox.file("a.toml", "[janitor]\nretention_days = 0\n");
    sandbox.adjourn("prune --config a.toml").bad(
        2,
        "error: the settings keep tasks for ever; say which are to be removed with --older-than DURATION",
    );
    sandbox
        .adjourn("prune --older-than 9999999999d")
        .bad(2, "error: invalid value '9999999999d' for '--older-than <DURATION>': must be a length of time of at most 100 years: seconds, or text such as 90s, 10m, 1h30m, 2d\n\nFor more information, try '--help'.");
    assert_eq!(ids(&sandbox), "3\n2\n1\n");
}

#[test]
fn where_there_is_no_database_there_is_nothing_to_remove_and_none_is_made() {
    let sandbox = Sandbox::new();
    assert_eq!(
        sandbox.adjourn("prune --older-than 0").good(),
        "0 tasks removed\n"
    );
    assert!(!crate::sandbox::exists(&sandbox.database()));
}

#[test]
fn a_task_that_a_limit_holds_back_says_so_while_an_engine_is_alive() {
    let sandbox = Sandbox::new();
    sandbox.submit_hello();
    let reason = || {
        let told = sandbox.adjourn("get 1 -o json").good();
        let told: Value = serde_json::from_str(&told).unwrap();
        told[0]["reason"].clone()
    };
    assert_eq!(reason(), Value::Null);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let says = |limits: EngineLimits, seconds: i64| {
        runtime.block_on(async {
            let now = Clock::system().now();
            let store = Store::open(&sandbox.database(), now).await.unwrap();
            let until = now + chrono::Duration::seconds(seconds);
            store.engine_gone("test").await.unwrap();
            store
                .engine_alive("test", EngineKind::Serve, limits, until, now)
                .await
                .unwrap();
        });
    };
    let pace = EngineLimits {
        max_active_pods: Some(5),
        pods_per_second: Some(3),
    };
    says(pace, 600);
    assert_eq!(
        reason(),
        "waits in the queue: pods_per_second lets 3 pods begin in a second"
    );
    let described = sandbox.adjourn("describe 1").good();
    assert!(
        described.contains("Reason:       waits in the queue: pods_per_second"),
        "{described}"
    );
    // An engine that has not been heard of for long holds nobody back.
    says(pace, -1);
    assert_eq!(reason(), Value::Null);
}
