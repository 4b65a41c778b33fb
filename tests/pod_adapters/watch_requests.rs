//! What the shared watch costs the API server, counted in requests.

use std::time::Duration;

use adjourn::pod::watch::WatchSettings;
use adjourn::task::pods::PodIdentity;

use crate::api::Api;
use crate::stage::{a_pod, ended, identity, running};
use crate::watch::{PATIENCE, has_ended, hub, is_running, quick, until};

#[tokio::test]
async fn a_first_watch_begins_with_what_is_there_and_needs_no_list() {
    let api = Api::start().await;
    let client = api.client().await;
    let hub = hub(quick());
    for index in 0..1200 {
        api.put(a_pod(&format!("p{index}"), "Running", running()));
    }
    let mut last = hub.subscribe(&client, &identity("p1199"));
    until(&mut last, is_running).await;
    let asked = api.requests("");
    assert_eq!(asked.len(), 1, "{asked:?}");
    for part in [
        "watch=1",
        "sendInitialEvents=true",
        "allowWatchBookmarks=true",
        "labelSelector=owner%3Dus",
    ] {
        assert!(asked[0].contains(part), "{asked:?}");
    }
}

#[tokio::test]
async fn a_watch_that_breaks_goes_on_from_the_last_bookmark() {
    let api = Api::start().await;
    let client = api.client().await;
    let hub = hub(quick());
    api.put(a_pod("x", "Running", running()));
    let mut x = hub.subscribe(&client, &identity("x"));
    until(&mut x, is_running).await;
    let version = api.bookmark();
    tokio::time::timeout(PATIENCE, async {
        while hub.counts().bookmarks < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the bookmark is not heard");
    // What was before the bookmark is forgotten: without it a list would be due.
    api.compact();
    api.break_watches();
    api.put(a_pod("x", "Succeeded", ended(0)));
    until(&mut x, has_ended).await;
    let counts = hub.counts();
    assert_eq!(counts.relists, 1, "{counts:?}");
    let from = format!("resourceVersion={version}");
    assert!(
        !api.requests(&from).is_empty(),
        "{:?}",
        api.requests("watch=1")
    );
}

#[tokio::test]
async fn a_watch_that_is_lost_is_listed_again_by_pages_once_for_all_waiters() {
    let api = Api::start().await;
    api.do_not_stream_lists();
    let client = api.client().await;
    let hub = hub(quick());
    let names: Vec<String> = (0..1100).map(|index| format!("p{index:04}")).collect();
    for name in &names {
        api.put(a_pod(name, "Running", running()));
    }
    let mut waiters: Vec<_> = names
        .iter()
        .map(|name| hub.subscribe(&client, &identity(name)))
        .collect();
    for waiter in &mut waiters {
        until(waiter, is_running).await;
    }
    assert_eq!(api.requests("limit=500").len(), 3);
    api.mute(true);
    api.put(a_pod("p1099", "Succeeded", ended(0)));
    api.remove("p0000");
    api.compact();
    api.break_watches();
    api.mute(false);
    until(waiters.last_mut().unwrap(), has_ended).await;
    until(&mut waiters[0], |seen| seen.gone).await;
    assert_eq!(api.requests("limit=500").len(), 6);
    assert_eq!(hub.counts().relists, 2);
}

#[tokio::test]
async fn other_credentials_and_other_namespaces_have_a_watch_each_that_ends_with_its_last_task() {
    let api = Api::start().await;
    let (mine, theirs) = (api.client().await, api.client().await);
    let hub = hub(WatchSettings {
        linger: Duration::from_millis(50),
        ..quick()
    });
    api.put(a_pod("x", "Running", running()));
    let elsewhere = PodIdentity {
        namespace: "more".into(),
        ..identity("x")
    };
    let mut waiters = vec![
        hub.subscribe(&mine, &identity("x")),
        hub.subscribe(&mine, &identity("x")),
        hub.subscribe(&theirs, &identity("x")),
        hub.subscribe(&mine, &elsewhere),
    ];
    for waiter in &mut waiters {
        until(waiter, is_running).await;
    }
    assert_eq!((hub.watches(), api.requests("watch=1").len()), (3, 3));
    waiters.truncate(2);
    tokio::time::timeout(PATIENCE, async {
        while hub.watches() > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("watches without a task go on");
    // The one that is left still tells.
    api.put(a_pod("x", "Succeeded", ended(0)));
    until(&mut waiters[0], has_ended).await;
    assert_eq!(hub.watches(), 1);
}

#[tokio::test]
async fn a_server_that_asks_to_be_left_alone_is_not_asked_to_verify() {
    let api = Api::start().await;
    let client = api.client().await;
    let hub = hub(WatchSettings {
        verify_every: Duration::from_millis(5),
        ..quick()
    });
    api.put(a_pod("x", "Running", running()));
    let mut x = hub.subscribe(&client, &identity("x"));
    until(&mut x, is_running).await;
    api.fail_next("fieldSelector", 429, Some(3600));
    // The watch goes on telling meanwhile, and each thing that it tells is a chance to ask again.
    for _ in 0..200 {
        x.verify();
        api.put(a_pod("x", "Running", running()));
        tokio::time::timeout(PATIENCE, x.changed()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(api.requests("fieldSelector").len(), 1);
    assert_eq!(hub.counts().errors, 1);
}
