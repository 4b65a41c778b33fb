//! Large answers travel compressed for who can read them.

use std::io::Read;

use flate2::read::GzDecoder;
use http::{Request, Response};
use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, PostParams};
use kube::client::Body;
use serde_json::{Value, json};

use crate::cluster::Cluster;

async fn list(client: &kube::Client, encoding: Option<&str>) -> Response<Body> {
    let mut request = Request::get("/api/v1/namespaces/default/configmaps");
    if let Some(encoding) = encoding {
        request = request.header("accept-encoding", encoding);
    }
    let request = request.body(Body::from(Vec::new())).unwrap();
    client.send(request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_large_answers_and_only_on_request() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let header = |response: &Response<Body>| {
        let value = response.headers().get("content-encoding");
        value.map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(header(&list(&client, Some("gzip")).await), None);
    for name in ["a", "b"] {
        let map = json!({"metadata": {"name": name}, "data": {"x": "y".repeat(100_000)}});
        let map = serde_json::from_value(map).unwrap();
        maps.create(&PostParams::default(), &map).await.unwrap();
    }
    let plain = list(&client, None).await;
    assert_eq!(header(&plain), None);
    let plain = plain.into_body().collect().await.unwrap().to_bytes();
    let small = list(&client, Some("gzip")).await;
    assert_eq!(header(&small).as_deref(), Some("gzip"));
    let small = small.into_body().collect().await.unwrap().to_bytes();
    assert!(small.len() < plain.len() / 10, "{}", small.len());
    let mut text = Vec::new();
    GzDecoder::new(&small[..]).read_to_end(&mut text).unwrap();
    let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
    assert_eq!(read(&text), read(&plain));
}
