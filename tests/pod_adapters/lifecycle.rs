//! Connecting, creating, finding, stopping, deleting.

use std::collections::BTreeMap;

use adjourn::pod::client::{
    ApiError, Clients, ClusterClient, ConnectionOverrides, ConnectionSettings,
};
use adjourn::pod::lifecycle::{
    Creation, Deletion, Stopping, create, delete, events_of, find_by_labels, get, get_same,
    patch_labels, stop,
};
use adjourn::pod::observe::PodPhase;
use adjourn::task::pods::PodIdentity;
use serde_json::json;

use crate::api::Api;
use crate::stage::{a_pod, ended, identity, running};

fn a_body(name: &str) -> serde_json::Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"owner": "us"}},
        "spec": {"containers": [{"name": "base", "image": "busybox"}], "newField": 7},
    })
}

/// Another pod that has taken the name.
fn another(name: &str) -> PodIdentity {
    PodIdentity {
        uid: "another-uid".into(),
        ..identity(name)
    }
}

#[tokio::test]
async fn one_connection_has_one_client() {
    let api = Api::start().await;
    let clients = Clients::new();
    let settings = api.settings();
    let plain = ConnectionOverrides::default();
    let one = clients.get("a", &settings, &plain).await.unwrap();
    let same = clients.get("a", &settings, &plain).await.unwrap();
    assert_eq!(one.id(), same.id());
    assert_eq!(one.ping().await.unwrap(), "v1.36.2");
    let context = ConnectionOverrides {
        cluster_context: Some("test".into()),
        ..ConnectionOverrides::default()
    };
    let other = clients.get("a", &settings, &context).await.unwrap();
    assert_ne!(one.id(), other.id());
    let changed = ConnectionSettings {
        namespace: Some("elsewhere".into()),
        ..settings
    };
    let reloaded = clients.get("a", &changed, &plain).await.unwrap();
    assert_eq!(reloaded.default_namespace(), "elsewhere");
}

#[tokio::test]
async fn a_pod_is_created_once_and_found_by_name_uid_and_labels() {
    let api = Api::start().await;
    let client = api.client().await;
    let Creation::Created(pod) = create(&client, "jobs", "x", &a_body("x")).await.unwrap() else {
        panic!("not created");
    };
    assert_eq!(pod.metadata.uid.as_deref(), Some("uid-of-x"));
    assert!(matches!(
        create(&client, "jobs", "x", &a_body("x")).await.unwrap(),
        Creation::AlreadyExists
    ));
    assert!(get(&client, "jobs", "x").await.unwrap().is_some());
    assert!(get(&client, "jobs", "y").await.unwrap().is_none());
    assert!(get_same(&client, &identity("x")).await.unwrap().is_some());
    assert!(get_same(&client, &another("x")).await.unwrap().is_none());
    assert_eq!(
        find_by_labels(&client, "jobs", "owner=us")
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        find_by_labels(&client, "jobs", "owner=them")
            .await
            .unwrap()
            .len(),
        0
    );
    let error = create(&client, "missing", "x", &a_body("x"))
        .await
        .unwrap_err();
    assert!(
        error.is_namespace_missing() && !error.is_not_found(),
        "{error}"
    );
}

#[tokio::test]
async fn a_long_list_is_read_page_by_page() {
    let api = Api::start().await;
    for index in 0..1203 {
        api.put(a_pod(&format!("p{index:04}"), "Running", running()));
    }
    let client = api.client().await;
    let pods = find_by_labels(&client, "jobs", "owner=us").await.unwrap();
    assert_eq!(pods.len(), 1203);
    assert_eq!(api.requests("limit=500").len(), 3);
    // The snapshot that the pages belong to expires under the walk: it begins again.
    api.fail_next("continue=500", 410, None);
    let pods = find_by_labels(&client, "jobs", "owner=us").await.unwrap();
    assert_eq!(pods.len(), 1203);
}

#[tokio::test]
async fn only_the_pod_of_that_uid_is_deleted() {
    let api = Api::start().await;
    let client = api.client().await;
    api.put(a_pod("x", "Running", running()));
    assert!(matches!(
        delete(&client, &another("x"), None).await.unwrap(),
        Deletion::AlreadyGone
    ));
    assert!(get(&client, "jobs", "x").await.unwrap().is_some());
    assert!(matches!(
        delete(&client, &identity("x"), Some(0)).await.unwrap(),
        Deletion::Requested(_)
    ));
    assert!(matches!(
        delete(&client, &identity("x"), None).await.unwrap(),
        Deletion::AlreadyGone
    ));
}

#[tokio::test]
async fn a_pod_is_stopped_by_its_deadline_and_kept() {
    let api = Api::start().await;
    let client = api.client().await;
    api.put(a_pod("x", "Running", running()));
    let Stopping::Requested(seen) = stop(&client, &identity("x")).await.unwrap() else {
        panic!("not stopped");
    };
    assert_eq!(seen.active_deadline_seconds, Some(1));
    assert!(matches!(
        stop(&client, &identity("x")).await.unwrap(),
        Stopping::AlreadyEnding(_)
    ));
    assert!(matches!(
        stop(&client, &another("x")).await.unwrap(),
        Stopping::AlreadyGone
    ));

    // One container has ended by itself six seconds after the start, the other runs on: the
    // deadline comes after the first, so that nobody takes its end for the deadline's doing.
    let mut pod = a_pod("y", "Running", ended(0));
    pod["status"]["containerStatuses"]
        .as_array_mut()
        .unwrap()
        .push(json!({
            "name": "side", "image": "busybox", "imageID": "", "ready": true, "restartCount": 0,
            "state": running(),
        }));
    api.put(pod);
    let Stopping::Requested(seen) = stop(&client, &identity("y")).await.unwrap() else {
        panic!("not stopped");
    };
    assert_eq!(seen.active_deadline_seconds, Some(7));

    let mut pod = a_pod("z", "Pending", json!({}));
    pod["spec"]["nodeName"] = serde_json::Value::Null;
    pod["status"] = json!({"phase": "Pending"});
    api.put(pod);
    assert!(matches!(
        stop(&client, &identity("z")).await.unwrap(),
        Stopping::NotScheduled(_)
    ));
    api.put(a_pod("done", "Succeeded", ended(0)));
    let Stopping::AlreadyEnding(seen) = stop(&client, &identity("done")).await.unwrap() else {
        panic!("not ended");
    };
    assert_eq!(seen.phase, PodPhase::Succeeded);
}

#[tokio::test]
async fn only_the_pod_of_that_uid_is_labelled() {
    let api = Api::start().await;
    let client = api.client().await;
    api.put(a_pod("x", "Running", running()));
    let labels = BTreeMap::from([
        ("already_checked".to_owned(), Some("True".to_owned())),
        ("owner".to_owned(), None),
    ]);
    assert!(
        patch_labels(&client, &identity("x"), &labels)
            .await
            .unwrap()
    );
    assert!(!patch_labels(&client, &another("x"), &labels).await.unwrap());
    assert!(
        !patch_labels(&client, &identity("absent"), &labels)
            .await
            .unwrap()
    );
    let pod = get(&client, "jobs", "x").await.unwrap().unwrap();
    let labels = pod.metadata.labels.unwrap();
    assert_eq!(
        labels.get("already_checked").map(String::as_str),
        Some("True")
    );
    assert!(!labels.contains_key("owner"));
}

#[tokio::test]
async fn remarks_are_sorted_by_whichever_time_they_have() {
    let api = Api::start().await;
    let client = api.client().await;
    let event = |reason: &str, rest: serde_json::Value| {
        let mut event = json!({
            "metadata": {"name": reason, "namespace": "jobs"}, "involvedObject": {"uid": "u"},
            "reason": reason, "message": "m", "type": "Normal",
            "firstTimestamp": null, "lastTimestamp": null, "eventTime": null,
        });
        event
            .as_object_mut()
            .unwrap()
            .extend(rest.as_object().unwrap().clone());
        event
    };
    api.add_core_event(event(
        "FailedMount",
        json!({"type": "Warning", "count": 4, "firstTimestamp": "2026-11-24T08:53:23Z",
               "lastTimestamp": "2026-11-24T08:53:25Z"}),
    ));
    api.add_core_event(event(
        "Scheduled",
        json!({"eventTime": "2026-11-24T08:53:23.213768Z"}),
    ));
    let events = events_of(&client, &identity("x")).await.unwrap();
    let seen: Vec<(&str, bool, i32)> = events
        .iter()
        .map(|event| (event.reason.as_str(), event.is_warning(), event.count))
        .collect();
    assert_eq!(seen, [("Scheduled", false, 1), ("FailedMount", true, 4)]);
    assert_eq!(api.requests("involvedObject.uid%3Duid-of-x").len(), 1);
}

#[tokio::test]
async fn what_can_pass_is_tried_again_and_the_rest_is_not() {
    let api = Api::start().await;
    let client = api.client().await;
    api.put(a_pod("x", "Running", running()));
    for code in [500, 429, 504] {
        api.fail_next("GET /api/v1/namespaces/jobs/pods/x", code, None);
    }
    assert!(get(&client, "jobs", "x").await.unwrap().is_some());
    assert_eq!(api.requests("GET").len(), 4);

    api.fail_next("pods/x", 403, None);
    let error = get(&client, "jobs", "x").await.unwrap_err();
    assert!(error.is_forbidden() && !error.retryable(), "{error}");
    assert_eq!(api.requests("GET").len(), 5);
    assert!(error.to_string().contains("get pod jobs/x"), "{error}");
}

#[tokio::test]
async fn a_long_wait_that_the_server_asks_for_is_left_to_the_caller() {
    let api = Api::start().await;
    let client = api.client().await;
    api.fail_next("pods/x", 429, Some(120));
    let error = get(&client, "jobs", "x").await.unwrap_err();
    assert!(error.retryable());
    assert_eq!(error.retry_after().unwrap().as_secs(), 120);
    assert_eq!(api.requests("GET").len(), 1);
}

#[tokio::test]
async fn a_short_wait_that_the_server_asks_for_is_kept() {
    let api = Api::start().await;
    let client = api.client().await;
    api.fail_next("pods/x", 503, Some(1));
    let began = std::time::Instant::now();
    assert!(get(&client, "jobs", "x").await.unwrap().is_none());
    assert!(began.elapsed().as_millis() >= 1000, "{:?}", began.elapsed());
}

#[tokio::test]
async fn expired_credentials_are_read_again() {
    let api = Api::start().await;
    let client = api.client().await;
    api.put(a_pod("x", "Running", running()));
    // Somebody logs in again: the kubeconfig has a new token, and the old one is refused.
    api.write_kubeconfig("second");
    api.accept_only("second");
    assert!(get(&client, "jobs", "x").await.unwrap().is_some());
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    // Accepts connections and says nothing.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let settings = ConnectionSettings {
        kube_config: Some(json!({
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "contexts": [{"name": "c", "context": {"cluster": "c"}}],
        })),
        request_timeout_seconds: Some(1),
        ..ConnectionSettings::default()
    };
    let client = ClusterClient::connect(&settings).await.unwrap();
    let error = client.ping().await.unwrap_err();
    let source = std::error::Error::source(&error)
        .unwrap()
        .downcast_ref::<Box<ApiError>>();
    assert!(
        matches!(
            source.map(|error| &**error),
            Some(ApiError::TimedOut { .. })
        ),
        "{error:?}"
    );
}
