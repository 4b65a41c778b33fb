//! Reading and following logs.

use std::time::Duration;

use adjourn::pod::client::ClusterClient;
use adjourn::pod::logs::{
    FollowStep, LogEnd, LogFollower, LogLimits, LogOpening, LogRequest, LogStep, open,
};
use adjourn::task::log::{LineKind, LogCursor, LogLine};
use adjourn::task::pods::PodIdentity;
use serde_json::json;

use crate::api::{Api, Log};
use crate::stage::{a_pod, ended, identity, running};

fn request(name: &str, cursor: LogCursor, ended: bool) -> LogRequest {
    LogRequest {
        pod: identity(name),
        container: "base".into(),
        container_id: format!("containerd://{name}"),
        cursor,
        ended,
        previous: false,
        check_identity: true,
        limits: LogLimits::default(),
    }
}

/// Lines `from..to`, four in a second, each ended by a newline.
fn log_lines(from: usize, to: usize) -> Vec<u8> {
    (from..to)
        .flat_map(|index| {
            format!(
                "2026-11-24T08:{:02}:{:02}.{:03}000000Z line {index}\n",
                10 + index / 240,
                index / 4 % 60,
                index % 4 * 250
            )
            .into_bytes()
        })
        .collect()
}

fn texts(lines: &[LogLine]) -> Vec<String> {
    lines
        .iter()
        .map(|line| match line.kind {
            LineKind::Output => String::from_utf8(line.text.to_vec()).unwrap(),
            LineKind::Gap | LineKind::Event => "(gap)".to_owned(),
        })
        .collect()
}

fn numbered(from: usize, to: usize) -> Vec<String> {
    (from..to).map(|index| format!("line {index}")).collect()
}

/// Reads to the end; the lines, the cursor after them, and how it ended.
async fn read_all(
    client: &ClusterClient,
    request: &LogRequest,
) -> (Vec<LogLine>, LogCursor, Result<LogEnd, String>) {
    let LogOpening::Reading(mut reader) = open(client, request).await.unwrap() else {
        panic!("no log to read");
    };
    let mut lines = Vec::new();
    let mut cursor = request.cursor.clone();
    loop {
        match reader.next().await {
            Ok(LogStep::Batch(batch)) => {
                assert!(batch.lines.len() <= request.limits.batch_lines + 1);
                lines.extend(batch.lines);
                cursor = batch.cursor;
            }
            Ok(LogStep::End(end)) => return (lines, cursor, Ok(end)),
            Err(error) => {
                assert!(error.retryable(), "{error}");
                return (lines, cursor, Err(error.to_string()));
            }
        }
    }
}

async fn stage(log: Log) -> (Api, ClusterClient) {
    let api = Api::start().await;
    api.put(a_pod("x", "Running", running()));
    api.set_log("x", "base", log);
    let client = api.client().await;
    (api, client)
}

fn of(bytes: Vec<u8>) -> Log {
    Log {
        bytes,
        ..Log::default()
    }
}

#[tokio::test]
async fn a_log_is_read_piece_by_piece_without_repeats() {
    let (api, client) = stage(of(log_lines(0, 1001))).await;
    let (lines, cursor, end) = read_all(&client, &request("x", LogCursor::default(), false)).await;
    assert_eq!(texts(&lines), numbered(0, 1001));
    assert_eq!(end, Ok(LogEnd::CaughtUp));
    assert!(!cursor.complete);
    assert_eq!(cursor.container_id, "containerd://x");

    let mut bytes = log_lines(0, 1100);
    bytes.extend(b"2026-11-24T09:00:00.000000000Z the end without a newline");
    api.set_log("x", "base", of(bytes));
    let (lines, cursor, end) = read_all(&client, &request("x", cursor, false)).await;
    assert_eq!(
        texts(&lines),
        numbered(1001, 1100),
        "the unfinished line is left"
    );
    assert_eq!(end, Ok(LogEnd::CaughtUp));

    let (lines, cursor, end) = read_all(&client, &request("x", cursor, true)).await;
    assert_eq!(texts(&lines), ["the end without a newline"]);
    assert_eq!(end, Ok(LogEnd::Complete));
    assert!(cursor.complete);

    let (lines, _, _) = read_all(&client, &request("x", cursor, true)).await;
    assert_eq!(
        texts(&lines),
        Vec::<String>::new(),
        "and nothing comes twice"
    );
}

#[tokio::test]
async fn a_broken_connection_loses_and_repeats_nothing() {
    let (api, client) = stage(of(Vec::new())).await;
    let mut cursor = LogCursor::default();
    let mut seen = Vec::new();
    for cut in [1, 33, 500, 777, 5000] {
        api.set_log(
            "x",
            "base",
            Log {
                bytes: log_lines(0, 400),
                break_after: Some(cut),
                ..Log::default()
            },
        );
        let (lines, after, end) = read_all(&client, &request("x", cursor, false)).await;
        assert!(end.is_err(), "{end:?}");
        seen.extend(lines);
        cursor = after;
    }
    assert!(seen.len() > 100, "{}", seen.len());
    let (lines, _, end) = read_all(&client, &request("x", cursor, true)).await;
    seen.extend(lines);
    assert_eq!(texts(&seen), numbered(0, 400));
    assert_eq!(end, Ok(LogEnd::Complete));
}

#[tokio::test]
async fn what_is_no_log_is_told_apart() {
    let (api, client) = stage(Log {
        instead: Some((
            400,
            json!({
                "kind": "Status", "code": 400, "reason": "BadRequest",
                "message": "container \"base\" in pod \"x\" is waiting to start: ContainerCreating",
            }),
        )),
        ..Log::default()
    })
    .await;
    let fresh = || LogCursor::default();
    let opening = open(&client, &request("x", fresh(), false)).await.unwrap();
    assert!(
        matches!(&opening, LogOpening::Unavailable { message } if message.contains("ContainerCreating")),
        "{opening:?}"
    );

    api.put(a_pod("young", "Pending", json!({})));
    let opening = open(&client, &request("young", fresh(), false))
        .await
        .unwrap();
    assert!(matches!(opening, LogOpening::NotScheduled), "{opening:?}");

    let opening = open(&client, &request("absent", fresh(), false))
        .await
        .unwrap();
    assert!(matches!(opening, LogOpening::Gone), "{opening:?}");

    let mut bytes = log_lines(0, 3);
    bytes.extend(b"unable to retrieve container logs for containerd://x");
    api.set_log("x", "base", of(bytes));
    let (lines, cursor, end) = read_all(&client, &request("x", fresh(), true)).await;
    assert_eq!(texts(&lines), numbered(0, 3));
    assert!(
        matches!(&end, Ok(LogEnd::NotALog { text }) if text.starts_with("unable")),
        "{end:?}"
    );
    assert!(!cursor.complete, "what the node could not give is not read");
}

#[tokio::test]
async fn the_log_of_another_pod_of_the_same_name_is_not_taken() {
    let (_api, client) = stage(of(log_lines(0, 3))).await;
    let mut request = request("x", LogCursor::default(), true);
    request.pod = PodIdentity {
        uid: "the-uid-of-before".into(),
        ..request.pod
    };
    let opening = open(&client, &request).await.unwrap();
    assert!(matches!(opening, LogOpening::Gone), "{opening:?}");
}

#[tokio::test]
async fn a_rotated_log_and_a_restarted_container_leave_a_mark() {
    let (api, client) = stage(of(log_lines(0, 10))).await;
    let (_, cursor, _) = read_all(&client, &request("x", LogCursor::default(), false)).await;
    api.set_log("x", "base", of(log_lines(100, 103)));
    let (lines, cursor, _) = read_all(&client, &request("x", cursor, false)).await;
    let mut expected = vec!["(gap)".to_owned()];
    expected.extend(numbered(100, 103));
    assert_eq!(texts(&lines), expected);

    let mut again = request("x", cursor, true);
    again.container_id = "containerd://second".into();
    api.set_log("x", "base", of(log_lines(200, 202)));
    let (lines, cursor, _) = read_all(&client, &again).await;
    let mut expected = vec!["(gap)".to_owned()];
    expected.extend(numbered(200, 202));
    assert_eq!(texts(&lines), expected);
    assert_eq!(cursor.container_id, "containerd://second");
}

#[tokio::test]
async fn a_log_beyond_its_cap_ends_with_a_mark() {
    let (_api, client) = stage(of(log_lines(0, 100))).await;
    let mut capped = request("x", LogCursor::default(), true);
    capped.limits.max_bytes = Some(30);
    let (lines, cursor, end) = read_all(&client, &capped).await;
    assert_eq!(end, Ok(LogEnd::CapReached));
    assert_eq!(
        texts(&lines),
        ["line 0", "line 1", "line 2", "line 3", "line 4", "(gap)"]
    );
    assert!(!cursor.complete);
}

#[tokio::test]
async fn a_follow_goes_on_through_a_break_and_a_stall_and_ends_with_the_container() {
    let (api, client) = stage(Log {
        bytes: log_lines(0, 60),
        break_after: Some(900),
        ..Log::default()
    })
    .await;
    let mut live = request("x", LogCursor::default(), false);
    live.limits.silence = Duration::from_millis(300);
    let mut follower = LogFollower::new(client.clone(), live);
    let mut seen = Vec::new();
    let mut next = async |seen: &mut Vec<LogLine>| {
        let step = tokio::time::timeout(Duration::from_secs(20), follower.next()).await;
        match step.expect("following hangs").unwrap() {
            FollowStep::Batch(batch) => {
                seen.extend(batch.lines);
                None
            }
            end @ (FollowStep::Ended | FollowStep::Unavailable { .. } | FollowStep::Gone) => {
                Some((end, follower.cursor().clone()))
            }
        }
    };
    // Breaks once, then gives the whole log; the stream after it hangs until it is renewed.
    while seen.len() < 20 {
        assert!(next(&mut seen).await.is_none());
    }
    api.set_log(
        "x",
        "base",
        Log {
            bytes: log_lines(0, 61),
            hang: true,
            ..Log::default()
        },
    );
    let end = loop {
        if let Some(end) = next(&mut seen).await {
            break end;
        }
        if seen.len() == 61 && api.requests("follow=true").len() < 4 {
            api.set_log("x", "base", of(log_lines(0, 63)));
        }
    };
    assert_eq!(end.0, FollowStep::Ended);
    api.put(a_pod("x", "Succeeded", ended(0)));
    let (lines, _, outcome) = read_all(&client, &request("x", end.1, true)).await;
    seen.extend(lines);
    assert_eq!(outcome, Ok(LogEnd::Complete));
    let count = seen.len();
    assert!(count >= 60, "{count}");
    assert_eq!(texts(&seen), numbered(0, count));
}

#[tokio::test]
async fn a_line_is_handed_on_while_the_stream_is_open() {
    let (_api, client) = stage(Log {
        bytes: log_lines(0, 2),
        hang: true,
        ..Log::default()
    })
    .await;
    let mut follower = LogFollower::new(client, request("x", LogCursor::default(), false));
    let step = tokio::time::timeout(Duration::from_secs(10), follower.next()).await;
    let FollowStep::Batch(batch) = step.expect("nothing comes").unwrap() else {
        panic!("no lines");
    };
    assert!(texts(&batch.lines).starts_with(&numbered(0, 1)));
}
