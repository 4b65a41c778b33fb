//! What a waiting task costs: bytes, counted by the allocator, not by a clock.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set its stage has failed"
)]

mod counting;

#[path = "../pod_adapters/answer.rs"]
mod answer;
#[allow(dead_code, reason = "shared with tests that ask for more failures")]
#[path = "../pod_adapters/api.rs"]
mod api;
#[allow(dead_code, reason = "shared with tests that put more on the stage")]
#[path = "../pod_adapters/stage.rs"]
mod stage;
#[path = "../pod_adapters/streams.rs"]
mod streams;

use std::collections::BTreeMap;
use std::time::Duration;

use adjourn::clock::Clock;
use adjourn::pod::client::Connections;
use adjourn::task::deferral::{TriggerEvent, TriggerSpec};
use adjourn::task::pods::{ConnectionOverrides, ConnectionRef, PodIdentity};
use adjourn::trigger::TriggerKind;
use adjourn::trigger::pod::{PodTerms, PodTriggerKwargs, PodTriggers};
use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::api::Api;

const WAITERS: usize = 10_000;

/// What one may cost.
const LIMIT: usize = 2048;

/// A pod such as a real cluster shows it while it runs, with names of a usual length.
fn a_pod(index: usize) -> Value {
    let name = format!("nightly-report-{index:08x}");
    let mut pod = stage::a_pod(&name, "Running", stage::running());
    pod["metadata"]["uid"] = uid(index).into();
    pod["metadata"]["labels"] = json!({"adjourn_installation": "us", "dag_id": "nightly"});
    pod["spec"]["nodeName"] = "pool-a-node-17.example.internal".into();
    let status = &mut pod["status"]["containerStatuses"][0];
    status["image"] = "registry.example.internal/team/report:2026-11-24".into();
    status["containerID"] = format!("containerd://{index:064x}").into();
    pod
}

fn uid(index: usize) -> String {
    format!("7c9e6679-7425-40de-944b-{index:012x}")
}

fn trigger(index: usize) -> TriggerSpec {
    let now = Clock::system().now();
    PodTriggerKwargs {
        connection: ConnectionRef {
            name: "kubernetes_default".to_owned(),
            overrides: ConnectionOverrides::default(),
        },
        pod: PodIdentity {
            namespace: "jobs".to_owned(),
            name: format!("nightly-report-{index:08x}"),
            uid: uid(index),
        },
        terms: PodTerms {
            base_container: "base".to_owned(),
            poll_interval_seconds: 3600.0,
            logging_interval_seconds: Some(3600.0),
            next_log_at: Some(now + TimeDelta::hours(1)),
            schedule_by: now + TimeDelta::hours(1),
            schedule_timeout_seconds: 3600.0,
            startup_timeout_seconds: 3600.0,
        },
        trigger_kwargs: serde_json::Map::new(),
    }
    .to_spec()
}

/// Waits until nothing is allocated or freed any more.
async fn at_rest() -> usize {
    let mut last = counting::live();
    let mut same = 0;
    while same < 5 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = counting::live();
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    last
}

#[tokio::test]
async fn a_task_that_waits_for_its_pod_costs_at_most_two_kibibytes() {
    let api = Api::start().await;
    // Pages, so that no connection holds all of the pods at once.
    api.do_not_stream_lists();
    for index in 0..WAITERS {
        api.put(a_pod(index));
    }
    let connections = Connections::new(BTreeMap::from([(
        "kubernetes_default".to_owned(),
        api.settings(),
    )]));
    let triggers = PodTriggers::new(connections, "us");
    let mut waiters: JoinSet<TriggerEvent> = JoinSet::new();
    let before = at_rest().await;
    let one = triggers.build(&trigger(0), &Clock::system()).unwrap();
    println!("{} bytes the future", size_of_val(&*one.wait()));
    println!(
        "{} bytes the observation, {} a container",
        size_of::<adjourn::pod::observe::PodObservation>(),
        size_of::<adjourn::pod::observe::ContainerObservation>()
    );
    for index in 0..WAITERS {
        let built = triggers.build(&trigger(index), &Clock::system()).unwrap();
        waiters.spawn(built.wait());
    }
    while triggers.hub().pods() < WAITERS || triggers.hub().counts().relists == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let each = (at_rest().await - before) / WAITERS;
    assert!(waiters.try_join_next().is_none(), "somebody does not wait");
    assert_eq!(waiters.len(), WAITERS);
    println!("{each} bytes a waiter");
    assert!(each <= LIMIT, "{each} bytes a waiter");
}
