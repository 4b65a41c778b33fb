//! The shared watch when it breaks, is silent, is refused or is too old.

use std::sync::Arc;
use std::time::Duration;

use adjourn::pod::observe::{PodObservation, PodVerdict, judge};
use adjourn::pod::watch::{Subscription, WatchSettings};
use serde_json::json;

use crate::api::Api;
use crate::stage::{a_pod, ended, identity, running};
use crate::watch::{PATIENCE, has_ended, hub, is_running, quick, until};

/// Asks for a verification again and again until an observation of which `wanted` holds.
async fn verified(
    subscription: &mut Subscription,
    wanted: impl Fn(&PodObservation) -> bool,
) -> Arc<PodObservation> {
    tokio::time::timeout(PATIENCE, async {
        loop {
            subscription.verify();
            let tick = tokio::time::timeout(Duration::from_millis(50), subscription.changed());
            if let Ok(seen) = tick.await
                && wanted(&seen)
            {
                return seen;
            }
        }
    })
    .await
    .unwrap_or_else(|_| panic!("never seen; last: {:?}", subscription.latest()))
}

#[tokio::test]
async fn a_broken_watch_goes_on_from_where_it_was() {
    let api = Api::start().await;
    let client = api.client().await;
    let hub = hub(quick());
    api.put(a_pod("x", "Running", running()));
    api.put(a_pod("y", "Running", running()));
    let mut x = hub.subscribe(&client, &identity("x"));
    let mut y = hub.subscribe(&client, &identity("y"));
    until(&mut x, is_running).await;
    until(&mut y, is_running).await;
    api.break_watches();
    api.put(a_pod("x", "Succeeded", ended(0)));
    api.remove("y");
    until(&mut x, has_ended).await;
    until(&mut y, |seen| seen.gone).await;
    let counts = hub.counts();
    assert_eq!(counts.relists, 1, "{counts:?}");
    assert!(counts.reopens >= 1, "{counts:?}");
}

#[tokio::test]
async fn a_version_that_is_too_old_is_listed_again_and_missing_pods_are_gone() {
    let api = Api::start().await;
    let client = api.client().await;
    let hub = hub(WatchSettings {
        remembered: 0,
        ..quick()
    });
    for name in ["x", "y", "z"] {
        api.put(a_pod(name, "Running", running()));
    }
    let mut x = hub.subscribe(&client, &identity("x"));
    let mut y = hub.subscribe(&client, &identity("y"));
    until(&mut x, is_running).await;
    until(&mut y, is_running).await;
    api.mute(true);
    api.put(a_pod("x", "Succeeded", ended(0)));
    api.remove("y");
    api.remove("z");
    api.compact();
    api.break_watches();
    api.mute(false);
    until(&mut x, has_ended).await;
    until(&mut y, |seen| seen.gone).await;
    assert!(hub.counts().relists >= 2, "{:?}", hub.counts());
    assert_eq!(
        hub.pods(),
        2,
        "what nobody waits for and is gone is forgotten"
    );
}

#[tokio::test]
async fn a_silent_watch_is_opened_again() {
    let api = Api::start().await;
    let client = api.client().await;
    let hub = hub(WatchSettings {
        silence: Duration::from_millis(300),
        ..quick()
    });
    api.put(a_pod("x", "Running", running()));
    api.put(a_pod("y", "Running", running()));
    let mut x = hub.subscribe(&client, &identity("x"));
    let mut y = hub.subscribe(&client, &identity("y"));
    until(&mut x, is_running).await;
    until(&mut y, is_running).await;
    // Nobody asks for a verification: only a watch that is opened again can tell.
    api.lose_watches();
    api.put(a_pod("x", "Succeeded", ended(0)));
    api.remove("y");
    until(&mut x, has_ended).await;
    until(&mut y, |seen| seen.gone).await;
    let counts = hub.counts();
    assert!(counts.reopens >= 1, "{counts:?}");
    assert_eq!((counts.relists, counts.verifications), (1, 0), "{counts:?}");
}

#[tokio::test]
async fn an_end_that_the_watch_does_not_tell_is_found_by_a_verification() {
    let api = Api::start().await;
    let client = api.client().await;
    let hub = hub(quick());
    api.put(a_pod("x", "Running", running()));
    let mut x = hub.subscribe(&client, &identity("x"));
    until(&mut x, is_running).await;
    api.mute(true);
    api.put(a_pod("x", "Failed", ended(3)));
    let seen = verified(&mut x, has_ended).await;
    assert!(matches!(judge(&seen, "base"), PodVerdict::Failed(_)));
    let counts = hub.counts();
    assert_eq!(counts.corrections, 1, "{counts:?}");
    let asked = api.requests("fieldSelector");
    assert!(asked[0].contains("resourceVersion=0"), "{asked:?}");
}

#[tokio::test]
async fn however_many_ask_it_is_one_verification_at_a_time() {
    let api = Api::start().await;
    let client = api.client().await;
    let hub = hub(WatchSettings {
        verify_every: Duration::from_secs(3600),
        ..quick()
    });
    let names: Vec<String> = (0..50).map(|index| format!("p{index}")).collect();
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
    for _ in 0..20 {
        for waiter in &waiters {
            waiter.verify();
        }
        tokio::task::yield_now().await;
    }
    tokio::time::timeout(PATIENCE, async {
        while hub.counts().verifications == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("no verification at all");
    for waiter in &waiters {
        waiter.verify();
    }
    assert_eq!(api.requests("fieldSelector").len(), 1);
}

#[tokio::test]
async fn without_a_watch_verifications_go_on_by_whole_lists() {
    let api = Api::start().await;
    let client = api.client().await;
    let hub = hub(WatchSettings {
        shortest_wait: Duration::from_secs(600),
        longest_wait: Duration::from_secs(600),
        ..quick()
    });
    api.put(a_pod("x", "Running", running()));
    api.put(a_pod("y", "Running", running()));
    // Watching is forbidden here; listing is not.
    api.fail_next("watch=1", 403, None);
    let mut x = hub.subscribe(&client, &identity("x"));
    let mut y = hub.subscribe(&client, &identity("y"));
    verified(&mut x, is_running).await;
    verified(&mut y, is_running).await;
    assert!(x.trouble().unwrap().contains("403"), "{:?}", x.trouble());
    api.put(a_pod("x", "Succeeded", ended(0)));
    api.remove("y");
    verified(&mut x, has_ended).await;
    verified(&mut y, |seen| seen.gone).await;
}

#[tokio::test]
async fn a_server_that_cannot_begin_a_watch_with_a_list_is_asked_for_the_list() {
    let api = Api::start().await;
    api.do_not_stream_lists();
    let client = api.client().await;
    let hub = hub(quick());
    for index in 0..1100 {
        api.put(a_pod(&format!("p{index:04}"), "Running", running()));
    }
    let mut first = hub.subscribe(&client, &identity("p0000"));
    let mut last = hub.subscribe(&client, &identity("p1099"));
    until(&mut first, is_running).await;
    until(&mut last, is_running).await;
    api.put(a_pod("p1099", "Succeeded", ended(0)));
    until(&mut last, has_ended).await;
    assert_eq!(api.requests("limit=500").len(), 3);
}

#[tokio::test]
async fn a_pod_that_is_created_after_the_watch_stands_is_seen() {
    let api = Api::start().await;
    let client = api.client().await;
    let hub = hub(quick());
    api.put(a_pod("x", "Running", running()));
    let mut x = hub.subscribe(&client, &identity("x"));
    until(&mut x, is_running).await;
    api.put(a_pod(
        "y",
        "Pending",
        json!({"waiting": {"reason": "ContainerCreating"}}),
    ));
    let mut y = hub.subscribe(&client, &identity("y"));
    until(&mut y, |seen| !seen.gone).await;
    assert!(y.latest().is_some_and(|seen| !seen.gone));
}

#[tokio::test]
async fn what_a_waiter_sees_never_goes_back() {
    let api = Api::start().await;
    let client = api.client().await;
    let hub = hub(quick());
    api.put(a_pod("x", "Running", running()));
    let mut x = hub.subscribe(&client, &identity("x"));
    let mut last = 0;
    for round in 0..30 {
        api.put(a_pod("x", "Running", running()));
        if round % 7 == 3 {
            api.break_watches();
        }
        x.verify();
        let seen = tokio::time::timeout(PATIENCE, x.changed())
            .await
            .expect("nothing comes");
        let version: u64 = seen.resource_version.parse().unwrap();
        assert!(version > last, "{version} after {last}");
        last = version;
    }
}
