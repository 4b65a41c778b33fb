//! Events in the two forms that the API has for them.

use k8s_openapi::api::core::v1::Event as CoreEvent;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use serde_json::json;

use crate::cluster::Cluster;

#[tokio::test(flavor = "multi_thread")]
async fn one_event_is_shown_in_the_form_of_the_group_that_was_asked_for() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let written: CoreEvent = serde_json::from_value(json!({
        "metadata": {"name": "e", "namespace": "default"},
        "involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"},
        "reason": "Told",
        "message": "what was told",
        "type": "Normal",
    }))
    .unwrap();
    let core: Api<CoreEvent> = Api::default_namespaced(client.clone());
    core.create(&Default::default(), &written).await.unwrap();

    let grouped: Api<Event> = Api::default_namespaced(client);
    let event = grouped.get("e").await.unwrap();
    assert_eq!(event.note.as_deref(), Some("what was told"));
    assert_eq!(event.regarding.clone().unwrap().name.as_deref(), Some("p"));
    assert_eq!(
        event,
        grouped.list(&Default::default()).await.unwrap().items[0]
    );
    let refused = grouped.replace("e", &Default::default(), &event).await;
    assert!(
        matches!(&refused, Err(kube::Error::Api(status)) if status.code == 405),
        "{refused:?}"
    );
}
