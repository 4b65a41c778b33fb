//! A program that embeds the engine: it is told what happens to its pods, and has its say in how
//! they are made.
//!
//!     cargo run --example callbacks
//!
//! It works on a local cluster of its own, which it stops at the end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use adjourn::clock::Clock;
use adjourn::config::ConnectionSettings;
use adjourn::engine::{Engine, EngineOptions};
use adjourn::local_cluster::process::{self, ClusterDir, StartOptions};
use adjourn::operator::Operators;
use adjourn::operator::callbacks::{
    CallbackResult, CleanupTold, LineTold, ManifestTold, PodCallbacks, PodTold,
};
use adjourn::operator::pod::{self, PodOperator, PodOperatorSettings};
use adjourn::pod::client::Connections;
use adjourn::service::{Service, TaskDetail};
use adjourn::store::Store;
use adjourn::task::file::parse;
use async_trait::async_trait;
use serde_json::{Value, json};

/// `announcer` is registered below.
const TASK: &str = r#"
task_id: greet
image: busybox:1.36
cmds: [sh, -c]
arguments: ['echo "$GREETING from $TEAM"']
callbacks: [announcer]
"#;

/// Says what happens, and greets.
struct Announcer;

#[async_trait]
impl PodCallbacks for Announcer {
    async fn on_pod_manifest_created(
        &self,
        _told: &ManifestTold,
        pod: &mut Value,
    ) -> CallbackResult {
        add_variable(pod, "GREETING", "hello");
        Ok(())
    }

    async fn on_pod_creation(&self, told: &PodTold) -> CallbackResult {
        let pod = &told.pod.identity;
        println!(
            "task {} has the pod {}/{}",
            told.task.id, pod.namespace, pod.name
        );
        Ok(())
    }

    async fn progress_callback(&self, told: &LineTold<'_>) -> CallbackResult {
        println!("it says: {}", String::from_utf8_lossy(&told.line.text));
        Ok(())
    }

    async fn on_pod_cleanup(&self, told: &CleanupTold) -> CallbackResult {
        println!("it {}: {}", told.outcome.as_str(), told.reason);
        Ok(())
    }
}

/// Sets a variable in every container of a pod.
fn add_variable(pod: &mut Value, name: &str, value: &str) {
    let containers = pod["spec"]["containers"].as_array_mut();
    for container in containers.into_iter().flatten() {
        let variable = json!({"name": name, "value": value});
        match container["env"].as_array_mut() {
            Some(variables) => variables.push(variable),
            None => container["env"] = json!([variable]),
        }
    }
}

/// Runs the task to its end on the cluster of `kubeconfig`; the database is in `directory`.
pub async fn greet(directory: &Path, kubeconfig: PathBuf) -> anyhow::Result<TaskDetail> {
    let clock = Clock::system();
    let store = Store::open(&directory.join("adjourn.db"), clock.now()).await?;
    let cluster = ConnectionSettings {
        kube_config_path: Some(kubeconfig),
        ..ConnectionSettings::default()
    };
    let name = "kubernetes_default".to_owned();
    let connections = Connections::new(BTreeMap::from([(name, cluster)]));
    let operator = PodOperator::new(connections.clone(), PodOperatorSettings::default())
        .with_callback("announcer", Arc::new(Announcer))
        .with_pod_mutation_hook(Arc::new(|pod| add_variable(pod, "TEAM", "the data team")));
    let operators = Operators::default().with(pod::KIND, Arc::new(operator));

    let service = Service::new(store.clone(), operators.clone(), clock);
    let submitted = service.submit(parse(TASK, "greet.yaml")?).await?;
    let engine = Engine::start(EngineOptions::new(store, operators, connections)).await?;
    engine.idle().await?;
    engine.stop().await;
    Ok(service.describe(submitted[0].id).await?)
}

#[cfg_attr(
    test,
    allow(dead_code, reason = "the tests bring a cluster of their own")
)]
fn main() -> anyhow::Result<ExitCode> {
    // The local cluster's own processes are this same program.
    if let Some(code) = process::entry(std::env::args_os()) {
        return Ok(code);
    }
    let directory = tempfile::tempdir()?;
    let cluster = ClusterDir::new(directory.path().join("cluster"));
    let running = process::start(&cluster, &StartOptions::new(std::env::current_exe()?))?;
    let runtime = tokio::runtime::Runtime::new()?;
    let done = runtime.block_on(greet(directory.path(), running.kubeconfig));
    process::stop(&cluster)?;
    println!("the task is a {}", done?.task.state);
    Ok(ExitCode::SUCCESS)
}
