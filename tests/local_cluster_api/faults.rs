//! Faults that are ordered, as clients see them.

use std::time::Duration;

use adjourn::local_cluster::process::StartOptions;
use futures::TryStreamExt;
use http::Request;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, ListParams, PostParams, WatchEvent, WatchParams};
use kube::client::Body;
use serde_json::{Value, json};

use crate::cluster::{Cluster, PATIENCE, options};

/// The options of a cluster that takes orders to fail.
pub fn allowed() -> StartOptions {
    let mut options = options();
    options.settings.faults = true;
    options
}

pub async fn cluster() -> (Cluster, kube::Client) {
    let cluster = Cluster::start_with(&allowed());
    let mut config = cluster.config().await;
    // A fault is to be seen, not to be tried again.
    config.default_retry = false;
    let client = kube::Client::try_from(config).unwrap();
    (cluster, client)
}

pub async fn order(client: &kube::Client, orders: Value) -> u16 {
    order_with("PUT", client, orders).await
}

/// PUT sets all orders, POST adds some, DELETE ends them all.
pub async fn order_with(method: &str, client: &kube::Client, orders: Value) -> u16 {
    let request = Request::builder()
        .method(method)
        .uri("/__adjourn/faults")
        .body(Body::from(orders.to_string().into_bytes()))
        .unwrap();
    client.send(request).await.unwrap().status().as_u16()
}

fn map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}})).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_setting_there_are_no_faults() {
    let cluster = Cluster::start();
    assert_eq!(order(&cluster.client().await, json!({})).await, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_refused_as_often_as_ordered() {
    let (_cluster, client) = cluster().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    for code in [401, 429, 500, 503] {
        let rule = json!({"verbs": ["list"], "times": 1, "fault": {"status": code}});
        assert_eq!(order(&client, json!({"rules": [rule]})).await, 200);
        let kube::Error::Api(refused) = maps.list(&ListParams::default()).await.unwrap_err() else {
            panic!("not an answer of the API");
        };
        assert_eq!(refused.code, code);
        maps.list(&ListParams::default()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_says_how_long_to_wait_as_ordered() {
    let (_cluster, client) = cluster().await;
    for (told, header) in [
        (json!(429), Some("1")),
        (json!(503), None),
        (json!({"code": 429, "retry_after": 30}), Some("30")),
        (json!({"code": 429}), None),
    ] {
        let rule = json!({"verbs": ["list"], "fault": {"status": told}});
        assert_eq!(order(&client, json!({"rules": [rule]})).await, 200);
        let request = Request::get("/api/v1/pods").body(Body::from(Vec::new()));
        let response = client.send(request.unwrap()).await.unwrap();
        let found = response.headers().get("retry-after");
        let found = found.map(|value| value.to_str().unwrap());
        assert_eq!(found, header, "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_to_work_that_was_done_and_a_cut_to_work_that_was_not() {
    let (_cluster, client) = cluster().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    for (name, fault, done) in [("a", "lose_answer", true), ("b", "cut", false)] {
        let rule = json!({"verbs": ["create"], "times": 1, "fault": fault});
        assert_eq!(order(&client, json!({"rules": [rule]})).await, 200);
        let lost = maps.create(&PostParams::default(), &map(name)).await;
        assert!(
            !matches!(lost, Ok(_) | Err(kube::Error::Api(_))),
            "{lost:?}"
        );
        assert_eq!(maps.get_opt(name).await.unwrap().is_some(), done, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn open_watches_fall_silent_expire_and_are_cut() {
    let (_cluster, client) = cluster().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let version = maps
        .list(&ListParams::default())
        .await
        .unwrap()
        .metadata
        .resource_version
        .unwrap();
    let params = WatchParams::default().timeout(60);
    let mut watched = Box::pin(maps.watch(&params, &version).await.unwrap());

    assert_eq!(order(&client, json!({"silent_watches": true})).await, 200);
    maps.create(&PostParams::default(), &map("a"))
        .await
        .unwrap();
    let silence = tokio::time::timeout(Duration::from_millis(300), watched.try_next()).await;
    assert!(silence.is_err(), "{silence:?}");
    assert_eq!(order(&client, json!({})).await, 200);
    let heard = tokio::time::timeout(PATIENCE, watched.try_next()).await;
    assert!(matches!(heard, Ok(Ok(Some(WatchEvent::Added(_))))));

    assert_eq!(order(&client, json!({"expire_watches": true})).await, 200);
    let Ok(Ok(Some(WatchEvent::Error(expired)))) =
        tokio::time::timeout(PATIENCE, watched.try_next()).await
    else {
        panic!("the watch goes on");
    };
    assert_eq!((expired.code, expired.reason.as_str()), (410, "Expired"));

    let mut watched = Box::pin(maps.watch(&params, "0").await.unwrap());
    watched.try_next().await.unwrap();
    assert_eq!(order(&client, json!({"cut_watches": true})).await, 200);
    let cut = tokio::time::timeout(PATIENCE, async {
        while let Ok(Some(_)) = watched.try_next().await {}
    });
    cut.await.unwrap();

    assert_eq!(order(&client, json!({"forget_history": true})).await, 200);
    maps.delete("a", &DeleteParams::default()).await.unwrap();
    let mut watched = Box::pin(maps.watch(&params, &version).await.unwrap());
    let Ok(Some(WatchEvent::Error(expired))) = watched.try_next().await else {
        panic!("the version is not too old");
    };
    assert_eq!(expired.code, 410);
}
