//! The node puts a log aside that has grown too large, as recorded.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;
use serde_json::json;

use crate::cluster::{Cluster, PATIENCE, phase, until};
use crate::logs::{LARGE, create, exchanges, get, is_body};

#[tokio::test(flavor = "multi_thread")]
async fn a_large_log_is_rotated_by_the_node_as_recorded() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let api: Api<Pod> = Api::default_namespaced(client.clone());
    let all = exchanges();
    let large: Vec<_> = all
        .iter()
        .filter(|one| one.script.contains(LARGE))
        .collect();
    let [over_time, tail, since] = large[..] else {
        panic!("{} recorded requests", large.len());
    };
    create(&api, "large", &over_time.script).await;
    until(&api, "large", |pod| phase(pod) == "Running").await;
    let follow = json!({"follow": "true"});
    let asking = async {
        let mut lengths = Vec::new();
        loop {
            let (code, _, body) = get(&client, "large", &over_time.query).await;
            let body = body.unwrap();
            assert_eq!(code, 200);
            if lengths.last() != Some(&body.len()) {
                lengths.push(body.len());
            }
            if body == b"after-rotation\n" {
                return lengths;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let both = async { tokio::join!(get(&client, "large", &follow), asking) };
    let (followed, lengths) = tokio::time::timeout(PATIENCE, both).await.unwrap();
    let stages = over_time.response["over_time"].as_array().unwrap();
    let wanted: Vec<u64> = stages
        .iter()
        .map(|stage| stage["length"].as_u64().unwrap())
        .collect();
    // It is looked at while it grows, too.
    let last: Vec<u64> = lengths
        .iter()
        .rev()
        .take(3)
        .rev()
        .map(|&one| one as u64)
        .collect();
    assert_eq!(last, wanted, "{lengths:?}");
    let followed = followed.2.unwrap();
    assert_eq!(followed.len(), 13_000_028);
    assert!(followed.starts_with(b"first\n") && followed.ends_with(b"marker\nafter-rotation\n"));
    for exchange in [tail, since] {
        let (code, kind, body) = get(&client, "large", &exchange.query).await;
        assert_eq!((code, kind.as_deref()), (200, Some("text/plain")));
        assert!(is_body(&body.unwrap(), exchange), "{}", exchange.about);
    }
}
