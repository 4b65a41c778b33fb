//! What N deferred tasks cost, and how soon the end of one of their pods is known.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::process::{processor_time, resident};
use crate::stage::Stage;

/// How many pods end while the watch works, at most; one each `FLIP_PAUSE`.
const FLIPS: usize = 1_000;
const FLIP_PAUSE: Duration = Duration::from_millis(20);

/// How many pods end while the watch is silent, and how many while no engine runs.
const BLIND: usize = 100;

/// Tasks that go through before anything is measured, so that an idle engine is a warm one.
const WARM_UP: usize = 50;

/// What was measured with one number of deferred tasks.
pub struct Waiting {
    pub n: usize,
    pub idle_bytes: u64,
    pub all_bytes: u64,
    pub bytes_per_task: f64,
    /// The same, of an engine that was started with all of them waiting.
    pub bytes_per_task_after_restart: f64,
    pub all_bytes_after_restart: u64,
    pub cpu_cores: f64,
    pub api_requests_per_s: f64,
    pub api_requests: Value,
    /// Milliseconds from the patch that ends the pod to the resumption in the database.
    pub detect: Latencies,
    pub detect_without_watch: Latencies,
    /// From the start of the process.
    pub watching_after_restart_ms: f64,
    pub list_in_ms: f64,
    /// How long it took to bring all of them to wait.
    pub deferring_s: f64,
}

pub struct Latencies {
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
    pub count: usize,
}

impl Latencies {
    fn of(mut millis: Vec<f64>) -> Self {
        millis.sort_by(f64::total_cmp);
        let at = |share: f64| millis[((millis.len() - 1) as f64 * share).round() as usize];
        Self {
            p50: at(0.5),
            p99: at(0.99),
            max: at(1.0),
            count: millis.len(),
        }
    }
}

pub async fn measure(n: usize, quiet: Duration) -> Waiting {
    eprintln!("{n} deferred tasks");
    let mut stage = Stage::set(true).await;
    stage.start_engine().await;
    let mut database = stage.database().await;
    stage.submit("warm-up", WARM_UP, "100ms").await;
    let ended = "SELECT count(*) FROM tasks WHERE state = 'success'";
    let often = Duration::from_millis(100);
    database
        .until("warm-up", ended, WARM_UP as i64, often)
        .await;
    let no_wish = "SELECT count(*) FROM disposals";
    database.until("disposals", no_wish, 0, often).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let idle_bytes = resident(stage.engine_pid());

    let begun = Instant::now();
    stage.submit("wait", n, "forever").await;
    let waiting = "SELECT count(*) FROM triggers";
    database
        .until("deferred", waiting, n as i64, Duration::from_millis(250))
        .await;
    let deferring_s = begun.elapsed().as_secs_f64();
    stage.all_run().await;
    tokio::time::sleep(Duration::from_secs(5)).await;

    let pid = stage.engine_pid();
    let all_bytes = resident(pid);
    let (requests, used, begun) = (stage.requests().await, processor_time(pid), Instant::now());
    tokio::time::sleep(quiet).await;
    let seconds = begun.elapsed().as_secs_f64();
    let cpu_cores = (processor_time(pid) - used).as_secs_f64() / seconds;
    let more = difference(&requests, &stage.requests().await);
    let api_requests_per_s = more.iter().map(|(_, count)| *count as f64).sum::<f64>() / seconds;

    let flips = detect(&stage, FLIPS.min(n / 2), FLIP_PAUSE).await;
    stage.silence_watches(true).await;
    let blind = detect(&stage, BLIND.min(n / 4), FLIP_PAUSE * 2).await;
    stage.silence_watches(false).await;
    database.until("disposals", no_wish, 0, often).await;

    stage.kill_engine();
    let sample = database.waiting(BLIND.min(n / 8)).await;
    let since = database.last_change().await;
    let ends = ends_of(&stage, &sample).await;
    for (_, name, end) in &ends {
        end_pod(&stage, name, end).await;
    }
    let started = Instant::now();
    let started_at = chrono::Utc::now();
    let (resumed, ()) = tokio::join!(database.resumed(since, ends.len()), stage.start_engine());
    let last = resumed.values().max().unwrap();
    let watching_after_restart_ms = millis(*last - started);
    let listed = moment_of(&stage.said("the pods are listed").await);
    let list_in_ms = (listed - started_at).num_microseconds().unwrap() as f64 / 1000.0;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let all_bytes_after_restart = resident(stage.engine_pid());
    let left = database.number(waiting).await as f64;
    let per_task = |bytes: u64, count: f64| (bytes as f64 - idle_bytes as f64) / count;
    Waiting {
        n,
        idle_bytes,
        all_bytes,
        bytes_per_task: per_task(all_bytes, n as f64),
        bytes_per_task_after_restart: per_task(all_bytes_after_restart, left),
        all_bytes_after_restart,
        cpu_cores,
        api_requests_per_s,
        api_requests: more
            .into_iter()
            .collect::<HashMap<_, _>>()
            .into_iter()
            .map(|(kind, count)| (kind, json!(count)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        detect: flips,
        detect_without_watch: blind,
        watching_after_restart_ms,
        list_in_ms,
        deferring_s,
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn difference(before: &[(String, u64)], after: &[(String, u64)]) -> Vec<(String, u64)> {
    let before: HashMap<&String, u64> = before.iter().map(|(kind, count)| (kind, *count)).collect();
    after
        .iter()
        .map(|(kind, count)| {
            let was = before.get(kind).copied().unwrap_or_default();
            (kind.clone(), count - was)
        })
        .filter(|(_, count)| *count > 0)
        .collect()
}

/// Ends `count` pods, one each `pause`, and sees when the database has it.
async fn detect(stage: &Stage, count: usize, pause: Duration) -> Latencies {
    let mut database = stage.database().await;
    let sample = database.waiting(count).await;
    let ends = ends_of(stage, &sample).await;
    let since = database.last_change().await;
    let flipping = async {
        let mut flipped = HashMap::new();
        let mut tick = tokio::time::interval(pause);
        for (task, name, end) in &ends {
            tick.tick().await;
            flipped.insert(*task, Instant::now());
            end_pod(stage, name, end).await;
        }
        flipped
    };
    let (flipped, seen) = tokio::join!(flipping, database.resumed(since, ends.len()));
    Latencies::of(
        flipped
            .iter()
            .map(|(task, flipped)| millis(seen[task].saturating_duration_since(*flipped)))
            .collect(),
    )
}

/// The status with which each pod will have ended, made from the one that it has.
async fn ends_of(stage: &Stage, sample: &[(i64, String)]) -> Vec<(i64, String, Value)> {
    let mut ends = Vec::with_capacity(sample.len());
    for (task, name) in sample {
        let pod = stage.pods().get(name).await.unwrap();
        ends.push((*task, name.clone(), end_of(&pod)));
    }
    ends
}

fn end_of(pod: &Pod) -> Value {
    let mut container = serde_json::to_value(
        &pod.status
            .as_ref()
            .unwrap()
            .container_statuses
            .as_ref()
            .unwrap()[0],
    )
    .unwrap();
    let started = container["state"]["running"]["startedAt"].clone();
    container["ready"] = false.into();
    container["started"] = false.into();
    container["state"] = json!({"terminated": {
        "exitCode": 0,
        "reason": "Completed",
        "startedAt": started,
        "finishedAt": chrono::Utc::now().format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "containerID": container["containerID"],
    }});
    json!({"status": {"phase": "Succeeded", "containerStatuses": [container]}})
}

async fn end_pod(stage: &Stage, name: &str, end: &Value) {
    stage
        .pods()
        .patch_status(name, &PatchParams::default(), &Patch::Merge(end))
        .await
        .unwrap();
}

/// The moment at the beginning of a line of the engine's log.
fn moment_of(line: &str) -> chrono::DateTime<chrono::Utc> {
    line.split_whitespace().next().unwrap().parse().unwrap()
}
