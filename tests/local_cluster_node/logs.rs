//! Logs as they are served.

use std::time::Duration;

use adjourn::local_cluster::node::LogOptions;
use serde_json::json;

use crate::bench::{Bench, log, never, waits};

#[tokio::test]
async fn logs_are_served_as_recorded() {
    let bench = Bench::start().await;
    let mut events = bench.watch();
    bench.create(
        "lines",
        never(&["sh", "-c", "printf 'x\\n\\n  y\\r\\nlast'"]),
    );
    events.until_phase("lines", "Succeeded").await;
    let plain = LogOptions::default();
    assert_eq!(
        log(&bench, "lines", plain.clone()).await.unwrap(),
        "x\n\n  y\nlast"
    );
    let stamped = LogOptions {
        timestamps: true,
        ..plain.clone()
    };
    let text = log(&bench, "lines", stamped.clone()).await.unwrap();
    let stamps: Vec<&str> = text
        .split('\n')
        .map(|line| line.split_once(' ').unwrap().0)
        .collect();
    assert_eq!(stamps.len(), 4);
    assert!(
        stamps
            .iter()
            .all(|stamp| stamp.len() == 30 && stamp.ends_with('Z')),
        "{text}"
    );
    assert!(stamps.windows(2).all(|pair| pair[0] < pair[1]), "{text}");
    assert_eq!(text.split('\n').nth(1).unwrap().len(), 31);
    for (options, expected) in [
        (
            LogOptions {
                tail_lines: Some(1),
                ..plain.clone()
            },
            "last",
        ),
        (
            LogOptions {
                tail_lines: Some(2),
                ..plain.clone()
            },
            "  y\nlast",
        ),
        (
            LogOptions {
                tail_lines: Some(0),
                ..plain.clone()
            },
            "",
        ),
        (
            LogOptions {
                tail_lines: Some(99),
                ..plain.clone()
            },
            "x\n\n  y\nlast",
        ),
        (
            LogOptions {
                limit_bytes: Some(4),
                ..plain.clone()
            },
            "x\n\n ",
        ),
        (
            LogOptions {
                since_seconds: Some(1000),
                ..plain.clone()
            },
            "x\n\n  y\nlast",
        ),
        (
            LogOptions {
                since_time: Some("2099-01-01T00:00:00Z".parse().unwrap()),
                ..plain.clone()
            },
            "",
        ),
        (
            LogOptions {
                since_time: Some(format!("{}.999Z", &stamps[0][..19]).parse().unwrap()),
                ..plain.clone()
            },
            "x\n\n  y\nlast",
        ),
        (
            LogOptions {
                follow: true,
                ..plain.clone()
            },
            "x\n\n  y\nlast",
        ),
    ] {
        assert_eq!(
            log(&bench, "lines", options.clone()).await.unwrap(),
            expected,
            "{options:?}"
        );
    }
    let previous = log(
        &bench,
        "lines",
        LogOptions {
            previous: true,
            ..plain
        },
    )
    .await
    .unwrap_err();
    assert_eq!(
        previous.message,
        "previous terminated container \"base\" in pod \"lines\" not found"
    );
    bench.stop().await;
}

#[tokio::test]
async fn a_followed_log_ends_with_the_container_whose_end_is_then_shown() {
    let bench = Bench::start().await;
    let mut events = bench.watch();
    bench.create(
        "followed",
        never(&[
            "sh",
            "-c",
            "for i in 1 2 3; do echo line $i; sleep 0.2; done",
        ]),
    );
    events.until_phase("followed", "Running").await;
    let follow = LogOptions {
        follow: true,
        ..LogOptions::default()
    };
    let text = log(&bench, "followed", follow).await.unwrap();
    assert_eq!(text, "line 1\nline 2\nline 3\n");
    let state = &bench.get("followed")["status"]["containerStatuses"][0]["state"];
    assert_eq!(state["terminated"]["exitCode"], 0, "{state}");
    bench.stop().await;
}

#[tokio::test]
async fn only_the_newest_file_is_served_but_a_followed_log_is_whole() {
    let bench = Bench::with(|config| {
        config.log_max_bytes = 1000;
        config.log_check = Duration::ZERO;
    })
    .await;
    let mut events = bench.watch();
    let script = "echo first; sleep 0.5; head -c 1500 /dev/zero | tr '\\0' a; echo; sleep 0.5; echo last; sleep 0.5";
    bench.create("large", never(&["sh", "-c", script]));
    events.until_phase("large", "Running").await;
    let follow = LogOptions {
        follow: true,
        ..LogOptions::default()
    };
    let whole = log(&bench, "large", follow).await.unwrap();
    assert_eq!(whole, format!("first\n{}\nlast\n", "a".repeat(1500)));
    let served = log(&bench, "large", LogOptions::default()).await.unwrap();
    assert_eq!(served, "last\n");
    bench.stop().await;
}

#[tokio::test]
async fn a_pod_that_a_finalizer_holds_has_lost_its_log_and_says_so() {
    let bench = Bench::start().await;
    let mut events = bench.watch();
    bench.create_with("held", waits("exit 0"), |pod| {
        pod["metadata"]["finalizers"] = json!(["example.com/hold"]);
    });
    events.until_phase("held", "Running").await;
    bench.delete("held", 2);
    let is_last = |pod: &serde_json::Value| pod["metadata"]["deletionGracePeriodSeconds"] == 0;
    let pod = events
        .until("held", |_, pod| is_last(pod))
        .await
        .pop()
        .unwrap();
    assert_eq!(pod["status"]["phase"], "Succeeded");
    let id = pod["status"]["containerStatuses"][0]["containerID"]
        .as_str()
        .unwrap();
    let text = log(&bench, "held", LogOptions::default()).await.unwrap();
    assert_eq!(text, format!("unable to retrieve container logs for {id}"));
    bench.stop().await;
}

#[tokio::test]
async fn the_log_of_the_run_before_can_be_had() {
    let bench = Bench::start().await;
    let mut events = bench.watch();
    let mut spec = never(&[
        "sh",
        "-c",
        "cat /proc/sys/kernel/random/uuid; sleep 0.2; exit 1",
    ]);
    spec["restartPolicy"] = json!("Always");
    bench.create("again", spec);
    let restarted = |pod: &serde_json::Value| {
        let status = &pod["status"]["containerStatuses"][0];
        status["restartCount"] == 1 && !status["state"]["terminated"].is_null()
    };
    events.until("again", |_, pod| restarted(pod)).await;
    let now = log(&bench, "again", LogOptions::default()).await.unwrap();
    let previous = LogOptions {
        previous: true,
        ..LogOptions::default()
    };
    let before = log(&bench, "again", previous).await.unwrap();
    assert_eq!((now.len(), before.len()), (37, 37));
    assert_ne!(now, before);
    bench.stop().await;
}
