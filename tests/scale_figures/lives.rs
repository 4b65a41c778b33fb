//! What the whole life of one task asks of the API server, and the rows that it leaves.

use std::collections::BTreeMap;
use std::sync::Arc;

use adjourn::clock::Clock;
use adjourn::engine::{Engine, EngineOptions};
use adjourn::local_cluster::process::{ClusterDir, StartOptions, start, stop};
use adjourn::operator::Operators;
use adjourn::operator::pod::{KIND, PodOperator, PodOperatorSettings};
use adjourn::pod::client::{ConnectionSettings, Connections};
use adjourn::service::Service;
use adjourn::store::{Scope, Store};
use adjourn::task::file::parse;
use http::Request;
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::PATIENCE;

const TASK: &str = "
task_id: one
image: busybox
annotations:
  simulate.adjourn/run-time: 300ms
  simulate.adjourn/log-lines-per-second: '10'
";

struct Running(ClusterDir);

impl Drop for Running {
    fn drop(&mut self) {
        if let Err(error) = stop(&self.0) {
            eprintln!("the local cluster was not stopped: {error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_life_costs_four_requests_about_its_pod_and_six_changes_of_state() {
    let temp = tempfile::tempdir().unwrap();
    let cluster = Running(ClusterDir::new(temp.path().join("cluster")));
    let mut options = StartOptions::new(env!("CARGO_BIN_EXE_adjourn"));
    options.settings.simulate = true;
    let info = start(&cluster.0, &options).unwrap();
    let settings = ConnectionSettings {
        kube_config_path: Some(info.kubeconfig.clone()),
        ..ConnectionSettings::default()
    };
    let connections = Connections::new(BTreeMap::from([(
        "kubernetes_default".to_owned(),
        settings,
    )]));
    let clock = Clock::system();
    let store = Store::open(&temp.path().join("adjourn.db"), clock.now())
        .await
        .unwrap();
    let operator = PodOperator::new(connections.clone(), PodOperatorSettings::default());
    let operators = Operators::default().with(KIND, Arc::new(operator));
    let service = Service::new(store.clone(), operators.clone(), clock);
    let tasks = parse(TASK, "task").unwrap();
    let id = service.submit(tasks).await.unwrap()[0].id;
    let engine = Engine::start(EngineOptions::new(store.clone(), operators, connections))
        .await
        .unwrap();
    tokio::time::timeout(PATIENCE, engine.idle())
        .await
        .unwrap()
        .unwrap();
    engine.stop().await;

    let detail = service.describe(id).await.unwrap();
    let events: Vec<&str> = detail
        .history
        .iter()
        .map(|one| one.event.as_str())
        .collect();
    assert_eq!(
        events,
        ["submit", "claim", "defer", "fire", "claim", "complete"]
    );
    assert_eq!(detail.pods.len(), 1);
    let lines = store.log_lines(id, 0, 100).await.unwrap();
    assert!(
        lines.iter().any(|line| &*line.line.container == "base"),
        "{lines:?}"
    );
    assert_eq!(store.open_disposals(&Scope::All).await.unwrap().0, 0);

    let kubeconfig = Kubeconfig::read_from(&info.kubeconfig).unwrap();
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options);
    let client = kube::Client::try_from(config.await.unwrap()).unwrap();
    let asked = Request::get("/metrics").body(Vec::new()).unwrap();
    let told = client.request_text(asked).await.unwrap();
    // What is asked about the namespace as a whole is the same however many tasks there are.
    let of_the_namespace = |line: &&str| {
        line.contains("resource=\"pods\"")
            && (line.contains("verb=\"LIST\"") || line.contains("verb=\"WATCH\""))
    };
    let about_the_pod: Vec<&str> = told
        .lines()
        .filter(|line| line.starts_with("apiserver_request_total"))
        .filter(|line| !of_the_namespace(line))
        .collect();
    let line = |code: u16, resource: &str, sub: &str, verb: &str| {
        format!(
            "apiserver_request_total{{code=\"{code}\",resource=\"{resource}\",subresource=\"{sub}\",verb=\"{verb}\"}} 1"
        )
    };
    let mut expected = vec![
        line(201, "pods", "", "POST"),
        line(200, "events", "", "LIST"),
        line(200, "pods", "log", "GET"),
        line(200, "pods", "", "DELETE"),
    ];
    let mut about_the_pod: Vec<String> = about_the_pod.into_iter().map(str::to_owned).collect();
    about_the_pod.sort();
    expected.sort();
    assert_eq!(about_the_pod, expected);
}
