//! Several clusters at once, and credentials that expire: row 16.

use std::collections::BTreeMap;

use serde_json::json;

use crate::api::Api;
use crate::room::{Room, eventually, set};
use crate::stage::{ended, running};

#[tokio::test]
async fn tasks_on_two_clusters_have_a_watch_each_and_their_pods_where_they_belong() {
    let east = Api::start().await;
    let west = Api::start().await;
    let others = BTreeMap::from([("east".to_owned(), &east), ("west".to_owned(), &west)]);
    let room = Room::beside(others).await;
    let mut ids = Vec::new();
    for (connection, api) in [("east", &east), ("west", &west)] {
        for _ in 0..3 {
            let id = room.submit(json!({"kubernetes_conn_id": connection})).await;
            ids.push((id, room.pod(id, 1).await, api));
        }
    }
    assert_eq!((east.pods().len(), west.pods().len()), (3, 3));
    // A watch for each cluster, not for each task.
    for (_, name, api) in &ids {
        set(api, name, "Running", running());
    }
    // One cluster is out of order: the other's tasks do not notice.
    west.hold("/api");
    for (id, name, _) in &ids[..3] {
        set(&east, name, "Succeeded", ended(0));
        room.until_state(*id, "success").await;
    }
    west.let_go();
    for (_, name, api) in &ids[3..] {
        set(api, name, "Failed", ended(4));
    }
    for (id, _, _) in &ids[3..] {
        let told = room.ended(*id).await;
        assert_eq!((told.task.state, told.task.exit_code), ("failed", Some(4)));
    }
    assert_eq!((east.pods().len(), west.pods().len()), (0, 0));
    assert_eq!(room.triggers.hub().watches(), 2);
    for api in [&east, &west] {
        assert_eq!(api.requests("sendInitialEvents").len(), 1);
    }
    assert!(room.api.requests("").is_empty(), "nobody named this one");
}

/// Row 16. The server forgets the token; until a new one is there, nothing fails.
#[tokio::test]
async fn a_token_file_whose_token_expires_fails_no_task() {
    let room = Room::open().await;
    room.api.write_token_file("first");
    room.api.accept_only("first");
    let id = room.submit(json!({"logging_interval": 0.1})).await;
    let name = room.pod(id, 1).await;
    set(&room.api, &name, "Running", running());
    expires_and_comes_back(&room, |token| room.api.write_token_file(token)).await;
    set(&room.api, &name, "Succeeded", ended(0));
    let told = room.ended(id).await;
    assert_eq!(
        (told.task.state, told.task.try_number),
        ("success", 1),
        "{told:#?}"
    );
    assert!(room.api.pods().is_empty(), "deleted with the new token");
}

/// Row 16. The same with a program that is asked for the token.
#[tokio::test]
async fn a_login_program_whose_token_expires_fails_no_task() {
    let room = Room::open().await;
    room.api.write_login_program("first");
    room.api.accept_only("first");
    let id = room.submit(json!({"logging_interval": 0.1})).await;
    let name = room.pod(id, 1).await;
    set(&room.api, &name, "Running", running());
    expires_and_comes_back(&room, |token| room.api.write_login_program(token)).await;
    set(&room.api, &name, "Succeeded", ended(0));
    let told = room.ended(id).await;
    assert_eq!(
        (told.task.state, told.task.try_number),
        ("success", 1),
        "{told:#?}"
    );
    assert!(room.api.pods().is_empty(), "deleted with the new token");
}

async fn expires_and_comes_back(room: &Room, renew: impl Fn(&str)) {
    room.api.accept_only("second");
    room.api.break_watches();
    let refused = room.api.refused();
    eventually("some refusals", async || {
        (room.api.refused() >= refused + 3).then_some(())
    })
    .await;
    renew("second");
    let admitted = room.api.admitted();
    eventually("requests with the new token", async || {
        (room.api.admitted() > admitted).then_some(())
    })
    .await;
}
