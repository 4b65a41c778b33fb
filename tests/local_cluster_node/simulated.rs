//! Containers that take no process.

use std::time::{Duration, Instant};

use adjourn::local_cluster::node::{LogOptions, Node};
use serde_json::{Value, json};

use crate::bench::{Bench, brief, log, never};

fn told(annotations: &Value) -> impl FnOnce(&mut Value) {
    let annotations = annotations.clone();
    move |pod| pod["metadata"]["annotations"] = annotations
}

#[tokio::test]
async fn annotations_tell_the_life_of_a_pod() {
    let bench = Bench::with(|config| config.simulate = true).await;
    let mut events = bench.watch();
    let story = json!({
        "simulate.adjourn/schedule-delay": "200ms",
        "simulate.adjourn/start-delay": "200ms",
        "simulate.adjourn/run-time": "1.2s",
        "simulate.adjourn/exit-code": "4",
        "simulate.adjourn/log-lines-per-second": "10",
    });
    let begin = Instant::now();
    bench.create_with("told", never(&["true"]), told(&story));
    let seen = events.until_phase("told", "Failed").await;
    assert!(begin.elapsed() >= Duration::from_millis(1600));
    let story: Vec<String> = seen.iter().map(brief).collect();
    assert_eq!(story.last().unwrap(), "Failed scheduled base=Error");
    assert!(story.contains(&"Running scheduled stands ready base=running".to_owned()));
    let text = log(&bench, "told", LogOptions::default()).await.unwrap();
    assert!(text.starts_with("line 0\nline 1\n"), "{text}");
    let tail = LogOptions {
        tail_lines: Some(2),
        ..LogOptions::default()
    };
    assert_eq!(log(&bench, "told", tail).await.unwrap().lines().count(), 2);
    bench.stop().await;
}

#[tokio::test]
async fn a_simulated_pod_goes_on_after_a_restart_and_can_be_deleted() {
    let bench = Bench::with(|config| config.simulate = true).await;
    let mut events = bench.watch();
    let forever = json!({"simulate.adjourn/run-time": "forever"});
    bench.create_with("forever", never(&["true"]), told(&forever));
    events.until_phase("forever", "Running").await;
    let Bench {
        objects,
        node,
        config,
        state,
    } = bench;
    drop(node);
    let node = Node::start(objects.clone(), config.clone()).await.unwrap();
    let bench = Bench {
        objects,
        node,
        config,
        state,
    };
    bench.delete("forever", 30);
    let pod = events.until_phase("forever", "Failed").await.pop().unwrap();
    let status = &pod["status"]["containerStatuses"][0];
    assert_eq!(status["state"]["terminated"]["exitCode"], 143);
    assert_eq!(status["restartCount"], 0);
    bench.stop().await;
}

#[tokio::test]
async fn a_thousand_simulated_pods_run_in_seconds() {
    let bench = Bench::with(|config| config.simulate = true).await;
    let mut events = bench.watch();
    for number in 0..1000 {
        bench.create(&format!("sim-{number}"), never(&["true"]));
    }
    let all = async {
        for number in 0..1000 {
            bench
                .await_phase(&format!("sim-{number}"), "Succeeded", &mut events)
                .await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all)
        .await
        .unwrap();
    bench.stop().await;
}
