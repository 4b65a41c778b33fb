//! The shared watch.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use adjourn::pod::observe::{PodObservation, PodPhase, PodVerdict, judge};
use adjourn::pod::watch::{PodWatchHub, Subscription, WatchSettings};
use serde_json::{Value, json};

use crate::api::Api;
use crate::stage::{a_pod, ended, identity, running};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Quick enough for a test; what a test is about it sets itself.
pub(crate) fn quick() -> WatchSettings {
    WatchSettings {
        verify_every: Duration::from_millis(100),
        unseen_after: Duration::from_millis(100),
        shortest_wait: Duration::from_millis(20),
        longest_wait: Duration::from_millis(200),
        ..WatchSettings::default()
    }
}

pub(crate) fn hub(settings: WatchSettings) -> PodWatchHub {
    PodWatchHub::new("owner=us", settings)
}

/// Waits for an observation of which `wanted` holds.
pub(crate) async fn until(
    subscription: &mut Subscription,
    wanted: impl Fn(&PodObservation) -> bool,
) -> Arc<PodObservation> {
    tokio::time::timeout(PATIENCE, async {
        loop {
            let seen = subscription.changed().await;
            if wanted(&seen) {
                return seen;
            }
        }
    })
    .await
    .unwrap_or_else(|_| panic!("never seen; last: {:?}", subscription.latest()))
}

pub(crate) fn is_running(seen: &PodObservation) -> bool {
    seen.phase == PodPhase::Running
}

pub(crate) fn has_ended(seen: &PodObservation) -> bool {
    seen.phase.is_final()
}

#[tokio::test]
async fn five_hundred_waiters_share_one_watch() {
    let api = Api::start().await;
    let client = api.client().await;
    let hub = hub(quick());
    let names: Vec<String> = (0..500).map(|index| format!("p{index}")).collect();
    for name in &names {
        api.put(a_pod(name, "Running", running()));
    }
    let mut waiters: Vec<Subscription> = names
        .iter()
        .map(|name| hub.subscribe(&client, &identity(name)))
        .collect();
    for waiter in &mut waiters {
        until(waiter, is_running).await;
    }
    for name in &names {
        api.put(a_pod(name, "Succeeded", ended(0)));
    }
    for waiter in &mut waiters {
        let seen = until(waiter, has_ended).await;
        assert_eq!(judge(&seen, "base"), PodVerdict::Succeeded);
    }
    assert_eq!(api.requests("watch=1").len(), 1);
    assert_eq!((hub.watches(), hub.pods()), (1, 500));
    assert_eq!(hub.counts().relists, 1);
}

#[tokio::test]
async fn a_waiter_that_comes_later_sees_at_once_what_is_known() {
    let api = Api::start().await;
    let client = api.client().await;
    let hub = hub(quick());
    api.put(a_pod("x", "Running", running()));
    api.put(a_pod("y", "Succeeded", ended(0)));
    let mut early = hub.subscribe(&client, &identity("x"));
    until(&mut early, is_running).await;
    // The list is told in one go, and y stands before its end.
    let counts = hub.counts();
    let mut late = hub.subscribe(&client, &identity("y"));
    until(&mut late, has_ended).await;
    assert_eq!(hub.counts().requests, counts.requests);
}

#[tokio::test]
async fn a_pod_that_is_deleted_keeps_its_last_status() {
    let api = Api::start().await;
    let client = api.client().await;
    let hub = hub(quick());
    api.put(a_pod("x", "Failed", ended(3)));
    let mut waiter = hub.subscribe(&client, &identity("x"));
    until(&mut waiter, has_ended).await;
    api.remove("x");
    let seen = until(&mut waiter, |seen| seen.gone).await;
    let PodVerdict::Failed(failure) = judge(&seen, "base") else {
        panic!("not failed");
    };
    assert_eq!(failure.exit_code, Some(3));
}

#[tokio::test]
async fn a_pod_that_was_gone_before_anybody_waited_is_seen_as_gone() {
    let api = Api::start().await;
    let client = api.client().await;
    let hub = hub(quick());
    let mut waiter = hub.subscribe(&client, &identity("never"));
    let seen = until(&mut waiter, |seen| seen.gone).await;
    assert_eq!(seen.identity, identity("never"));
    // Also when the watch stands already, and when another pod has taken the name.
    let mut other = a_pod("x", "Running", running());
    other["metadata"]["uid"] = "another".into();
    api.put(other);
    let mut late = hub.subscribe(&client, &identity("x"));
    until(&mut late, |seen| seen.gone).await;
}

#[tokio::test]
async fn a_pod_with_other_labels_is_not_taken_for_gone() {
    let api = Api::start().await;
    let client = api.client().await;
    let hub = hub(quick());
    api.put(a_pod("x", "Running", running()));
    let mut waiter = hub.subscribe(&client, &identity("x"));
    until(&mut waiter, is_running).await;
    api.take_out_of_selection("x");
    let mut pod = a_pod("x", "Succeeded", ended(0));
    pod["metadata"]["labels"] = json!({});
    api.put(pod);
    let seen = until(&mut waiter, has_ended).await;
    assert!(!seen.gone);
    api.remove("x");
    let seen = until(&mut waiter, |seen| seen.gone).await;
    assert_eq!(judge(&seen, "base"), PodVerdict::Succeeded);
}

/// Every recorded life, told by a watch over HTTP, ends with the verdict of its last event.
#[tokio::test]
async fn recorded_lives_are_seen_through_the_watch() {
    let api = Api::start().await;
    let client = api.client().await;
    let hub = PodWatchHub::new("", quick());
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/recordings/lifecycles");
    let mut told = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let life: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let events = life["watch_events"].as_array().unwrap();
        let meta = &events[0]["object"]["metadata"];
        let who = adjourn::task::pods::PodIdentity {
            namespace: "jobs".into(),
            name: meta["name"].as_str().unwrap().into(),
            uid: meta["uid"].as_str().unwrap().into(),
        };
        let mut waiter = None;
        let mut gone = false;
        for event in events {
            if event["type"] == "DELETED" {
                api.remove(&who.name);
                gone = true;
            } else {
                let mut pod = event["object"].clone();
                pod["metadata"]["namespace"] = "jobs".into();
                api.put(pod);
            }
            waiter.get_or_insert_with(|| hub.subscribe(&client, &who));
        }
        let mut waiter = waiter.unwrap();
        let seen = until(&mut waiter, |seen| {
            if gone {
                seen.gone
            } else {
                judge(seen, "base").is_final()
            }
        })
        .await;
        let PodVerdict::Pending(_) = judge(&seen, "base") else {
            told += 1;
            continue;
        };
        panic!("{}: no verdict", path.display());
    }
    assert!(told >= 36, "{told}");
}
