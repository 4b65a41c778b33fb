//! Server-side apply among several managers, as clients see it.

use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::cluster::{Cluster, pod};
use crate::kubectl::{run, said};

fn map(data: Value) -> Value {
    json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "m"}, "data": data})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_own_is_taken_only_by_force() {
    let cluster = Cluster::start();
    let maps: Api<ConfigMap> = Api::default_namespaced(cluster.client().await);
    let (one, two) = (PatchParams::apply("one"), PatchParams::apply("two"));
    let first = Patch::Apply(map(json!({"a": "1"})));
    let created = maps.patch("m", &one, &first).await.unwrap();
    let owners = created.metadata.managed_fields.unwrap();
    assert_eq!(owners.len(), 1);
    assert_eq!(owners[0].operation.as_deref(), Some("Apply"));
    let again = maps.patch("m", &one, &first).await.unwrap();
    assert_eq!(
        again.metadata.resource_version,
        created.metadata.resource_version
    );

    let other = Patch::Apply(map(json!({"a": "2", "b": "1"})));
    let kube::Error::Api(refused) = maps.patch("m", &two, &other).await.unwrap_err() else {
        panic!("not an answer of the API");
    };
    assert_eq!((refused.code, refused.reason.as_str()), (409, "Conflict"));
    let causes = &refused.details.as_ref().unwrap().causes;
    assert_eq!(causes.len(), 1);
    assert_eq!(
        (causes[0].reason.as_str(), causes[0].field.as_str()),
        ("FieldManagerConflict", ".data.a")
    );
    let forced = maps.patch("m", &two.clone().force(), &other).await.unwrap();
    assert_eq!(forced.data.unwrap()["a"], "2");

    // A plain change takes the field too.
    let edit = Patch::Merge(json!({"data": {"b": "edited"}}));
    let editor = PatchParams {
        field_manager: Some("editor".to_owned()),
        ..PatchParams::default()
    };
    maps.patch("m", &editor, &edit).await.unwrap();
    let refused = maps.patch("m", &two, &other).await.unwrap_err();
    assert!(refused.to_string().contains("\"editor\""), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_was_created_otherwise_is_applied_and_relabelled() {
    let cluster = Cluster::start();
    let pods: Api<Pod> = Api::default_namespaced(cluster.client().await);
    let created = pods
        .create(&PostParams::default(), &pod("a", "sleep 1000"))
        .await
        .unwrap();
    assert_eq!(created.metadata.managed_fields, None);
    let labels = |labels: Value| {
        Patch::Apply(json!({
            "kind": "Pod", "apiVersion": "v1",
            "metadata": {"name": "a", "labels": labels},
        }))
    };
    let params = PatchParams::apply("labeller");
    let labelled = pods
        .patch("a", &params, &labels(json!({"x": "1", "y": "1"})))
        .await
        .unwrap();
    assert_eq!(labelled.metadata.labels.unwrap()["y"], "1");
    let fewer = pods
        .patch("a", &params, &labels(json!({"x": "2"})))
        .await
        .unwrap();
    let fewer = serde_json::to_value(fewer.metadata.labels).unwrap();
    assert_eq!(fewer, json!({"x": "2"}));
}

#[test]
fn kubectl_applies_on_the_server_side_and_explains() {
    let cluster = Cluster::start();
    let write = |text: &str| {
        let path = cluster.dir.path().join("map.yaml");
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let file = write("kind: ConfigMap\napiVersion: v1\nmetadata: {name: m}\ndata: {a: '1'}\n");
    let apply = ["apply", "--server-side", "-f", &file];
    assert_eq!(said(&cluster, &apply), "configmap/m serverside-applied\n");
    said(
        &cluster,
        &["patch", "configmap", "m", "-p", r#"{"data": {"a": "2"}}"#],
    );
    let output = run(&cluster, &apply);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    for part in [
        "conflict with \"kubectl-patch\"",
        ".data.a",
        "--force-conflicts",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    let force = ["apply", "--server-side", "--force-conflicts", "-f", &file];
    said(&cluster, &force);
    let data = ["get", "configmap", "m", "-o", "jsonpath={.data.a}"];
    assert_eq!(said(&cluster, &data), "1");

    // From the client's own way of applying to the server's.
    let file = write("kind: ConfigMap\napiVersion: v1\nmetadata: {name: other}\ndata: {a: '1'}\n");
    said(&cluster, &["apply", "-f", &file]);
    let file = write("kind: ConfigMap\napiVersion: v1\nmetadata: {name: other}\ndata: {a: '2'}\n");
    said(&cluster, &["apply", "--server-side", "-f", &file]);
    let data = ["get", "configmap", "other", "-o", "jsonpath={.data.a}"];
    assert_eq!(said(&cluster, &data), "2");

    let explained = said(&cluster, &["explain", "pod.spec.containers.image"]);
    assert!(explained.contains("FIELD: image <string>"), "{explained}");
    let explained = said(&cluster, &["explain", "lease.spec"]);
    assert!(explained.contains("holderIdentity"), "{explained}");
    let explained = said(
        &cluster,
        &["explain", "events", "--api-version=events.k8s.io/v1"],
    );
    assert!(explained.contains("regarding"), "{explained}");
}
