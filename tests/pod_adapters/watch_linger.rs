//! The shared watch while nobody waits: a task that is resumed waits again a moment later.

use std::collections::BTreeMap;
use std::time::Duration;

use adjourn::clock::Clock;
use adjourn::pod::client::Connections;
use adjourn::pod::observe::{PodObservation, PodVerdict, judge};
use adjourn::pod::watch::{PodWatchHub, WatchSettings};
use adjourn::task::deferral::EventStatus;
use adjourn::task::pods::ConnectionRef;
use adjourn::trigger::TriggerKind;
use adjourn::trigger::pod::{PodTerms, PodTriggerKwargs, PodTriggers};
use chrono::TimeDelta;

use crate::api::Api;
use crate::stage::{a_pod, ended, identity, running};
use crate::watch::{PATIENCE, has_ended, hub, is_running, quick, until};

fn exit_code(seen: &PodObservation) -> Option<i32> {
    match judge(seen, "base") {
        PodVerdict::Failed(failure) => failure.exit_code,
        PodVerdict::Succeeded => Some(0),
        PodVerdict::Pending(_) | PodVerdict::Running => None,
    }
}

#[tokio::test]
async fn who_waits_again_after_the_pod_is_gone_still_learns_how_it_ended() {
    let api = Api::start().await;
    let client = api.client().await;
    let hub = hub(quick());
    api.put(a_pod("x", "Running", running()));
    api.put(a_pod("other", "Running", running()));
    let mut other = hub.subscribe(&client, &identity("other"));
    let mut before = hub.subscribe(&client, &identity("x"));
    until(&mut before, is_running).await;
    until(&mut other, is_running).await;
    drop(before);
    api.put(a_pod("x", "Failed", ended(3)));
    api.remove("x");
    // The watch tells in order: when it has told this, it has told all that went before.
    api.put(a_pod("other", "Succeeded", ended(0)));
    until(&mut other, has_ended).await;
    let mut after = hub.subscribe(&client, &identity("x"));
    let seen = until(&mut after, |seen| seen.gone).await;
    assert_eq!(exit_code(&seen), Some(3), "{seen:?}");
}

#[tokio::test]
async fn what_the_watch_tells_while_nobody_waits_is_kept() {
    let api = Api::start().await;
    let client = api.client().await;
    let hub = hub(quick());
    api.put(a_pod("x", "Running", running()));
    let mut before = hub.subscribe(&client, &identity("x"));
    until(&mut before, is_running).await;
    drop(before);
    api.put(a_pod("x", "Failed", ended(3)));
    api.remove("x");
    let mut after = hub.subscribe(&client, &identity("x"));
    let seen = until(&mut after, |seen| seen.gone).await;
    assert_eq!(exit_code(&seen), Some(3), "{seen:?}");
}

#[tokio::test]
async fn what_a_list_does_not_show_any_more_is_remembered_as_well() {
    let api = Api::start().await;
    let client = api.client().await;
    let hub = hub(quick());
    api.put(a_pod("x", "Failed", ended(3)));
    api.put(a_pod("other", "Running", running()));
    let mut other = hub.subscribe(&client, &identity("other"));
    let mut before = hub.subscribe(&client, &identity("x"));
    until(&mut before, has_ended).await;
    until(&mut other, is_running).await;
    drop(before);
    api.mute(true);
    api.remove("x");
    api.put(a_pod("other", "Succeeded", ended(0)));
    api.compact();
    api.break_watches();
    api.mute(false);
    until(&mut other, has_ended).await;
    let mut after = hub.subscribe(&client, &identity("x"));
    let seen = until(&mut after, |seen| seen.gone).await;
    assert_eq!(exit_code(&seen), Some(3), "{seen:?}");
}

#[tokio::test]
async fn ten_resumes_of_one_task_cost_one_list_and_one_watch() {
    let api = Api::start().await;
    let connections = Connections::new(BTreeMap::from([("here".to_owned(), api.settings())]));
    let triggers = PodTriggers::new(connections, "us");
    let mut pod = a_pod("x", "Running", running());
    pod["metadata"]["labels"] = serde_json::json!({"adjourn_installation": "us"});
    api.put(pod);
    let now = Clock::system().now();
    let kwargs = PodTriggerKwargs {
        connection: ConnectionRef {
            name: "here".to_owned(),
            overrides: adjourn::task::pods::ConnectionOverrides::default(),
        },
        pod: identity("x"),
        terms: PodTerms {
            base_container: "base".to_owned(),
            poll_interval_seconds: 3600.0,
            logging_interval_seconds: Some(0.1),
            next_log_at: Some(now),
            schedule_by: now + TimeDelta::seconds(120),
            schedule_timeout_seconds: 120.0,
            startup_timeout_seconds: 120.0,
        },
        trigger_kwargs: serde_json::Map::new(),
    };
    for _ in 0..10 {
        // Built from its row, fired, dropped: nobody waits until it is built again.
        let trigger = triggers.build(&kwargs.to_spec(), &Clock::system()).unwrap();
        let event = tokio::time::timeout(PATIENCE, trigger.wait())
            .await
            .unwrap();
        assert_eq!(event.status, EventStatus::Running, "{event:?}");
    }
    let mut end = kwargs;
    end.terms.next_log_at = Some(now + TimeDelta::hours(1));
    api.change("x", |pod| {
        pod["status"] = a_pod("x", "Failed", ended(3))["status"].clone();
    });
    api.remove("x");
    let trigger = triggers.build(&end.to_spec(), &Clock::system()).unwrap();
    let event = tokio::time::timeout(PATIENCE, trigger.wait())
        .await
        .unwrap();
    let seen: PodObservation = serde_json::from_value(event.payload).unwrap();
    assert_eq!(exit_code(&seen), Some(3));
    let counts = triggers.hub().counts();
    assert_eq!((counts.requests, counts.relists), (1, 1), "{counts:?}");
    assert_eq!(api.requests("/pods").len(), 1, "{:?}", api.requests(""));
    assert_eq!(triggers.hub().watches(), 1);
}

/// Waits until the hub has no more than so many watches and pods.
async fn shrunk(hub: &PodWatchHub, watches: usize, pods: usize) {
    let patience = tokio::time::timeout(PATIENCE, async {
        while hub.watches() > watches || hub.pods() > pods {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let left = (hub.watches(), hub.pods());
    patience.await.unwrap_or_else(|_| panic!("kept: {left:?}"));
}

#[tokio::test]
async fn a_watch_ends_a_while_after_its_last_waiter_and_begins_again_with_the_next() {
    let api = Api::start().await;
    let client = api.client().await;
    let hub = hub(WatchSettings {
        linger: Duration::from_millis(100),
        ..quick()
    });
    api.put(a_pod("x", "Running", running()));
    let mut one = hub.subscribe(&client, &identity("x"));
    let mut two = hub.subscribe(&client, &identity("x"));
    until(&mut one, is_running).await;
    until(&mut two, is_running).await;
    drop(one);
    drop(two);
    shrunk(&hub, 0, 0).await;
    let mut three = hub.subscribe(&client, &identity("x"));
    until(&mut three, is_running).await;
    assert_eq!(api.requests("watch=1").len(), 2);
    assert_eq!((hub.watches(), hub.pods()), (1, 1));
}

#[tokio::test]
async fn pods_that_are_gone_are_forgotten_after_a_while_beside_one_that_is_awaited() {
    let api = Api::start().await;
    let client = api.client().await;
    let hub = hub(WatchSettings {
        linger: Duration::from_millis(100),
        ..quick()
    });
    api.put(a_pod("stays", "Running", running()));
    let mut stays = hub.subscribe(&client, &identity("stays"));
    until(&mut stays, is_running).await;
    for index in 0..20 {
        let name = format!("p{index}");
        api.put(a_pod(&name, "Succeeded", ended(0)));
        api.remove(&name);
    }
    api.put(a_pod("stays", "Succeeded", ended(0)));
    until(&mut stays, has_ended).await;
    shrunk(&hub, 1, 1).await;
    assert_eq!(hub.watches(), 1);
}

#[tokio::test]
async fn no_more_than_the_latest_of_the_pods_that_are_gone_are_remembered() {
    let api = Api::start().await;
    let client = api.client().await;
    let hub = hub(WatchSettings {
        remembered: 3,
        ..quick()
    });
    api.put(a_pod("stays", "Running", running()));
    let mut stays = hub.subscribe(&client, &identity("stays"));
    until(&mut stays, is_running).await;
    for index in 0..20 {
        let name = format!("p{index}");
        api.put(a_pod(&name, "Failed", ended(index)));
        api.remove(&name);
    }
    api.put(a_pod("stays", "Succeeded", ended(0)));
    until(&mut stays, has_ended).await;
    assert_eq!(hub.pods(), 1 + 3);
    let mut last = hub.subscribe(&client, &identity("p19"));
    let seen = until(&mut last, |seen| seen.gone).await;
    assert_eq!(exit_code(&seen), Some(19));
}
