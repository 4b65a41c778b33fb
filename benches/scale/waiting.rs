//! What N deferred tasks cost, and how soon the end of one of their pods is known.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, WatchEvent, WatchParams};
use serde_json::{Value, json};

use crate::process::{processor_time, resident};
use crate::stage::Stage;

/// How many more tasks come and end while the watch works, at most, and how long their pods run.
const ENDING: usize = 500;
const RUN_TIME: &str = "4s";

/// How many end while the watch is silent, and how many while no engine runs.
const BLIND: usize = 50;
const RUN_TIME_OF_THE_LAST: &str = "20s";

/// Between two looks at which pods have ended, where no watch tells.
const LOOK: Duration = Duration::from_millis(50);

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
    /// Milliseconds from when the cluster showed the end of a pod to the resumption in the database.
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
    let successes = "SELECT count(*) FROM tasks WHERE state = 'success'";
    let often = Duration::from_millis(100);
    database
        .until("warm-up", successes, WARM_UP as i64, often)
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

    let watched = detect(&stage, ENDING.min(n)).await;
    database.until("disposals", no_wish, 0, often).await;
    let blind = detect_blind(&stage, BLIND.min(n)).await;
    database.until("disposals", no_wish, 0, often).await;

    stage
        .submit("last", BLIND.min(n), RUN_TIME_OF_THE_LAST)
        .await;
    let under_way =
        "SELECT count(*) FROM tasks WHERE task_id LIKE 'last-%' AND state IN ('queued', 'running')";
    database.until("deferred", under_way, 0, often).await;
    stage.kill_engine();
    let last_ones = "SELECT count(*) FROM tasks WHERE task_id LIKE 'last-%' AND state = 'deferred'";
    let ending = usize::try_from(database.number(last_ones).await).unwrap();
    assert!(ending > 0, "all pods ended before the engine did");
    while ended(&stage, "last").await.len() < ending {
        tokio::time::sleep(LOOK).await;
    }
    let since = database.last_change().await;
    let started = Instant::now();
    let started_at = adjourn::clock::Clock::system().now();
    let (resumed, ()) = tokio::join!(database.resumed(since, ending), stage.start_engine());
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
        detect: watched,
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

/// Lets `count` more tasks come and end, and sees how long after a watch shows the end of a pod
/// the database has it.
async fn detect(stage: &Stage, count: usize) -> Latencies {
    let mut database = stage.database().await;
    let since = database.last_change().await;
    let version = stage.version().await;
    let (seen, resumed, ()) = tokio::join!(
        seen_by_watch(stage, "watched", &version, count),
        database.resumed(since, count),
        stage.submit("watched", count, RUN_TIME)
    );
    latencies(stage, &seen, &resumed).await
}

/// The same while all watches are silent, of pods that the engine has seen run before. They are
/// kept, so that no list comes too late for one.
async fn detect_blind(stage: &Stage, count: usize) -> Latencies {
    let mut database = stage.database().await;
    stage
        .submit_kept("blind", count, RUN_TIME_OF_THE_LAST)
        .await;
    let under_way =
        "SELECT count(*) FROM tasks WHERE task_id LIKE 'blind-%' AND state <> 'deferred'";
    database.until("deferred", under_way, 0, LOOK).await;
    stage.all_run().await;
    stage.silence_watches(true).await;
    let since = database.last_change().await;
    let (seen, resumed) = tokio::join!(
        seen_by_list(stage, "blind", count),
        database.resumed(since, count)
    );
    stage.silence_watches(false).await;
    latencies(stage, &seen, &resumed).await
}

async fn latencies(
    stage: &Stage,
    seen: &HashMap<String, Instant>,
    resumed: &HashMap<i64, Instant>,
) -> Latencies {
    let tasks = stage.database().await.tasks_of_pods().await;
    Latencies::of(
        seen.iter()
            .filter_map(|(pod, seen)| Some((tasks.get(pod)?, *seen)))
            .filter_map(|(task, seen)| Some((*resumed.get(task)?, seen)))
            .map(|(resumed, seen)| millis(resumed.saturating_duration_since(seen)))
            .collect(),
    )
}

/// When a watch of this program's own first showed the end of each of `count` pods.
async fn seen_by_watch(
    stage: &Stage,
    prefix: &str,
    version: &str,
    count: usize,
) -> HashMap<String, Instant> {
    let mut seen = HashMap::new();
    let pods = stage.pods();
    let params = WatchParams::default().timeout(290);
    let mut events = Box::pin(pods.watch(&params, version).await.unwrap());
    while seen.len() < count {
        match events.try_next().await.unwrap() {
            Some(WatchEvent::Modified(pod)) if has_ended(&pod) => {
                let name = pod.metadata.name.unwrap();
                if name.starts_with(prefix) {
                    seen.entry(name).or_insert_with(Instant::now);
                }
            }
            Some(WatchEvent::Error(error)) => panic!("{error:?}"),
            Some(_) => {}
            None => panic!("the watch ended before {count} pods had"),
        }
    }
    seen
}

/// When a list first showed each of `count` pods as ended.
async fn seen_by_list(stage: &Stage, prefix: &str, count: usize) -> HashMap<String, Instant> {
    let mut seen = HashMap::new();
    while seen.len() < count {
        for name in ended(stage, prefix).await {
            seen.entry(name).or_insert_with(Instant::now);
        }
        tokio::time::sleep(LOOK).await;
    }
    seen
}

/// The pods of this name and a suffix that have ended and are still there.
async fn ended(stage: &Stage, prefix: &str) -> Vec<String> {
    let ended = ListParams::default().fields("status.phase=Succeeded");
    let pods = stage.pods().list(&ended).await.unwrap().items;
    pods.into_iter()
        .map(|pod| pod.metadata.name.unwrap())
        .filter(|name| name.starts_with(prefix))
        .collect()
}

fn has_ended(pod: &Pod) -> bool {
    let containers = pod
        .status
        .as_ref()
        .and_then(|status| status.container_statuses.as_ref());
    containers.is_some_and(|containers| {
        containers.iter().any(|container| {
            container
                .state
                .as_ref()
                .is_some_and(|state| state.terminated.is_some())
        })
    })
}

/// The moment at the beginning of a line of the engine's log.
fn moment_of(line: &str) -> chrono::DateTime<chrono::Utc> {
    line.split_whitespace().next().unwrap().parse().unwrap()
}
