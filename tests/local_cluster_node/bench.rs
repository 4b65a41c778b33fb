//! A node over an object store of its own, and eyes for what it writes there.
#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "part of tests, each of which uses some of it"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use adjourn::local_cluster::node::{IsolationChoice, LogOptions, LogRefusal, Node, NodeConfig};
use adjourn::local_cluster::objects::{
    EventKind, Object, ObjectKey, ObjectWatch, Objects, Preconditions, Resource,
};
use serde_json::{Value, json};

pub const PATIENCE: Duration = Duration::from_secs(30);

/// A running node with an empty store.
pub struct Bench {
    pub objects: Objects,
    pub node: Node,
    pub config: NodeConfig,
    pub state: tempfile::TempDir,
}

impl Bench {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut NodeConfig)) -> Self {
        let state = tempfile::tempdir().unwrap();
        let program = env!("CARGO_BIN_EXE_adjourn");
        let mut config = NodeConfig::new(state.path(), program);
        change(&mut config);
        let objects = Objects::in_memory();
        let node = Node::start(objects.clone(), config.clone()).await.unwrap();
        Self {
            objects,
            node,
            config,
            state,
        }
    }

    pub fn plain(config: &mut NodeConfig) {
        config.isolation = IsolationChoice::Plain;
    }

    pub async fn stop(self) {
        self.node.shutdown().await.unwrap();
    }

    pub fn watch(&self) -> Events {
        Events(self.objects.watch(Resource::Pod, Some(0)).unwrap())
    }

    /// Creates a pod as the API server would: with its defaults filled in.
    pub fn create(&self, name: &str, spec: Value) -> String {
        self.create_with(name, spec, |_| {})
    }

    pub fn create_with(
        &self,
        name: &str,
        mut spec: Value,
        change: impl FnOnce(&mut Value),
    ) -> String {
        for (member, value) in [
            ("restartPolicy", json!("Always")),
            ("terminationGracePeriodSeconds", json!(30)),
        ] {
            if spec.get(member).is_none() {
                spec[member] = value;
            }
        }
        let mut pod = json!({
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": {"name": name, "namespace": "test", "generation": 1},
            "spec": spec,
            "status": {"phase": "Pending", "qosClass": "BestEffort"},
        });
        change(&mut pod);
        let pod = self.objects.create(Resource::Pod, pod).unwrap();
        pod["metadata"]["uid"].as_str().unwrap().to_owned()
    }

    pub fn key(name: &str) -> ObjectKey {
        ObjectKey::namespaced(Resource::Pod, "test", name)
    }

    pub fn get(&self, name: &str) -> Object {
        self.objects.get(&Self::key(name)).unwrap()
    }

    /// Marks a pod as deleted, as the API server does for one that runs.
    pub fn delete(&self, name: &str, grace: u64) {
        let changed = self
            .objects
            .update(&Self::key(name), Preconditions::none(), |pod| {
                pod["metadata"]["deletionTimestamp"] = json!("2026-11-24T08:53:30Z");
                pod["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
                pod["metadata"]["generation"] = json!(2);
            });
        changed.unwrap();
    }

    pub async fn await_phase(&self, name: &str, phase: &str, events: &mut Events) -> Value {
        let now = self.get(name);
        if now["status"]["phase"] == phase {
            return (*now).clone();
        }
        events.until_phase(name, phase).await.pop().unwrap()
    }

    pub fn run_dir(&self, name: &str, container: &str, number: u32) -> PathBuf {
        let uid = self.get(name)["metadata"]["uid"]
            .as_str()
            .unwrap()
            .to_owned();
        let pods = self.config.state_dir.join("pods").join(uid);
        pods.join("containers")
            .join(container)
            .join(number.to_string())
    }

    pub fn log_file(&self, name: &str, container: &str, number: u32) -> String {
        std::fs::read_to_string(self.run_dir(name, container, number).join("log")).unwrap()
    }

    /// Reasons and texts of the events about a pod, oldest first.
    pub fn said(&self, name: &str) -> Vec<(String, String)> {
        let (events, _) = self.objects.list(Resource::Event, Some("test"));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        events
            .iter()
            .filter(|event| event["involvedObject"]["name"] == name)
            .map(|event| (text(&event["reason"]), text(&event["message"])))
            .collect()
    }
}

/// What happens to pods.
pub struct Events(ObjectWatch);

impl Events {
    /// The states of a pod up to the first that `is_it` accepts.
    pub async fn until(
        &mut self,
        name: &str,
        is_it: impl Fn(EventKind, &Value) -> bool,
    ) -> Vec<Value> {
        let mut seen = Vec::new();
        let found = async {
            loop {
                let event = self.0.next().await.unwrap();
                if event.object["metadata"]["name"] != name {
                    continue;
                }
                seen.push((*event.object).clone());
                if is_it(event.kind, &event.object) {
                    return;
                }
            }
        };
        if tokio::time::timeout(PATIENCE, found).await.is_err() {
            panic!(
                "{name} did not get there: {:#?}",
                seen.iter().map(brief).collect::<Vec<_>>()
            );
        }
        seen
    }

    pub async fn until_phase(&mut self, name: &str, phase: &str) -> Vec<Value> {
        self.until(name, |_, pod| pod["status"]["phase"] == phase)
            .await
    }
}

/// A pod that is not started again, with one container `base`.
pub fn never(command: &[&str]) -> Value {
    json!({
        "restartPolicy": "Never",
        "containers": [{"name": "base", "image": "busybox", "command": command}],
    })
}

/// One line that tells what a status shows.
pub fn brief(pod: &Value) -> String {
    let status = &pod["status"];
    let mut words = vec![status["phase"].as_str().unwrap().to_owned()];
    for (kind, word) in [
        ("PodScheduled", "scheduled"),
        ("PodReadyToStartContainers", "stands"),
        ("Ready", "ready"),
    ] {
        let mut conditions = status["conditions"].as_array().into_iter().flatten();
        if conditions.any(|one| one["type"] == kind && one["status"] == "True") {
            words.push(word.to_owned());
        }
    }
    for list in ["initContainerStatuses", "containerStatuses"] {
        for one in status[list].as_array().into_iter().flatten() {
            let (kind, state) = one["state"].as_object().unwrap().iter().next().unwrap();
            let told = state["reason"].as_str().unwrap_or(kind);
            words.push(format!("{}={told}", one["name"].as_str().unwrap()));
        }
    }
    words.join(" ")
}

/// A whole log as text, or the refusal.
pub async fn log(bench: &Bench, name: &str, options: LogOptions) -> Result<String, LogRefusal> {
    use futures::TryStreamExt;
    let stream = bench.node.logs(&bench.get(name), "base", &options)?;
    let chunks: Vec<_> = stream.try_collect().await.unwrap();
    Ok(String::from_utf8(chunks.concat()).unwrap())
}

/// A shell that says `up` and then waits in small steps, so that traps are served.
pub fn waits(trap: &str) -> serde_json::Value {
    let script = format!("trap '{trap}' TERM; echo up; while true; do sleep 0.05; done");
    never(&["sh", "-c", &script])
}

pub fn walk(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(walk(&entry.path()));
        }
        found.push(entry.path());
    }
    found
}

/// The command lines of living processes that hold `text`.
pub fn commands_with(text: &str) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|process| std::fs::read_to_string(process.path().join("cmdline")).ok())
        .map(|line| line.replace('\0', " "))
        .filter(|line| line.contains(text))
        .collect()
}
