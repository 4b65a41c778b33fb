//! The `kube` client against the local cluster.

use futures::{AsyncReadExt, TryStreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Event, Namespace, Pod};
use kube::api::{
    Api, DeleteParams, ListParams, LogParams, Patch, PatchParams, PostParams, Preconditions,
    WatchEvent, WatchParams,
};
use serde_json::json;

use crate::cluster::{Cluster, PATIENCE, phase, pod, until, until_up};

/// The reason of an API error.
fn refusal(error: kube::Error) -> (u16, String) {
    match error {
        kube::Error::Api(status) => (status.code, status.reason.clone()),
        other => panic!("not an answer of the API: {other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_runs_to_its_end_and_its_log_is_served() {
    let cluster = Cluster::start();
    let pods: Api<Pod> = Api::default_namespaced(cluster.client().await);
    pods.create(
        &PostParams::default(),
        &pod("a", "echo one; echo two >&2; exit 3"),
    )
    .await
    .unwrap();
    let ended = until(&pods, "a", |pod| phase(pod) == "Failed").await;
    let statuses = ended.status.unwrap().container_statuses.unwrap();
    let terminated = statuses[0].state.clone().unwrap().terminated.unwrap();
    assert_eq!(terminated.exit_code, 3);
    let log = pods.logs("a", &LogParams::default()).await.unwrap();
    let mut lines: Vec<&str> = log.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["one", "two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_followed_log_ends_with_its_container() {
    let cluster = Cluster::start();
    let pods: Api<Pod> = Api::default_namespaced(cluster.client().await);
    pods.create(
        &PostParams::default(),
        &pod("a", "for i in 1 2 3; do echo $i; sleep 0.3; done"),
    )
    .await
    .unwrap();
    until(&pods, "a", |pod| phase(pod) != "Pending").await;
    let follow = LogParams {
        follow: true,
        ..LogParams::default()
    };
    let mut log = String::new();
    let read = async {
        let mut stream = std::pin::pin!(pods.log_stream("a", &follow).await.unwrap());
        stream.read_to_string(&mut log).await.unwrap();
    };
    tokio::time::timeout(PATIENCE, read).await.unwrap();
    assert_eq!(log, "1\n2\n3\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_pod_gets_its_grace_and_says_how_it_ended() {
    let cluster = Cluster::start();
    let pods: Api<Pod> = Api::default_namespaced(cluster.client().await);
    let script = "trap 'exit 0' TERM; echo up; while true; do sleep 0.1; done";
    pods.create(&PostParams::default(), &pod("a", script))
        .await
        .unwrap();
    until_up(&pods, "a").await;
    let running = until(&pods, "a", |pod| phase(pod) == "Running").await;
    let version = running.metadata.resource_version.unwrap();
    let deleted = pods
        .delete("a", &DeleteParams::default())
        .await
        .unwrap()
        .left()
        .expect("the answer is the pod");
    assert_eq!(deleted.metadata.deletion_grace_period_seconds, Some(2));
    assert_eq!(deleted.metadata.generation, Some(2));
    let again = pods
        .create(&PostParams::default(), &pod("a", "true"))
        .await
        .unwrap_err();
    assert_eq!(refusal(again), (409, "AlreadyExists".into()));

    let watched = pods
        .watch(&WatchParams::default().timeout(60), &version)
        .await
        .unwrap();
    let mut watched = std::pin::pin!(watched);
    let mut phases = Vec::new();
    let mut versions = vec![version.parse::<u64>().unwrap()];
    while let Some(event) = watched.try_next().await.unwrap() {
        match event {
            WatchEvent::Modified(pod) => {
                phases.push(phase(&pod));
                versions.push(pod.metadata.resource_version.unwrap().parse().unwrap());
            }
            WatchEvent::Deleted(pod) => {
                assert_eq!(phase(&pod), "Succeeded");
                assert_eq!(pod.metadata.deletion_grace_period_seconds, Some(0));
                versions.push(pod.metadata.resource_version.unwrap().parse().unwrap());
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(phases.first().map(String::as_str), Some("Running"));
    assert_eq!(phases.last().map(String::as_str), Some("Succeeded"));
    assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
    let gone = pods.get("a").await.unwrap_err();
    assert_eq!(refusal(gone), (404, "NotFound".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_and_invalid_pods_are_told_apart() {
    let cluster = Cluster::start();
    let pods: Api<Pod> = Api::default_namespaced(cluster.client().await);
    let params = PostParams::default();
    let unschedulable: Pod = serde_json::from_value(json!({
        "metadata": {"name": "a", "labels": {"app": "x"}},
        "spec": {"nodeSelector": {"no": "where"}, "containers": [{"name": "base", "image": "i"}]},
    }))
    .unwrap();
    let created = pods.create(&params, &unschedulable).await.unwrap();
    let twice = pods.create(&params, &unschedulable).await.unwrap_err();
    assert_eq!(refusal(twice), (409, "AlreadyExists".into()));

    let mut stale = created.clone();
    stale.metadata.resource_version = Some("1".into());
    let stale = pods.replace("a", &params, &stale).await.unwrap_err();
    assert_eq!(refusal(stale), (409, "Conflict".into()));

    let other_uid = DeleteParams {
        preconditions: Some(Preconditions {
            uid: Some("00000000-0000-0000-0000-000000000000".into()),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    let other_uid = pods.delete("a", &other_uid).await.unwrap_err();
    assert_eq!(refusal(other_uid), (409, "Conflict".into()));

    let mut invalid = unschedulable.clone();
    invalid.metadata.name = Some("Bad_Name".into());
    invalid.spec.as_mut().unwrap().containers[0].image = None;
    let kube::Error::Api(invalid) = pods.create(&params, &invalid).await.unwrap_err() else {
        panic!("not an answer of the API");
    };
    assert_eq!((invalid.code, invalid.reason.as_str()), (422, "Invalid"));
    let fields: Vec<String> = invalid
        .details
        .unwrap()
        .causes
        .into_iter()
        .map(|cause| cause.field)
        .collect();
    assert_eq!(fields, ["metadata.name", "spec.containers[0].image"]);

    let patched = pods
        .patch(
            "a",
            &PatchParams::default(),
            &Patch::Merge(json!({"metadata": {"labels": {"app": "y"}}})),
        )
        .await
        .unwrap();
    assert_eq!(patched.metadata.labels.unwrap()["app"], "y");
    let unchanged = pods
        .patch(
            "a",
            &PatchParams::default(),
            &Patch::Merge(json!({"metadata": {"labels": {"app": "y"}}})),
        )
        .await
        .unwrap();
    assert_eq!(
        unchanged.metadata.resource_version,
        patched.metadata.resource_version
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_creates_and_then_changes() {
    let cluster = Cluster::start();
    let maps: Api<ConfigMap> = Api::default_namespaced(cluster.client().await);
    let params = PatchParams::apply("test");
    for value in ["1", "2"] {
        let map = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "m"},
            "data": {"a": value},
        });
        let applied = maps.patch("m", &params, &Patch::Apply(map)).await.unwrap();
        assert_eq!(applied.data.unwrap()["a"], value);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_selected_and_paged_as_a_snapshot() {
    let cluster = Cluster::start();
    let pods: Api<Pod> = Api::default_namespaced(cluster.client().await);
    let create = async |name: &str, app: &str| {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {"app": app}},
            "spec": {
                "nodeSelector": {"no": "where"},
                "containers": [{"name": "base", "image": "i"}],
            },
        }))
        .unwrap();
        pods.create(&PostParams::default(), &pod).await.unwrap();
    };
    for (name, app) in [("c", "x"), ("a", "x"), ("b", "y"), ("d", "y")] {
        create(name, app).await;
    }
    let names = async |params: ListParams| -> Vec<String> {
        let list = pods.list(&params).await.unwrap();
        list.items
            .into_iter()
            .filter_map(|pod| pod.metadata.name)
            .collect()
    };
    let labels = |text: &str| ListParams::default().labels(text);
    assert_eq!(names(ListParams::default()).await, ["a", "b", "c", "d"]);
    assert_eq!(names(labels("app=x")).await, ["a", "c"]);
    assert_eq!(names(labels("app notin (x),!tier")).await, ["b", "d"]);
    assert_eq!(
        names(labels("app=x").fields("metadata.name!=a,status.phase=Pending")).await,
        ["c"]
    );

    let first = pods.list(&ListParams::default().limit(2)).await.unwrap();
    assert_eq!(first.items.len(), 2);
    assert_eq!(first.metadata.remaining_item_count, Some(2));
    create("b2", "x").await;
    create("c2", "x").await;
    let token = first.metadata.continue_.unwrap();
    let second = pods
        .list(&ListParams::default().limit(2).continue_token(&token))
        .await
        .unwrap();
    let rest: Vec<_> = second
        .items
        .iter()
        .filter_map(|pod| pod.metadata.name.as_deref())
        .collect();
    assert_eq!(rest, ["c", "d"]);
    assert_eq!(
        second.metadata.resource_version,
        first.metadata.resource_version
    );
    assert_eq!(second.metadata.continue_, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selected_watch_sees_objects_come_and_go() {
    let cluster = Cluster::start();
    let maps: Api<ConfigMap> = Api::default_namespaced(cluster.client().await);
    let map: ConfigMap =
        serde_json::from_value(json!({"metadata": {"name": "m", "labels": {"app": "y"}}})).unwrap();
    let created = maps.create(&PostParams::default(), &map).await.unwrap();
    let watched = maps
        .watch(
            &WatchParams::default().labels("app=x").timeout(60),
            &created.metadata.resource_version.unwrap(),
        )
        .await
        .unwrap();
    for app in ["x", "y"] {
        maps.patch(
            "m",
            &PatchParams::default(),
            &Patch::Merge(json!({"metadata": {"labels": {"app": app}}})),
        )
        .await
        .unwrap();
    }
    let mut watched = std::pin::pin!(watched);
    let Some(WatchEvent::Added(added)) = watched.try_next().await.unwrap() else {
        panic!("entering the selection is an addition");
    };
    assert_eq!(added.metadata.labels.unwrap()["app"], "x");
    let Some(WatchEvent::Deleted(left)) = watched.try_next().await.unwrap() else {
        panic!("leaving the selection is a deletion");
    };
    // The last state that was selected, under the version of the change.
    assert_eq!(left.metadata.labels.unwrap()["app"], "x");
    let now = maps.get("m").await.unwrap();
    assert_eq!(
        left.metadata.resource_version,
        now.metadata.resource_version
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streaming_list_marks_its_end() {
    let cluster = Cluster::start();
    let namespaces: Api<Namespace> = Api::all(cluster.client().await);
    let watched = namespaces
        .watch(&WatchParams::default().initial_events().timeout(60), "0")
        .await
        .unwrap();
    let mut watched = std::pin::pin!(watched);
    let mut names = Vec::new();
    loop {
        match watched.try_next().await.unwrap() {
            Some(WatchEvent::Added(namespace)) => names.extend(namespace.metadata.name),
            Some(WatchEvent::Bookmark(bookmark)) => {
                assert_eq!(
                    bookmark.metadata.annotations["k8s.io/initial-events-end"],
                    "true"
                );
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        names,
        ["default", "kube-node-lease", "kube-public", "kube-system"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_namespace_takes_its_objects_along() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": "n"}})).unwrap();
    namespaces
        .create(&PostParams::default(), &namespace)
        .await
        .unwrap();
    let pods: Api<Pod> = Api::namespaced(client.clone(), "n");
    pods.create(&PostParams::default(), &pod("a", "sleep 1000"))
        .await
        .unwrap();
    until(&pods, "a", |pod| phase(pod) == "Running").await;
    let version = namespaces
        .list(&ListParams::default())
        .await
        .unwrap()
        .metadata
        .resource_version
        .unwrap();
    namespaces
        .delete("n", &DeleteParams::default())
        .await
        .unwrap();
    let watched = namespaces
        .watch(&WatchParams::default().timeout(60), &version)
        .await
        .unwrap();
    let mut watched = std::pin::pin!(watched);
    loop {
        match watched.try_next().await.unwrap() {
            Some(WatchEvent::Deleted(_)) => break,
            Some(_) => {}
            None => panic!("the namespace stays"),
        }
    }
    let events: Api<Event> = Api::namespaced(client, "n");
    assert_eq!(events.list(&ListParams::default()).await.unwrap().items, []);
    assert_eq!(pods.list(&ListParams::default()).await.unwrap().items, []);
}
