//! How much is asked of one cluster at once.

use std::collections::BTreeMap;
use std::pin::pin;

use adjourn::pod::client::{ClusterClient, ConnectionSettings, Connections};
use adjourn::pod::lifecycle;
use adjourn::pod::logs::{LogFollower, LogLimits, LogOpening, LogRequest, open};
use adjourn::task::log::LogCursor;
use adjourn::task::pods::{ConnectionOverrides, ConnectionRef};
use tokio::task::JoinSet;

use crate::api::{Api, Log};
use crate::stage::{a_pod, identity, running};
use crate::watch::PATIENCE;

/// Clients of two connections that lead to the same server.
async fn two_clients(api: &Api, bounds: ConnectionSettings) -> [ClusterClient; 2] {
    let settings = ConnectionSettings {
        kube_config_path: api.settings().kube_config_path,
        ..bounds
    };
    let connections = Connections::new(BTreeMap::from([
        ("one".to_owned(), settings.clone()),
        ("two".to_owned(), settings),
    ]));
    let client = |name: &str| ConnectionRef {
        name: name.to_owned(),
        overrides: ConnectionOverrides::default(),
    };
    let one = connections.client(&client("one")).await.unwrap();
    let two = connections.client(&client("two")).await.unwrap();
    assert_ne!(one.id(), two.id());
    [one, two]
}

async fn until_asked(api: &Api, what: &str, times: usize) {
    let asked = async {
        loop {
            // Listens before it looks, so that no request comes between.
            let mut next = pin!(api.asked.notified());
            next.as_mut().enable();
            if api.requests(what).len() >= times {
                return;
            }
            next.await;
        }
    };
    tokio::time::timeout(PATIENCE, asked)
        .await
        .unwrap_or_else(|_| panic!("asked {} times", api.requests(what).len()));
}

/// Everything that is ready to run has run, and its requests have arrived: requests on connections
/// of their own come and go meanwhile.
async fn everything_has_come(api: &Api) {
    for _ in 0..20 {
        api.client().await.ping().await.unwrap();
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn all_clients_of_a_server_share_one_bound_on_requests_under_way() {
    let api = Api::start().await;
    for index in 0..30 {
        api.put(a_pod(&format!("p{index}"), "Running", running()));
    }
    let clients = two_clients(
        &api,
        ConnectionSettings {
            requests_at_once: Some(3),
            ..ConnectionSettings::default()
        },
    )
    .await;
    api.hold("/pods/p");
    let mut asked = JoinSet::new();
    for index in 0..30 {
        let client = clients[index % 2].clone();
        asked.spawn(async move {
            let found = lifecycle::get(&client, "jobs", &format!("p{index}")).await;
            found.unwrap().unwrap()
        });
    }
    until_asked(&api, "/pods/p", 3).await;
    everything_has_come(&api).await;
    assert_eq!(api.requests("/pods/p").len(), 3);
    api.let_go();
    assert_eq!(asked.join_all().await.len(), 30);
    assert_eq!(api.requests("/pods/p").len(), 30);
}

fn request(name: &str) -> LogRequest {
    LogRequest {
        pod: identity(name),
        container: "base".into(),
        container_id: format!("containerd://{name}"),
        cursor: LogCursor::default(),
        ended: false,
        previous: false,
        check_identity: false,
        limits: LogLimits::default(),
    }
}

#[tokio::test]
async fn so_many_logs_are_read_at_once_and_no_more_and_followed_ones_do_not_count() {
    let api = Api::start().await;
    let bytes = b"2026-11-24T08:53:25.000000001Z hello\n".to_vec();
    for index in 0..5 {
        let name = format!("p{index}");
        api.put(a_pod(&name, "Running", running()));
        let log = Log {
            bytes: bytes.clone(),
            hang: index == 4,
            ..Log::default()
        };
        api.set_log(&name, "base", log);
    }
    let [one, two] = two_clients(
        &api,
        ConnectionSettings {
            log_reads_at_once: Some(2),
            ..ConnectionSettings::default()
        },
    )
    .await;
    // A reader reads until it is dropped, or at its end.
    let first = open(&one, &request("p0")).await.unwrap();
    let second = open(&two, &request("p1")).await.unwrap();
    assert!(matches!(first, LogOpening::Reading(_)));
    assert!(matches!(second, LogOpening::Reading(_)));
    let mut follower = LogFollower::new(one.clone(), request("p4"));
    follower.next().await.unwrap();
    let mut waiting = JoinSet::new();
    for index in 2..4 {
        let client = one.clone();
        waiting.spawn(async move { open(&client, &request(&format!("p{index}"))).await.unwrap() });
    }
    everything_has_come(&api).await;
    assert_eq!(api.requests("/log?").len(), 3, "two, and the followed one");
    drop(first);
    until_asked(&api, "/log?", 4).await;
    everything_has_come(&api).await;
    assert_eq!(api.requests("/log?").len(), 4);
    drop(second);
    assert_eq!(waiting.join_all().await.len(), 2);
}
