//! What the server tells about its own work.

use http::Request;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams};

use crate::cluster::Cluster;

#[tokio::test(flavor = "multi_thread")]
async fn requests_about_objects_are_counted_by_what_they_asked_and_were_answered() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    for _ in 0..3 {
        maps.list(&ListParams::default()).await.unwrap();
    }
    maps.get("absent").await.unwrap_err();
    let asked = || Request::get("/metrics").body(Vec::new()).unwrap();
    let told = client.request_text(asked()).await.unwrap();
    for line in [
        "apiserver_request_total{code=\"200\",resource=\"configmaps\",subresource=\"\",verb=\"LIST\"} 3",
        "apiserver_request_total{code=\"404\",resource=\"configmaps\",subresource=\"\",verb=\"GET\"} 1",
    ] {
        assert!(told.lines().any(|told| told == line), "{line} in {told}");
    }
    let again = client.request_text(asked()).await.unwrap();
    assert_eq!(again, told, "asking for the counts is not counted");
}
