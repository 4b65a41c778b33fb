use serde_json::{Value, json};

use super::*;
use crate::local_cluster::objects::{EventKind, ObjectEvent};

fn map(name: &str, value: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "n"}, "data": {"a": value}})
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::namespaced(Resource::ConfigMap, "n", name)
}

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap()
}

fn set(objects: &Objects, name: &str, value: &str) -> Object {
    objects
        .update(&key(name), Preconditions::none(), |map| {
            map["data"]["a"] = value.into();
        })
        .unwrap()
}

async fn next(watch: &mut ObjectWatch) -> (EventKind, u64, Value) {
    let ObjectEvent {
        kind,
        object,
        version,
        ..
    } = watch.next().await.unwrap();
    (kind, version, object["data"]["a"].clone())
}

#[test]
fn a_created_object_is_filled_in_and_its_name_is_taken() {
    let objects = Objects::in_memory();
    let created = objects.create(Resource::ConfigMap, map("m", "1")).unwrap();
    assert_eq!(created["kind"], "ConfigMap");
    assert_eq!(created["apiVersion"], "v1");
    assert_eq!(version(&created), 1);
    assert_eq!(created["metadata"]["uid"].as_str().map(str::len), Some(36));
    assert!(matches!(
        objects.create(Resource::ConfigMap, map("m", "2")),
        Err(ObjectError::AlreadyExists {
            being_deleted: false,
            ..
        })
    ));
    let generated = objects
        .create(
            Resource::ConfigMap,
            json!({"metadata": {"generateName": "g-", "namespace": "n"}}),
        )
        .unwrap();
    let name = generated["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("g-") && name.len() == 7, "{name}");
}

#[test]
fn an_update_checks_what_is_expected_and_keeps_identity() {
    let objects = Objects::in_memory();
    let created = objects.create(Resource::ConfigMap, map("m", "1")).unwrap();
    let updated = objects
        .update(&key("m"), Preconditions::none(), |map| {
            map["metadata"]["uid"] = "other".into();
            map["metadata"]["name"] = "other".into();
            map["data"]["a"] = "2".into();
        })
        .unwrap();
    assert_eq!(updated["metadata"]["uid"], created["metadata"]["uid"]);
    assert_eq!(updated["metadata"]["name"], "m");
    assert_eq!(version(&updated), 2);
    let stale = Preconditions {
        uid: None,
        resource_version: Some("1".into()),
    };
    assert!(matches!(
        objects.update(&key("m"), stale, |_| {}),
        Err(ObjectError::Conflict {
            field: "resourceVersion",
            ..
        })
    ));
    assert!(matches!(
        objects.remove(&key("m"), Preconditions::uid("other")),
        Err(ObjectError::Conflict { field: "uid", .. })
    ));
}

#[tokio::test]
async fn a_watch_tells_each_change_once_and_none_for_no_change() {
    let objects = Objects::in_memory();
    objects.create(Resource::ConfigMap, map("m", "1")).unwrap();
    let mut watch = objects.watch(Resource::ConfigMap, Some(1)).unwrap();
    set(&objects, "m", "2");
    set(&objects, "m", "2");
    set(&objects, "m", "3");
    let removed = objects.remove(&key("m"), Preconditions::none()).unwrap();
    assert_eq!(version(&removed), 4);
    assert_eq!(next(&mut watch).await, (EventKind::Modified, 2, "2".into()));
    assert_eq!(next(&mut watch).await, (EventKind::Modified, 3, "3".into()));
    assert_eq!(next(&mut watch).await, (EventKind::Deleted, 4, "3".into()));
    assert_eq!(watch.version(), 4);
}

#[tokio::test]
async fn a_watch_from_the_future_waits_for_it() {
    let objects = Objects::in_memory();
    let mut watch = objects.watch(Resource::ConfigMap, Some(2)).unwrap();
    for name in ["a", "b", "c"] {
        objects
            .create(Resource::ConfigMap, map(name, name))
            .unwrap();
    }
    assert_eq!(next(&mut watch).await, (EventKind::Added, 3, "c".into()));
}

#[tokio::test]
async fn a_watch_that_is_too_slow_or_too_late_is_told_so() {
    let objects = Objects::in_memory();
    let mut slow = objects.watch(Resource::ConfigMap, None).unwrap();
    objects.create(Resource::ConfigMap, map("m", "1")).unwrap();
    objects.forget_history();
    assert!(slow.next().await.is_none());
    assert!(slow.expired());
    assert!(matches!(
        objects.watch(Resource::ConfigMap, Some(0)),
        Err(ObjectError::Expired {
            requested: 0,
            oldest: 1
        })
    ));
    assert!(objects.watch(Resource::ConfigMap, Some(1)).is_ok());
}

#[tokio::test]
async fn many_changes_reach_a_watch_complete_and_in_order() {
    let objects = Objects::in_memory();
    objects.create(Resource::ConfigMap, map("m", "0")).unwrap();
    let mut watch = objects.watch(Resource::ConfigMap, None).unwrap();
    let writer = {
        let objects = objects.clone();
        tokio::task::spawn_blocking(move || {
            for value in 1..=2000 {
                set(&objects, "m", &value.to_string());
            }
        })
    };
    for value in 1..=2000_u64 {
        assert_eq!(
            next(&mut watch).await,
            (EventKind::Modified, value + 1, value.to_string().into())
        );
    }
    writer.await.unwrap();
}

#[test]
fn finalizers_keep_an_object_until_the_last_is_taken_away() {
    let objects = Objects::in_memory();
    let mut object = map("m", "1");
    object["metadata"]["finalizers"] = json!(["x/y"]);
    objects.create(Resource::ConfigMap, object).unwrap();
    let kept = objects.remove(&key("m"), Preconditions::none()).unwrap();
    assert!(kept["metadata"]["deletionTimestamp"].is_string());
    assert!(objects.get(&key("m")).is_some());
    assert!(matches!(
        objects.create(Resource::ConfigMap, map("m", "2")),
        Err(ObjectError::AlreadyExists {
            being_deleted: true,
            ..
        })
    ));
    objects
        .update(&key("m"), Preconditions::none(), |map| {
            map["metadata"]["finalizers"] = json!([]);
        })
        .unwrap();
    assert!(objects.get(&key("m")).is_none());
}

#[test]
fn an_earlier_state_can_be_listed() {
    let objects = Objects::in_memory();
    objects.create(Resource::ConfigMap, map("a", "1")).unwrap();
    objects.create(Resource::ConfigMap, map("b", "1")).unwrap();
    set(&objects, "a", "2");
    objects.remove(&key("b"), Preconditions::none()).unwrap();
    objects.create(Resource::ConfigMap, map("c", "1")).unwrap();
    let at = |version| -> Vec<String> {
        objects
            .list_at(Resource::ConfigMap, Some("n"), Some(version), None)
            .unwrap()
            .0
            .iter()
            .map(|map| format!("{}{}", map["metadata"]["name"], map["data"]["a"]))
            .map(|text| text.replace('"', ""))
            .collect()
    };
    assert_eq!(at(2), ["a1", "b1"]);
    assert_eq!(at(3), ["a2", "b1"]);
    assert_eq!(at(4), ["a2"]);
    assert_eq!(at(5), ["a2", "c1"]);
}

#[tokio::test]
async fn objects_and_their_history_survive() {
    let dir = tempfile::tempdir().unwrap();
    let objects = Objects::open(dir.path()).unwrap();
    objects.create(Resource::ConfigMap, map("a", "1")).unwrap();
    objects.create(Resource::ConfigMap, map("b", "1")).unwrap();
    set(&objects, "a", "2");
    objects.remove(&key("b"), Preconditions::none()).unwrap();
    let before = objects.list(Resource::ConfigMap, None);
    drop(objects);

    let objects = Objects::open(dir.path()).unwrap();
    assert_eq!(objects.list(Resource::ConfigMap, None), before);
    assert_eq!(objects.version(), 4);
    let mut watch = objects.watch(Resource::ConfigMap, Some(2)).unwrap();
    assert_eq!(next(&mut watch).await, (EventKind::Modified, 3, "2".into()));
    assert_eq!(next(&mut watch).await, (EventKind::Deleted, 4, "1".into()));
}

#[test]
fn half_a_record_at_the_end_was_never_answered() {
    use std::io::Write;
    let dir = tempfile::tempdir().unwrap();
    let objects = Objects::open(dir.path()).unwrap();
    objects.create(Resource::ConfigMap, map("a", "1")).unwrap();
    drop(objects);
    let mut journal = std::fs::OpenOptions::new()
        .append(true)
        .open(dir.path().join("objects.journal"))
        .unwrap();
    journal
        .write_all(br#"{"v":2,"r":"configmaps","put":{"metadata":{"na"#)
        .unwrap();
    let objects = Objects::open(dir.path()).unwrap();
    assert_eq!(objects.version(), 1);
    set(&objects, "a", "2");
    drop(objects);
    let objects = Objects::open(dir.path()).unwrap();
    let found = objects.get(&key("a")).unwrap();
    assert_eq!((version(&found), &found["data"]["a"]), (2, &json!("2")));
}

#[test]
fn the_journal_of_the_first_format_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let journal = concat!(
        r#"{"format":1,"version":7}"#,
        "\n",
        r#"{"v":5,"r":"configmaps","put":{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a","namespace":"n","uid":"u","resourceVersion":"5"},"data":{"a":"1"}}}"#,
        "\n",
        r#"{"v":8,"r":"configmaps","del":["n","a"]}"#,
        "\n",
    );
    std::fs::write(dir.path().join("objects.journal"), journal).unwrap();
    let objects = Objects::open(dir.path()).unwrap();
    assert_eq!(objects.version(), 8);
    assert!(objects.get(&key("a")).is_none());
    // What was there at version 7 is a state, not a history.
    assert!(objects.watch(Resource::ConfigMap, Some(6)).is_err());
    assert!(objects.watch(Resource::ConfigMap, Some(7)).is_ok());
}

#[test]
fn a_rewritten_journal_holds_the_same_objects() {
    let dir = tempfile::tempdir().unwrap();
    let objects = Objects::open(dir.path()).unwrap();
    for name in ["a", "b"] {
        objects.create(Resource::ConfigMap, map(name, "1")).unwrap();
    }
    set(&objects, "b", "2");
    let before = objects.list(Resource::ConfigMap, None);
    {
        let mut state = objects.lock();
        if let Some(journal) = &mut state.journal {
            journal.compact_at(0);
        }
        state.compact_if_wanted();
    }
    set(&objects, "a", "3");
    drop(objects);
    let objects = Objects::open(dir.path()).unwrap();
    assert_eq!(objects.version(), before.1 + 1);
    assert_eq!(objects.get(&key("a")).unwrap()["data"]["a"], "3");
    assert_eq!(objects.get(&key("b")).unwrap(), before.0[1]);
}

#[test]
fn a_list_goes_on_after_a_key_now_and_earlier() {
    let objects = Objects::in_memory();
    for name in ["a", "b", "d"] {
        objects.create(Resource::ConfigMap, map(name, "1")).unwrap();
    }
    objects.create(Resource::ConfigMap, map("c", "1")).unwrap();
    objects.remove(&key("b"), Preconditions::none()).unwrap();
    let after_a = |version| -> Vec<String> {
        let listed = objects.list_at(Resource::ConfigMap, None, version, Some(&key("a")));
        let names = listed.unwrap().0;
        names
            .iter()
            .map(|map| map.key(Resource::ConfigMap).unwrap().name)
            .collect()
    };
    assert_eq!(after_a(None), ["c", "d"]);
    assert_eq!(after_a(Some(3)), ["b", "d"]);
    assert_eq!(after_a(Some(4)), ["b", "c", "d"]);
}

#[test]
fn the_same_content_in_another_order_is_no_change() {
    let objects = Objects::in_memory();
    let mut object = map("m", "1");
    object["data"] = json!({"a": "1", "b": "2"});
    objects.create(Resource::ConfigMap, object).unwrap();
    let turned = objects
        .update(&key("m"), Preconditions::none(), |map| {
            map["data"] = json!({"b": "2", "a": "1"});
        })
        .unwrap();
    assert_eq!((version(&turned), objects.version()), (1, 1));
    let changed = objects
        .update(&key("m"), Preconditions::none(), |map| {
            map["data"] = json!({"b": "1", "a": "2"});
        })
        .unwrap();
    assert_eq!(version(&changed), 2);
}

#[test]
fn whoever_saw_an_older_version_changes_the_current_one() {
    let objects = Objects::in_memory();
    let seen = objects.create(Resource::ConfigMap, map("m", "1")).unwrap();
    set(&objects, "m", "2");
    let changed = objects
        .update_seen(&key("m"), seen, Preconditions::none(), |map| {
            map["data"]["b"] = "3".into();
        })
        .unwrap();
    assert_eq!(changed["data"], json!({"a": "2", "b": "3"}));
    assert_eq!(objects.get(&key("m")).unwrap(), changed);
}
