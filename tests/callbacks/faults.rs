//! Callbacks that do not do as they should.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use adjourn::operator::callbacks::{
    CallbackLimits, CallbackResult, CleanupTold, LineTold, PodCallbacks, PodTold,
};
use async_trait::async_trait;
use serde_json::json;

use crate::house::{House, LIMITS};
use crate::support::{script, with};

/// How long a callback that blocks its thread waits to be given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// One fault for each moment.
struct Trouble {
    /// Told when the engine has gone on without the callback that blocks.
    given_up: (Sender<()>, Mutex<Receiver<()>>),
}

impl Trouble {
    fn new() -> Self {
        let (tell, told) = channel();
        Self {
            given_up: (tell, Mutex::new(told)),
        }
    }
}

#[async_trait]
impl PodCallbacks for Trouble {
    async fn on_pod_creation(&self, _told: &PodTold) -> CallbackResult {
        Err("the pager is out of order".into())
    }

    async fn on_pod_starting(&self, told: &PodTold) -> CallbackResult {
        panic!("no idea what to do with {}", told.task.key.task_id);
    }

    async fn on_pod_completion(&self, _told: &PodTold) -> CallbackResult {
        std::future::pending().await
    }

    async fn on_pod_teardown(&self, _told: &PodTold) -> CallbackResult {
        // Not even the runtime gets its thread back until the next callback is called.
        let given_up = self.given_up.1.lock().unwrap();
        given_up.recv_timeout(PATIENCE).unwrap();
        Ok(())
    }

    async fn on_pod_cleanup(&self, _told: &CleanupTold) -> CallbackResult {
        self.given_up.0.send(()).unwrap();
        Err("the pager is still out of order".into())
    }
}

#[test]
fn faults_are_remarked_and_decide_nothing() {
    let house = House::with_limits(CallbackLimits {
        callback: Duration::from_millis(500),
        ..LIMITS
    });
    for deferrable in [true, false] {
        let task = with(
            script(&house.dag, &format!("t-{deferrable}"), "echo done"),
            json!({"callbacks": ["trouble"], "deferrable": deferrable}),
        );
        let ended = house
            .run(
                |operator| operator.with_callback("trouble", Arc::new(Trouble::new())),
                &task,
            )
            .expect("success");
        assert_eq!(ended.lines(), ["done"]);
        let remarks = ended.remarks();
        for told in [
            "callback trouble, on_pod_creation: failed: the pager is out of order".to_owned(),
            format!(
                "callback trouble, on_pod_starting: panicked: no idea what to do with t-{deferrable}"
            ),
            "callback trouble, on_pod_completion: did not end within 0.5 s and was given up"
                .to_owned(),
            "callback trouble, on_pod_teardown: did not end within 0.5 s and was given up"
                .to_owned(),
            "callback trouble, on_pod_cleanup: failed: the pager is still out of order".to_owned(),
        ] {
            let count = remarks.iter().filter(|remark| **remark == told).count();
            assert_eq!(count, 1, "{told}\n{remarks:#?}");
        }
    }
}

/// Takes for ever over its first line.
struct Slow(AtomicU32);

#[async_trait]
impl PodCallbacks for Slow {
    async fn progress_callback(&self, _told: &LineTold<'_>) -> CallbackResult {
        self.0.fetch_add(1, Ordering::Relaxed);
        std::future::pending().await
    }
}

#[test]
fn a_slow_progress_callback_costs_its_limit_once_and_no_line_is_lost() {
    let house = House::with_limits(CallbackLimits {
        callback: Duration::from_millis(200),
        ..LIMITS
    });
    let slow = Arc::new(Slow(AtomicU32::new(0)));
    // Two containers: at least two batches of lines in the last step.
    let task = with(
        script(&house.dag, "t", "for i in 1 2 3; do echo line $i; done"),
        json!({
            "progress_callback": "slow",
            "init_container_logs": true,
            "init_containers": [{
                "name": "first", "image": crate::support::image(),
                "imagePullPolicy": "IfNotPresent", "command": ["echo", "ready"],
            }],
        }),
    );
    let ended = house
        .run(
            |operator| operator.with_callback("slow", slow.clone()),
            &task,
        )
        .expect("success");
    assert_eq!(ended.lines(), ["ready", "line 1", "line 2", "line 3"]);
    assert_eq!(slow.0.load(Ordering::Relaxed), 1);
}

/// Never comes back once the pod has ended.
struct Endless;

#[async_trait]
impl PodCallbacks for Endless {
    async fn on_pod_completion(&self, _told: &PodTold) -> CallbackResult {
        std::future::pending().await
    }
}

#[test]
fn a_callback_that_takes_all_the_time_makes_no_task_late() {
    let house = House::with_limits(CallbackLimits {
        callback: Duration::from_secs(3600),
        ..LIMITS
    });
    let task = with(
        script(&house.dag, "t", "true"),
        json!({"callbacks": ["endless"], "deferrable": false, "execution_timeout": 12}),
    );
    let ended = house
        .run(
            |operator| operator.with_callback("endless", Arc::new(Endless)),
            &task,
        )
        .expect("success");
    let remarks = ended.remarks();
    let begin = "callback endless, on_pod_completion: did not end within ";
    let told = remarks
        .iter()
        .filter(|remark| remark.starts_with(begin))
        .count();
    assert_eq!(told, 1, "{remarks:?}");
}
