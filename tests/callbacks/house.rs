//! An engine in this process, over the shared cluster.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use adjourn::clock::Clock;
use adjourn::config::ConnectionSettings;
use adjourn::engine::{Engine, EngineOptions};
use adjourn::operator::Operators;
use adjourn::operator::callbacks::CallbackLimits;
use adjourn::operator::pod::{self, PodOperator, PodOperatorSettings};
use adjourn::pod::client::Connections;
use adjourn::service::{Service, ServiceError, TaskDetail};
use adjourn::store::{LogRow, Store};
use adjourn::task::file::parse;
use adjourn::task::log::LineKind;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::support::{Cluster, PATIENCE, cluster};

/// Long enough for whoever does answer, short enough for those who never do.
pub const LIMITS: CallbackLimits = CallbackLimits {
    callback: Duration::from_secs(20),
    webhook_request: Duration::from_secs(5),
    webhook_tries: 3,
};

pub struct House {
    pub runtime: Runtime,
    pub cluster: Arc<Cluster>,
    directory: TempDir,
    pub dag: String,
    limits: CallbackLimits,
}

/// A task that has ended.
pub struct Ended {
    pub detail: TaskDetail,
    log: Vec<LogRow>,
}

impl House {
    pub fn new() -> Self {
        Self::with_limits(LIMITS)
    }

    pub fn with_limits(limits: CallbackLimits) -> Self {
        let id = uuid::Uuid::new_v4().simple().to_string();
        Self {
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(4)
                .enable_all()
                .build()
                .unwrap(),
            cluster: cluster(),
            directory: tempfile::tempdir().unwrap(),
            dag: format!("callbacks-{}", &id[..12]),
            limits,
        }
    }

    /// Runs a task to its end, with its pods disposed of.
    pub fn run(&self, operator: impl FnOnce(PodOperator) -> PodOperator, task: &Value) -> Ended {
        let work = async {
            let connections = self.connections();
            let operators = self.operators(operator, &connections);
            let store = self.store().await;
            let service = Service::new(store.clone(), operators.clone(), Clock::system());
            let tasks = parse(&task.to_string(), "the task").unwrap();
            let id = service.submit(tasks).await.unwrap()[0].id;
            let options = EngineOptions::new(store, operators, connections);
            let engine = Engine::start(options).await.unwrap();
            tokio::time::timeout(PATIENCE, engine.idle())
                .await
                .expect("the task ends")
                .unwrap();
            engine.stop().await;
            Ended {
                detail: service.describe(id).await.unwrap(),
                log: service.log(id, 0, 10_000).await.unwrap(),
            }
        };
        self.runtime.block_on(work)
    }

    /// Runs a task to its end with two engines: the first is dropped, as a kill would, as soon as
    /// the task is deferred.
    pub fn run_interrupted(
        &self,
        operator: impl Fn(PodOperator) -> PodOperator,
        task: &Value,
    ) -> Ended {
        let interrupt = async {
            let connections = self.connections();
            let operators = self.operators(&operator, &connections);
            let store = self.store().await;
            let service = Service::new(store.clone(), operators.clone(), Clock::system());
            let tasks = parse(&task.to_string(), "the task").unwrap();
            let id = service.submit(tasks).await.unwrap()[0].id;
            let options = EngineOptions::new(store.clone(), operators, connections);
            let engine = Engine::start(options).await.unwrap();
            let mut changes = store.changes();
            while service.task(id).await.unwrap().state != "deferred" {
                changes.changed().await.unwrap();
            }
            drop(engine);
        };
        self.runtime.block_on(interrupt);
        self.run(operator, task)
    }

    /// What a program without the wanted callbacks says to a task.
    pub fn refusal(
        &self,
        operator: impl FnOnce(PodOperator) -> PodOperator,
        task: &Value,
    ) -> Vec<String> {
        let work = async {
            let operators = self.operators(operator, &self.connections());
            let service = Service::new(self.store().await, operators, Clock::system());
            let tasks = parse(&task.to_string(), "the task").unwrap();
            service.submit(tasks).await
        };
        match self.runtime.block_on(work) {
            Err(ServiceError::Refused { refused, .. }) => refused.0,
            other => panic!("not refused: {other:?}"),
        }
    }

    fn connections(&self) -> Connections {
        let cluster = ConnectionSettings {
            kube_config_path: Some(self.cluster.kubeconfig().to_owned()),
            ..ConnectionSettings::default()
        };
        Connections::new(BTreeMap::from([("kubernetes_default".to_owned(), cluster)]))
    }

    fn operators(
        &self,
        operator: impl FnOnce(PodOperator) -> PodOperator,
        connections: &Connections,
    ) -> Operators {
        let plain = PodOperator::new(connections.clone(), PodOperatorSettings::default())
            .with_callback_limits(self.limits);
        Operators::default().with(pod::KIND, Arc::new(operator(plain)))
    }

    async fn store(&self) -> Store {
        let path = self.directory.path().join("adjourn.db");
        Store::open(&path, Clock::system().now()).await.unwrap()
    }
}

impl Ended {
    #[track_caller]
    pub fn expect(self, state: &str) -> Self {
        assert_eq!(
            self.detail.task.state,
            state,
            "{:?}\n{:#?}",
            self.detail.task.reason,
            self.remarks()
        );
        self
    }

    /// What the containers wrote.
    pub fn lines(&self) -> Vec<String> {
        self.texts(LineKind::Output)
    }

    /// What was remarked about the pod.
    pub fn remarks(&self) -> Vec<String> {
        self.texts(LineKind::Event)
    }

    fn texts(&self, kind: LineKind) -> Vec<String> {
        self.log
            .iter()
            .filter(|row| row.line.kind == kind)
            .map(|row| String::from_utf8_lossy(&row.line.text).into_owned())
            .collect()
    }
}
