//! Lines and verdicts around a resume: rows 1-5, 24.

use serde_json::json;

use crate::api::Log;
use crate::room::{Room, eventually, lines, set};
use crate::stage::{ended, running};

/// Logs fetched every tenth of a second.
fn resumed_often() -> serde_json::Value {
    json!({"logging_interval": 0.1})
}

async fn asked_for_its_log(room: &Room, name: &str) {
    let what = format!("/pods/{name}/log");
    eventually("a request for the log", async || {
        (!room.api.requests(&what).is_empty()).then_some(())
    })
    .await;
}

/// Row 1. Lines that share a nanosecond are told apart by number, across resumes.
#[tokio::test]
async fn a_line_is_never_repeated_however_often_the_task_is_resumed() {
    let room = Room::open().await;
    let id = room.submit(resumed_often()).await;
    let name = room.pod(id, 1).await;
    let told: Vec<String> = (0..30).map(|number| format!("line {number}")).collect();
    let told: Vec<&str> = told.iter().map(String::as_str).collect();
    let mut bytes = lines(&told[..29]);
    // The last two have the same stamp.
    bytes.extend_from_slice(b"2026-11-24T08:53:25.000000028Z line 29\n");
    let log = |upto: usize| Log {
        bytes: bytes
            .split_inclusive(|byte| *byte == b'\n')
            .take(upto)
            .flatten()
            .copied()
            .collect(),
        ..Log::default()
    };
    room.api.set_log(&name, "base", log(10));
    set(&room.api, &name, "Running", running());
    for upto in [10, 29, 30] {
        room.api.set_log(&name, "base", log(upto));
        eventually("the lines so far", async || {
            (room.lines(id).await.len() >= upto).then_some(())
        })
        .await;
        let resumes = room.told(id).await.task.resumes;
        eventually("two more resumes", async || {
            (room.told(id).await.task.resumes >= resumes + 2).then_some(())
        })
        .await;
        assert_eq!(room.lines(id).await, told[..upto]);
    }
    set(&room.api, &name, "Succeeded", ended(0));
    let end = room.ended(id).await;
    assert_eq!(end.task.state, "success", "{end:#?}");
    assert_eq!(room.lines(id).await, told);
}

/// Row 4. The pod ends while its newest lines are fetched: the status is read after them.
#[tokio::test]
async fn a_pod_that_fails_between_the_wake_and_the_next_wait_fails_its_task() {
    let room = Room::open().await;
    let id = room.submit(resumed_often()).await;
    let name = room.pod(id, 1).await;
    room.api.hold("/log?");
    room.api.mute(true);
    set(&room.api, &name, "Running", running());
    room.api.mute(false);
    asked_for_its_log(&room, &name).await;
    set(&room.api, &name, "Failed", ended(3));
    room.api.let_go();
    let told = room.ended(id).await;
    assert_eq!((told.task.state, told.task.exit_code), ("failed", Some(3)));
}

/// Row 5. The same, and somebody deletes the pod before its status can be read: only the watch
/// has seen how it ended, and while nobody waited.
#[tokio::test]
async fn a_pod_that_is_gone_before_its_status_is_read_is_judged_by_what_the_watch_told() {
    for (code, state) in [(0, "success"), (3, "failed")] {
        let room = Room::open().await;
        let id = room.submit(resumed_often()).await;
        let name = room.pod(id, 1).await;
        room.api.hold("/log?");
        set(&room.api, &name, "Running", running());
        asked_for_its_log(&room, &name).await;
        let phase = if code == 0 { "Succeeded" } else { "Failed" };
        set(&room.api, &name, phase, ended(code));
        room.api.remove(&name);
        room.api.let_go();
        let told = room.ended(id).await;
        assert_eq!(
            (told.task.state, told.task.exit_code),
            (state, Some(code)),
            "{told:#?}"
        );
        assert_eq!(told.pods.len(), 1);
        // Resuming cost neither list nor watch.
        let counts = room.triggers.hub().counts();
        assert_eq!(counts.relists, 1, "{counts:?}");
    }
}

/// Row 3. What the node has thrown away is marked in its place.
#[tokio::test]
async fn lines_that_were_rotated_away_leave_a_mark() {
    let room = Room::open().await;
    let id = room.submit(resumed_often()).await;
    let name = room.pod(id, 1).await;
    let told = ["one", "two", "three", "four"];
    let log = |bytes: Vec<u8>| Log {
        bytes,
        ..Log::default()
    };
    room.api.set_log(&name, "base", log(lines(&told[..2])));
    set(&room.api, &name, "Running", running());
    eventually("two lines", async || {
        (room.lines(id).await.len() == 2).then_some(())
    })
    .await;
    let all = lines(&told);
    let from_four = all.split_inclusive(|byte| *byte == b'\n').skip(3);
    room.api
        .set_log(&name, "base", log(from_four.flatten().copied().collect()));
    set(&room.api, &name, "Succeeded", ended(0));
    let end = room.ended(id).await;
    assert_eq!(end.task.state, "success");
    let kinds: Vec<(String, String)> = room.log(id).await;
    let kinds: Vec<&str> = kinds.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["Output", "Output", "Gap", "Output"]);
}

/// Row 24. Init containers' logs come first; one that the node does not hand out is given up.
#[tokio::test]
async fn logs_of_init_containers_are_collected_and_hold_nothing_up() {
    let room = Room::open().await;
    let id = room
        .submit(json!({
            "init_container_logs": true,
            "init_containers": [
                {"name": "first", "image": "busybox"},
                {"name": "second", "image": "busybox"},
            ],
        }))
        .await;
    let name = room.pod(id, 1).await;
    for (container, bytes) in [("first", "from first"), ("base", "from base")] {
        let log = Log {
            bytes: lines(&[bytes]),
            ..Log::default()
        };
        room.api.set_log(&name, container, log);
    }
    let words = json!({"kind": "Status", "code": 400, "reason": "BadRequest", "status": "Failure",
        "message": "container \"second\" in pod is not available"});
    let refuses = Log {
        instead: Some((400, words)),
        ..Log::default()
    };
    room.api.set_log(&name, "second", refuses);
    room.api.change(&name, |pod| {
        pod["spec"]["nodeName"] = "node1".into();
        let status = crate::stage::a_pod(&name, "Succeeded", ended(0))["status"].clone();
        let init = |container: &str| {
            let mut init = status["containerStatuses"][0].clone();
            init["name"] = container.into();
            init["containerID"] = format!("containerd://{container}").into();
            init
        };
        pod["status"] = status.clone();
        pod["status"]["initContainerStatuses"] = json!([init("first"), init("second")]);
    });
    let told = room.ended(id).await;
    assert_eq!(told.task.state, "success", "{told:#?}");
    assert_eq!(room.lines(id).await, ["from first", "from base"]);
    assert!(room.log(id).await.iter().any(|(kind, _)| kind == "Gap"));
}
