//! How many tasks go through their whole lives in a second.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::processor_time;
use crate::stage::Stage;

pub struct Lives {
    pub count: usize,
    /// From the first submission to the last verdict.
    pub seconds: f64,
    /// What the engine and the cluster used of a core for one life, in milliseconds.
    pub engine_ms: f64,
    pub cluster_ms: f64,
    pub requests_per_life: Value,
}

impl Lives {
    pub fn per_second(&self) -> f64 {
        self.count as f64 / self.seconds
    }
}

pub async fn measure(count: usize) -> Lives {
    eprintln!("{count} whole lives");
    let mut stage = Stage::set(true).await;
    stage.start_engine().await;
    let mut database = stage.database().await;
    let often = Duration::from_millis(50);
    let ended = "SELECT count(*) FROM tasks WHERE state = 'success'";
    stage.submit("warm-up", 100, "100ms").await;
    database.until("warm-up", ended, 100, often).await;
    database
        .until("disposals", "SELECT count(*) FROM disposals", 0, often)
        .await;
    let (engine, cluster) = (stage.engine_pid(), stage.cluster.pid);
    let used = (processor_time(engine), processor_time(cluster));
    let requests = stage.requests().await;
    let begun = Instant::now();
    stage.submit("life", count, "500ms").await;
    database
        .until("ended", ended, count as i64 + 100, often)
        .await;
    let seconds = begun.elapsed().as_secs_f64();
    let each =
        |now: Duration, before: Duration| (now - before).as_secs_f64() * 1000.0 / count as f64;
    let after = stage.requests().await;
    let per_life = after
        .iter()
        .map(|(kind, total)| {
            let before = requests.iter().find(|(one, _)| one == kind);
            let more = total - before.map_or(0, |(_, count)| *count);
            (kind.clone(), json!(more as f64 / count as f64))
        })
        .collect::<serde_json::Map<String, Value>>();
    Lives {
        count,
        seconds,
        engine_ms: each(processor_time(engine), used.0),
        cluster_ms: each(processor_time(cluster), used.1),
        requests_per_life: per_life.into(),
    }
}
