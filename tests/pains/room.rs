//! A whole engine in this process: store, workers, triggerer and janitor as `serve` starts them,
//! on small API servers over HTTP that do what a test asks for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use adjourn::clock::Clock;
use adjourn::engine::{Disposer, Engine, EngineOptions, EngineSettings};
use adjourn::operator::Operators;
use adjourn::operator::pod::{PodOperator, PodOperatorSettings};
use adjourn::pod::client::Connections;
use adjourn::service::{Service, TaskDetail};
use adjourn::store::{EngineKind, LogRow, Scope, SqlCell, Store};
use adjourn::task::id::TaskId;
use adjourn::trigger::Triggers;
use adjourn::trigger::pod::PodTriggers;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::api::Api;
use crate::stage::a_pod;

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Room {
    /// The cluster of tasks that name none.
    pub api: Api,
    pub service: Service,
    pub triggers: PodTriggers,
    ahead: Arc<AtomicI64>,
    engine: Engine,
    _dir: tempfile::TempDir,
}

impl Room {
    pub async fn open() -> Self {
        Self::beside(BTreeMap::new()).await
    }

    /// A room with more clusters, by their connections' names.
    pub async fn beside(others: BTreeMap<String, &Api>) -> Self {
        let api = Api::start().await;
        let mut settings: BTreeMap<_, _> = others
            .into_iter()
            .map(|(name, other)| (name, other.settings()))
            .collect();
        settings.insert("kubernetes_default".to_owned(), api.settings());
        let connections = Connections::new(settings);
        let dir = tempfile::tempdir().unwrap();
        let ahead = Arc::new(AtomicI64::new(0));
        let clock = {
            let (ahead, system) = (Arc::clone(&ahead), Clock::system());
            Clock::from_fn(move || {
                system.now() + TimeDelta::milliseconds(ahead.load(Ordering::Relaxed))
            })
        };
        let path = dir.path().join("adjourn/adjourn.db");
        let store = Store::open(&path, clock.now()).await.unwrap();
        let operator = PodOperator::new(connections.clone(), PodOperatorSettings::default());
        let operators = Operators::default().with("pod", Arc::new(operator));
        let triggers = PodTriggers::new(connections.clone(), store.installation());
        let service = Service::new(store.clone(), operators.clone(), clock.clone());
        let engine = Engine::start(EngineOptions {
            store,
            operators,
            triggers: Triggers::default().with("pod", Arc::new(triggers.clone())),
            disposer: Disposer::new(connections),
            clock,
            kind: EngineKind::Serve,
            scope: Scope::All,
            settings: EngineSettings {
                look: Duration::from_millis(50),
                ..EngineSettings::default()
            },
        });
        Self {
            api,
            service,
            triggers,
            ahead,
            engine: engine.await.unwrap(),
            _dir: dir,
        }
    }

    /// Submits a task; what `more` says goes before a usual task's own.
    pub async fn submit(&self, more: Value) -> TaskId {
        let mut task = json!({
            "task_id": "t", "image": "busybox", "cmds": ["true"],
            "poll_interval": 0.1, "log_events_on_startup": false,
        });
        for (key, value) in more.as_object().unwrap() {
            task[key] = value.clone();
        }
        let tasks = adjourn::task::file::parse(&task.to_string(), "test").unwrap();
        let submitted = self.service.submit(tasks).await.unwrap();
        submitted[0].id
    }

    pub async fn told(&self, id: TaskId) -> TaskDetail {
        self.service.describe(id).await.unwrap()
    }

    /// Waits until the task is in that state.
    pub async fn until_state(&self, id: TaskId, state: &str) -> TaskDetail {
        let mut changes = self.service.store().changes();
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                let told = self.told(id).await;
                if told.task.state == state {
                    return told;
                }
                assert!(!told.task.is_final, "never {state}: {told:#?}");
                changes.changed().await.unwrap();
            }
        });
        match waited.await {
            Ok(told) => told,
            Err(_) => panic!("never {state}: {:#?}", self.told(id).await),
        }
    }

    /// Waits until every task has ended and its pods are disposed of.
    pub async fn ended(&self, id: TaskId) -> TaskDetail {
        if tokio::time::timeout(PATIENCE, self.engine.idle())
            .await
            .is_err()
        {
            panic!("never ended: {:#?}", self.told(id).await);
        }
        self.told(id).await
    }

    /// Waits for the task's pod of that number, counted from 1, and until the task waits for it.
    /// Answers its name.
    pub async fn pod(&self, id: TaskId, number: usize) -> String {
        let name = eventually("the pod", async || {
            let told = self.told(id).await;
            let pod = told.pods.get(number - 1)?;
            pod.uid.as_ref().map(|_| pod.name.clone())
        })
        .await;
        self.until_state(id, "deferred").await;
        name
    }

    /// Puts the engine's clock forward.
    pub fn leap(&self, time: TimeDelta) {
        self.ahead
            .fetch_add(time.num_milliseconds(), Ordering::Relaxed);
    }

    /// Waits until the watch has told all that happened so far, and the trigger has looked at it.
    pub async fn until_seen(&self) {
        let verified = self.triggers.hub().counts().verifications;
        eventually("two polls", async || {
            (self.triggers.hub().counts().verifications >= verified + 2).then_some(())
        })
        .await;
    }

    /// The text of the rows of a task's log, with what kind of row each is.
    pub async fn log(&self, id: TaskId) -> Vec<(String, String)> {
        let rows = self.service.log(id, 0, 10_000).await.unwrap();
        rows.into_iter()
            .map(|LogRow { line, .. }| {
                let text = String::from_utf8_lossy(&line.text).into_owned();
                (format!("{:?}", line.kind), text)
            })
            .collect()
    }

    /// The lines that containers wrote.
    pub async fn lines(&self, id: TaskId) -> Vec<String> {
        let rows = self.log(id).await.into_iter();
        rows.filter(|(kind, _)| kind == "Output")
            .map(|(_, text)| text)
            .collect()
    }

    /// Everything that a question finds, as one text.
    pub async fn sql(&self, statement: &str) -> String {
        let table = self.service.sql(statement).await.unwrap();
        let cells = table.rows.iter().flatten();
        cells.map(|cell: &SqlCell| format!("{cell:?}\n")).collect()
    }
}

/// Looks until `look` sees something.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited
        .await
        .unwrap_or_else(|_| panic!("in vain waited for {what}"))
}

/// Puts the base container of a pod into a state.
pub fn set(api: &Api, name: &str, phase: &str, state: Value) {
    api.change(name, |pod| {
        pod["spec"]["nodeName"] = "node1".into();
        pod["status"] = a_pod(name, phase, state)["status"].clone();
    });
}

/// Stamped lines as a node serves them.
pub fn lines(texts: &[&str]) -> Vec<u8> {
    let numbered = texts.iter().enumerate();
    numbered
        .map(|(index, text)| format!("2026-11-24T08:53:25.{index:09}Z {text}\n"))
        .collect::<String>()
        .into_bytes()
}
