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
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use adjourn::clock::Clock;
use adjourn::engine::{Engine, EngineOptions};
use adjourn::operator::Operators;
use adjourn::pod::client::Connections;
use adjourn::store::{NewTask, Scope, StepCommit, Store};
use adjourn::task::deferral::TriggerSpec;
use adjourn::task::id::TaskKey;
use adjourn::task::pods::{ConnectionOverrides, ConnectionRef, PodIdentity};
use adjourn::task::retry::RetryPolicy;
use adjourn::trigger::pod::{PodTerms, PodTriggerKwargs, PodTriggers};
use adjourn::trigger::{Trigger, TriggerKind, TriggerUnusable, Triggers};
use chrono::TimeDelta;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection};

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
        errors: 0,
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

/// Stores one task that waits, as a worker would, and then many more like it.
async fn many_deferred(store: &Store, directory: &Path) {
    let now = Clock::system().now();
    let task = NewTask {
        key: TaskKey {
            dag_id: "nightly".into(),
            task_id: "report".into(),
            run_id: "scheduled__2026-11-24T00:00:00+00:00".into(),
            map_index: 0,
        },
        operator: "pod".into(),
        definition: "{}".into(),
        retry: RetryPolicy::default(),
        execution_timeout: Some(Duration::from_secs(24 * 60 * 60)),
    };
    store.submit(vec![task], now).await.unwrap();
    let lease = now + TimeDelta::seconds(60);
    let claimed = store.claim("gone", &Scope::All, 1, lease, now).await;
    let row = claimed.unwrap().remove(0).row;
    let step = StepCommit::Defer {
        trigger: trigger(0),
        reason: "waits for its pod".into(),
    };
    store
        .commit_step(row.id, row.fence, "gone", step, now)
        .await
        .unwrap();
    let path = directory.join("adjourn.db");
    let mut connection = SqliteConnection::connect(&format!("sqlite:{}", path.display()))
        .await
        .unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!(
        "BEGIN;
         CREATE TEMP TABLE more AS
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {WAITERS} - 1)
         SELECT i FROM n;
         INSERT INTO tasks (dag_id, task_id, run_id, map_index, operator, definition, state, fence,
                            max_tries, retry_policy, execution_timeout_ms, deadline, submitted_at,
                            changed_at)
         SELECT dag_id, task_id, run_id, i, operator, definition, state, fence, max_tries,
                retry_policy, execution_timeout_ms, deadline + i, submitted_at, changed_at
         FROM tasks, more WHERE tasks.id = 1;
         INSERT INTO triggers (task, fence, kind, version, kwargs, owner, deferred_at, next_log_at,
                               deadline)
         SELECT 1 + i, fence, kind, version,
                replace(replace(kwargs, '-944b-000000000000', printf('-944b-%012x', i)),
                        'report-00000000', printf('report-%08x', i)),
                owner, deferred_at, next_log_at, deadline + i
         FROM triggers, more WHERE triggers.task = 1;
         COMMIT;"
    )))
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
}

/// Pod triggers, counted as they are built.
struct Counted {
    pods: PodTriggers,
    built: Arc<AtomicUsize>,
}

impl TriggerKind for Counted {
    fn build(
        &self,
        spec: &TriggerSpec,
        clock: &Clock,
    ) -> Result<Box<dyn Trigger>, TriggerUnusable> {
        self.built.fetch_add(1, Ordering::Relaxed);
        self.pods.build(spec, clock)
    }
}

/// The whole engine on a database with many tasks that wait: their triggers, what the triggerer
/// knows of each, their deadlines, and their pods as the shared watch keeps them.
#[tokio::test]
async fn a_task_that_waits_for_its_pod_costs_at_most_two_kibibytes() {
    let directory = tempfile::tempdir().unwrap();
    let now = Clock::system().now();
    let store = Store::open(&directory.path().join("adjourn.db"), now)
        .await
        .unwrap();
    many_deferred(&store, directory.path()).await;
    let api = Api::start().await;
    // Pages, so that no connection holds all of the pods at once.
    api.do_not_stream_lists();
    for index in 0..WAITERS {
        let mut pod = a_pod(index);
        pod["metadata"]["labels"]["adjourn_installation"] = store.installation().into();
        api.put(pod);
    }
    let connections = Connections::new(BTreeMap::from([(
        "kubernetes_default".to_owned(),
        api.settings(),
    )]));
    let pods = PodTriggers::new(connections.clone(), store.installation());
    let one = pods.build(&trigger(0), &Clock::system()).unwrap();
    println!("{} bytes the future", size_of_val(&*one.wait()));
    println!(
        "{} bytes the observation, {} a container",
        size_of::<adjourn::pod::observe::PodObservation>(),
        size_of::<adjourn::pod::observe::ContainerObservation>()
    );
    let built = Arc::new(AtomicUsize::new(0));
    let counted = Counted {
        pods: pods.clone(),
        built: Arc::clone(&built),
    };
    let before = at_rest().await;
    let engine = Engine::start(EngineOptions {
        triggers: Triggers::default().with("pod", Arc::new(counted)),
        ..EngineOptions::new(store.clone(), Operators::default(), connections)
    })
    .await
    .unwrap();
    while built.load(Ordering::Relaxed) < WAITERS
        || pods.hub().pods() < WAITERS
        || pods.hub().counts().relists == 0
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let each = (at_rest().await - before) / WAITERS;
    assert!(store.any_open(&Scope::All).await.unwrap());
    let watched = store.watchers(&Scope::All).await.unwrap();
    assert_eq!(watched.len(), 1);
    assert!(!watched.contains("gone"), "this engine watches them all");
    assert_eq!(
        built.load(Ordering::Relaxed),
        WAITERS,
        "each was built once"
    );
    println!("{each} bytes a waiter");
    assert!(each <= LIMIT, "{each} bytes a waiter");
    engine.stop().await;
}
