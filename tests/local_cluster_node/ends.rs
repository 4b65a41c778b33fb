//! Ends that are brought about: deletion, kills, the death of server or shim.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use adjourn::local_cluster::node::{LogOptions, Node};
use adjourn::local_cluster::objects::EventKind;

use crate::bench::{Bench, PATIENCE, brief, commands_with, log, never, waits, walk};

#[tokio::test]
async fn a_deleted_pod_gets_its_signal_and_is_told_of_in_the_recorded_order() {
    let bench = Bench::start().await;
    let mut events = bench.watch();
    bench.create("graceful", waits("echo leaving; exit 143"));
    events.until_phase("graceful", "Running").await;
    bench.delete("graceful", 5);
    let seen = events
        .until("graceful", |kind, _| kind == EventKind::Deleted)
        .await;
    let told: Vec<_> = seen
        .iter()
        .map(|pod| {
            let grace = &pod["metadata"]["deletionGracePeriodSeconds"];
            let observed = &pod["status"]["observedGeneration"];
            format!("{} grace={grace} observed={observed}", brief(pod))
        })
        .collect();
    assert_eq!(
        told,
        [
            "Running scheduled stands ready base=running grace=5 observed=1",
            "Running scheduled stands ready base=running grace=5 observed=2",
            "Failed scheduled base=Error grace=5 observed=2",
            "Failed scheduled base=Error grace=0 observed=2",
            "Failed scheduled base=Error grace=0 observed=2",
        ]
    );
    let ended = &seen[2]["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(ended["exitCode"], 143);
    assert!(
        bench
            .said("graceful")
            .iter()
            .any(|(reason, _)| reason == "Killing")
    );
    bench.stop().await;
}

#[tokio::test]
async fn of_a_pod_that_was_let_go_nothing_is_told_any_more() {
    let bench = Bench::start().await;
    let mut events = bench.watch();
    bench.create("forced", waits("exit 0"));
    events.until_phase("forced", "Running").await;
    bench.delete("forced", 0);
    let seen = events
        .until("forced", |kind, _| kind == EventKind::Deleted)
        .await;
    let phases: Vec<_> = seen.iter().map(|pod| &pod["status"]["phase"]).collect();
    assert!(
        phases.iter().all(|phase| **phase == "Running"),
        "{phases:?}"
    );
    bench.stop().await;
}

#[tokio::test]
async fn a_pod_that_does_not_listen_is_killed_after_its_grace() {
    let bench = Bench::start().await;
    let mut events = bench.watch();
    bench.create("deaf", waits(""));
    events.until_phase("deaf", "Running").await;
    let asked = Instant::now();
    bench.delete("deaf", 1);
    let pod = events.until_phase("deaf", "Failed").await.pop().unwrap();
    assert!(asked.elapsed() >= Duration::from_secs(1));
    let ended = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(ended["exitCode"], 137);
    bench.stop().await;
}

#[tokio::test]
async fn a_container_outlives_its_node_and_is_taken_up_by_the_next() {
    let bench = Bench::start().await;
    let mut events = bench.watch();
    bench.create(
        "long",
        never(&["sh", "-c", "echo one; sleep 2; echo two; exit 5"]),
    );
    bench.create("short", never(&["sh", "-c", "sleep 0.5; exit 6"]));
    let running = events.until_phase("long", "Running").await.pop().unwrap();
    let mut events = bench.watch();
    events.until_phase("short", "Running").await;
    let Bench {
        objects,
        node,
        config,
        state,
    } = bench;
    drop(node);
    // Long enough for one of them to end while nobody looks.
    let is_ended = |path: &PathBuf| path.ends_with("exit.json");
    let ended = async {
        while !walk(&config.state_dir).iter().any(is_ended) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.unwrap();
    let node = Node::start(objects.clone(), config.clone()).await.unwrap();
    let bench = Bench {
        objects,
        node,
        config,
        state,
    };
    let mut events = bench.watch();
    let short = events.until_phase("short", "Failed").await.pop().unwrap();
    let mut events = bench.watch();
    let long = events.until_phase("long", "Failed").await.pop().unwrap();
    let status = |pod: &serde_json::Value| pod["status"]["containerStatuses"][0].clone();
    assert_eq!(status(&short)["state"]["terminated"]["exitCode"], 6);
    assert_eq!(status(&long)["state"]["terminated"]["exitCode"], 5);
    assert_eq!(status(&long)["restartCount"], 0);
    assert_eq!(
        status(&long)["containerID"],
        status(&running)["containerID"]
    );
    assert_eq!(
        log(&bench, "long", LogOptions::default()).await.unwrap(),
        "one\ntwo\n"
    );
    bench.stop().await;
}

#[tokio::test]
async fn a_container_whose_shim_is_killed_ends_with_it_and_its_code_is_unknown() {
    let bench = Bench::start().await;
    let mut events = bench.watch();
    bench.create("orphaned", never(&["sh", "-c", "sleep 876543"]));
    events.until_phase("orphaned", "Running").await;
    let dir = bench.run_dir("orphaned", "base", 1);
    let shim = pid_of(&["__cluster-shim", dir.to_str().unwrap()]);
    let killed = std::process::Command::new("kill")
        .args(["-9", &shim])
        .status()
        .unwrap();
    assert!(killed.success());
    let pod = events
        .until_phase("orphaned", "Failed")
        .await
        .pop()
        .unwrap();
    let ended = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(ended["exitCode"], 137);
    assert_eq!(ended["reason"], "ContainerStatusUnknown");
    assert_eq!(commands_with("876543"), Vec::<String>::new());
    bench.stop().await;
}

/// The number of the one process whose command line holds all of `words`.
fn pid_of(words: &[&str]) -> String {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let fits = |process: &std::fs::DirEntry| {
        let line = std::fs::read_to_string(process.path().join("cmdline")).unwrap_or_default();
        words.iter().all(|word| line.contains(word))
    };
    let found: Vec<_> = processes
        .filter(fits)
        .map(|one| one.file_name().into_string().unwrap())
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}
