//! The stage: a simulated cluster and an engine, each a process of its own.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use adjourn::local_cluster::process::{ClusterDir, ClusterInfo, StartOptions, start, stop};
use http::Request;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::database::Database;

/// How many steps and how many disposals the engine does at once. All else is as it is by default.
pub const SLOTS: usize = 64;

/// How many tasks one submitted file holds.
const FILE: usize = 5_000;

pub struct Stage {
    pub cluster: ClusterInfo,
    pub client: kube::Client,
    cluster_dir: ClusterDir,
    engines: Vec<Child>,
    /// Where the tasks are, as `--db` takes it.
    database: String,
    temp: TempDir,
}

impl Drop for Stage {
    fn drop(&mut self) {
        let said = std::thread::panicking().then(|| std::fs::read_to_string(self.engine_log()));
        while !self.engines.is_empty() {
            self.kill_engine();
        }
        if let Err(error) = stop(&self.cluster_dir) {
            eprintln!("the local cluster was not stopped: {error}");
        }
        if let Some(Ok(said)) = said {
            let last: Vec<&str> = said.lines().rev().take(20).collect();
            eprintln!("the engine said last, newest first:\n{}", last.join("\n"));
        }
    }
}

impl Stage {
    /// Simulated pods take no process; others are processes of this machine.
    pub async fn set(simulate: bool) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let database = temp.path().join("tasks.db");
        let database = database.to_str().unwrap().to_owned();
        Self::set_in(temp, simulate, database).await
    }

    /// The same with the tasks in a database on a server.
    #[allow(dead_code, reason = "for the bench of replicas alone")]
    pub async fn set_on(database: String) -> Self {
        Self::set_in(tempfile::tempdir().unwrap(), true, database).await
    }

    async fn set_in(temp: TempDir, simulate: bool, database: String) -> Self {
        let cluster_dir = ClusterDir::new(temp.path().join("cluster"));
        let mut options = StartOptions::new(env!("CARGO_BIN_EXE_adjourn"));
        options.settings.simulate = simulate;
        options.settings.plain_processes = !simulate;
        options.settings.faults = true;
        // The events of a hundred thousand starts, so that no watch has to list all pods again.
        options.settings.watch_history = Some(1_000_000);
        let cluster = start(&cluster_dir, &options).unwrap();
        let kubeconfig = Kubeconfig::read_from(&cluster.kubeconfig).unwrap();
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options);
        let client = kube::Client::try_from(config.await.unwrap()).unwrap();
        Self {
            cluster,
            client,
            cluster_dir,
            engines: Vec::new(),
            database,
            temp,
        }
    }

    fn engine_log(&self) -> PathBuf {
        let number = self.engines.len();
        self.temp.path().join(format!("engine-{number}.log"))
    }

    fn command(&self) -> Command {
        self.through(Command::new(env!("CARGO_BIN_EXE_adjourn")))
    }

    fn through(&self, mut command: Command) -> Command {
        command
            .env_clear()
            .env("HOME", self.temp.path())
            .env("KUBECONFIG", &self.cluster.kubeconfig)
            .env("ADJOURN_WORKER_SLOTS", SLOTS.to_string())
            .env("ADJOURN_JANITOR_DISPOSALS", SLOTS.to_string())
            .env("NO_COLOR", "1")
            .env("ADJOURN_DB", &self.database)
            .current_dir(self.temp.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }

    /// Starts the engine and waits until it says that it is ready.
    pub async fn start_engine(&mut self) {
        let command = self.command();
        self.start(command).await;
    }

    /// The same in a process namespace of its own, as on a machine of its own: of its death nothing
    /// can be proven, and its lease decides.
    #[allow(dead_code, reason = "for the bench of replicas alone")]
    pub async fn start_engine_elsewhere(&mut self) {
        let mut unshare = Command::new("unshare");
        if !nix::unistd::geteuid().is_root() {
            unshare.args(["--user", "--map-root-user"]);
        }
        unshare.args(["--pid", "--fork", "--kill-child"]);
        unshare.arg(env!("CARGO_BIN_EXE_adjourn"));
        // Only one of them can have the usual port.
        let mut command = self.through(unshare);
        command.env("ADJOURN_HTTP_LISTEN", "none");
        self.start(command).await;
    }

    async fn start(&mut self, mut command: Command) {
        // Its number is that of the engines with it.
        let path = self
            .temp
            .path()
            .join(format!("engine-{}.log", self.engines.len() + 1));
        let log = File::create(path).unwrap();
        let engine = command.arg("serve").stderr(log).spawn().unwrap();
        self.engines.push(engine);
        self.said("adjourn serve: ready").await;
    }

    /// Waits until the engine has said something, and gives the line.
    pub async fn said(&self, words: &str) -> String {
        loop {
            let said = std::fs::read_to_string(self.engine_log()).unwrap();
            let complete = &said[..said.rfind('\n').map_or(0, |at| at + 1)];
            if let Some(line) = complete.lines().find(|line| line.contains(words)) {
                return line.to_owned();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// `kill -9` of the one that was started last.
    pub fn kill_engine(&mut self) {
        if let Some(mut engine) = self.engines.pop() {
            let _ = engine.kill();
            let _ = engine.wait();
        }
    }

    pub fn engine_pid(&self) -> u32 {
        self.engines.last().unwrap().id()
    }

    pub fn database_path(&self) -> PathBuf {
        self.database.clone().into()
    }

    pub async fn database(&self) -> Database {
        Database::open(&self.database_path()).await
    }

    /// Submits `count` tasks whose pods run for `run_time`, with the program's own command.
    pub async fn submit(&self, name: &str, count: usize, run_time: &str) {
        self.submit_as(name, count, run_time, "delete_pod").await;
    }

    /// The same, and their pods stay when they have ended.
    pub async fn submit_kept(&self, name: &str, count: usize, run_time: &str) {
        self.submit_as(name, count, run_time, "keep_pod").await;
    }

    async fn submit_as(&self, name: &str, count: usize, run_time: &str, on_finish: &str) {
        for from in (0..count).step_by(FILE) {
            let tasks: Vec<Value> = (from..count.min(from + FILE))
                .map(|number| task(&format!("{name}-{number}"), run_time, on_finish))
                .collect();
            self.submit_tasks(&tasks).await;
        }
    }

    pub async fn submit_tasks(&self, tasks: &[Value]) {
        let file = self.temp.path().join("tasks.json");
        std::fs::write(&file, serde_json::to_string(tasks).unwrap()).unwrap();
        let mut command = self.command();
        command.arg("submit").arg(&file);
        let status = tokio::task::spawn_blocking(move || command.status());
        assert!(status.await.unwrap().unwrap().success());
    }

    pub fn pods(&self) -> Api<Pod> {
        Api::default_namespaced(self.client.clone())
    }

    /// The version of the pods as they are now, for a watch to go on from.
    pub async fn version(&self) -> String {
        let list = self.pods().list(&ListParams::default().limit(1)).await;
        list.unwrap().metadata.resource_version.unwrap()
    }

    /// Waits until no pod is still being started.
    pub async fn all_run(&self) {
        let pending = ListParams::default()
            .fields("status.phase=Pending")
            .limit(1);
        while !self.pods().list(&pending).await.unwrap().items.is_empty() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// How many requests about objects the cluster has answered, by verb and resource.
    pub async fn requests(&self) -> Vec<(String, u64)> {
        let asked = Request::get("/metrics").body(Vec::new()).unwrap();
        let told = self.client.request_text(asked).await.unwrap();
        told.lines()
            .filter_map(|line| line.strip_prefix("apiserver_request_total{"))
            .map(|line| {
                let (labels, count) = line.rsplit_once("} ").unwrap();
                (labels.to_owned(), count.parse().unwrap())
            })
            .collect()
    }

    /// Lets open watches say nothing, or speak again.
    pub async fn silence_watches(&self, silent: bool) {
        let orders = json!({"silent_watches": silent}).to_string();
        let order = Request::put("/__adjourn/faults")
            .body(orders.into_bytes())
            .unwrap();
        self.client.request_text(order).await.unwrap();
    }
}

/// A task of the usual kind: its pod runs for `run_time`.
fn task(name: &str, run_time: &str, on_finish: &str) -> Value {
    json!({
        "dag_id": "scale",
        "task_id": name,
        "run_id": "bench",
        "image": "registry.example.internal/team/report:2026-11-24",
        "cmds": ["report"],
        "arguments": ["--day", "2026-11-24"],
        "annotations": {"simulate.adjourn/run-time": run_time},
        "on_finish_action": on_finish,
    })
}
