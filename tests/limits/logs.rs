//! How much of a log is kept, how much one read brings, and how many are read at once.

use adjourn::engine::EngineSettings;
use adjourn::operator::pod::PodOperatorSettings;
use chrono::TimeDelta;
use serde_json::json;

use crate::api::Log;
use crate::room::{Furniture, Room, eventually, lines, set};
use crate::stage::{ended, running};

fn log(texts: &[&str]) -> Log {
    Log {
        bytes: lines(texts),
        ..Log::default()
    }
}

fn kept(log_bytes: u64) -> Furniture {
    let usual = Furniture::default();
    Furniture {
        engine: EngineSettings {
            log_bytes: Some(log_bytes),
            ..usual.engine
        },
        ..usual
    }
}

fn output(text: &str) -> (String, String) {
    ("Output".to_owned(), text.to_owned())
}

#[tokio::test]
async fn a_log_that_is_full_says_so_and_is_not_fetched_any_more() {
    let room = Room::with(kept(10)).await;
    let id = room.submit(json!({"logging_interval": 10})).await;
    let name = room.pod(id, 1).await;
    room.api
        .set_log(&name, "base", log(&["one", "two", "three", "four"]));
    set(&room.api, &name, "Running", running());
    room.leap(TimeDelta::seconds(60));
    eventually("the mark", async || {
        let told = room.told(id).await.task;
        (told.resumes >= 1 && told.state == "deferred").then_some(())
    })
    .await;
    let asked = room.api.requests("/log?").len();
    set(&room.api, &name, "Succeeded", ended(0));
    let told = room.ended(id).await;
    assert_eq!(told.task.state, "success");
    assert_eq!(told.task.log_lines, 2);
    let log = room.log(id).await;
    assert_eq!(log[..2], [output("one"), output("two")]);
    assert_eq!(log.len(), 3, "{log:?}");
    assert_eq!(log[2].0, "Gap");
    assert!(log[2].1.contains("not kept beyond 10 bytes"), "{log:?}");
    assert_eq!(room.api.requests("/log?").len(), asked);
}

#[tokio::test]
async fn a_log_that_is_followed_live_is_cut_as_well() {
    let room = Room::with(kept(10)).await;
    let id = room.submit(json!({"deferrable": false})).await;
    let name = eventually("the pod", async || {
        let pods = room.told(id).await.pods;
        pods.first()?.uid.as_ref()?;
        Some(pods[0].name.clone())
    })
    .await;
    room.api
        .set_log(&name, "base", log(&["one", "two", "three", "four"]));
    set(&room.api, &name, "Running", running());
    eventually("the mark", async || {
        let log = room.log(id).await;
        log.iter().any(|(kind, _)| kind == "Gap").then_some(())
    })
    .await;
    set(&room.api, &name, "Succeeded", ended(0));
    assert_eq!(room.ended(id).await.task.state, "success");
    assert_eq!(room.lines(id).await, ["one", "two"]);
}

#[tokio::test]
async fn one_read_of_a_running_container_brings_so_much_and_the_next_goes_on() {
    let usual = Furniture::default();
    let room = Room::with(Furniture {
        operator: PodOperatorSettings {
            log_read_bytes: Some(8),
            ..PodOperatorSettings::default()
        },
        ..usual
    })
    .await;
    let id = room.submit(json!({"logging_interval": 10})).await;
    let name = room.pod(id, 1).await;
    let texts = ["one", "two", "three", "four", "five", "six", "seven"];
    room.api.set_log(&name, "base", log(&texts));
    set(&room.api, &name, "Running", running());
    room.leap(TimeDelta::seconds(60));
    room.until_resumed(id, 1).await;
    assert_eq!(room.lines(id).await, texts[..2], "three and three bytes");
    let (kind, mark) = room.log(id).await.pop().unwrap();
    assert_eq!(kind, "Event");
    assert!(mark.contains("no more than 8 bytes"), "{mark}");
    room.leap(TimeDelta::seconds(60));
    room.until_resumed(id, 2).await;
    assert_eq!(room.lines(id).await, texts[..3]);
    // At the end there is no next read: all that is left comes.
    set(&room.api, &name, "Succeeded", ended(0));
    room.ended(id).await;
    assert_eq!(room.lines(id).await, texts);
}

/// Twelve tasks want their logs in the same moment, each with a worker of its own.
#[tokio::test]
async fn however_many_tasks_are_resumed_at_once_so_many_logs_are_read_and_no_more() {
    const TASKS: usize = 12;
    let usual = Furniture::default();
    let room = Room::with(Furniture {
        engine: EngineSettings {
            slots: TASKS,
            ..usual.engine
        },
        log_reads_at_once: Some(3),
        ..usual
    })
    .await;
    let mut tasks = Vec::new();
    for number in 0..TASKS {
        let task = json!({"task_id": format!("t{number}"), "on_finish_action": "keep_pod"});
        tasks.push(room.submit(task).await);
    }
    let mut names = Vec::new();
    for id in &tasks {
        let name = room.pod(*id, 1).await;
        room.api
            .set_log(&name, "base", log(&[&format!("of {name}")]));
        names.push(name);
    }
    room.api.hold("/log?");
    for name in &names {
        set(&room.api, name, "Succeeded", ended(0));
    }
    for id in &tasks {
        room.until_state(*id, "running").await;
    }
    eventually("logs to be asked for", async || {
        (room.api.requests("/log?").len() >= 3).then_some(())
    })
    .await;
    for _ in 0..20 {
        room.api.client().await.ping().await.unwrap();
    }
    assert_eq!(room.api.requests("/log?").len(), 3);
    room.api.let_go();
    for (id, name) in tasks.iter().zip(&names) {
        room.until_state(*id, "success").await;
        assert_eq!(room.lines(*id).await, [format!("of {name}")]);
    }
    assert_eq!(room.api.requests("/log?").len(), TASKS);
}
