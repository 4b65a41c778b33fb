//! Logs as they are served.

use adjourn::local_cluster::node::LogOptions;

use crate::bench::{Bench, log, never};

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
