//! What several stores on one server owe each other.

use std::path::Path;
use std::time::Duration;

use adjourn::store::{Scope, StartLimits, Store, StoreError};
use adjourn::task::id::TaskId;

use crate::place::Place;
use crate::support::{at, claim_one, defer, submit};
use crate::whole_program::{PATIENCE, Postgres, Stop};

#[tokio::test]
async fn two_that_claim_at_once_get_different_tasks() {
    let place = Place::new();
    let (one, other) = (place.store().await, place.store().await);
    let names: Vec<String> = (0..60).map(|number| format!("t{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut submitted = submit(&one, &names).await;
    let mut claims = Vec::new();
    for store in [&one, &other, &one, &other] {
        claims.push(store.claim("me", &Scope::All, 20, at(30), at(1)));
    }
    let claims = futures::future::join_all(claims).await;
    let mut claimed: Vec<TaskId> = (claims.into_iter())
        .flat_map(Result::unwrap)
        .map(|claimed| claimed.row.id)
        .collect();
    claimed.sort();
    submitted.sort();
    assert_eq!(claimed, submitted);
}

#[tokio::test]
async fn the_bound_on_active_pods_is_one_for_all() {
    let place = Place::new();
    let (one, other) = (place.store().await, place.store().await);
    submit(&one, &["a", "b", "c", "d", "e", "f"]).await;
    let limits = StartLimits {
        active_pods: Some(4),
        starts: None,
    };
    let claim = |store: &Store| {
        let store = store.clone();
        async move {
            let claimed = store.claim_within("me", &Scope::All, 3, limits, at(30), at(1));
            claimed.await.unwrap().len()
        }
    };
    let (first, second) = tokio::join!(claim(&one), claim(&other));
    assert_eq!(first + second, 4);
}

#[tokio::test]
async fn what_one_commits_wakes_the_other() {
    let place = Place::new();
    let (one, other) = (place.store().await, place.store().await);
    let mut changes = other.changes();
    changes.borrow_and_update();
    submit(&one, &["a"]).await;
    tokio::time::timeout(PATIENCE, async {
        while other.newest_change().await.unwrap() == 0 {
            changes.changed().await.unwrap();
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn triggers_are_taken_and_counted_by_who_watches_them() {
    let place = Place::new();
    let store = place.store().await;
    submit(&store, &["a", "b", "c"]).await;
    for _ in 0..3 {
        let claimed = claim_one(&store, 1).await;
        defer(&store, &claimed, 2).await;
    }
    let owners = ["me".to_owned(), "you".to_owned()];
    assert_eq!(store.take_triggers("you", "me", 2).await.unwrap(), 2);
    let mut watched = store.watched_by(&owners).await.unwrap();
    watched.sort();
    assert_eq!(watched, [("me".to_owned(), 1), ("you".to_owned(), 2)]);
}

#[tokio::test]
async fn a_server_that_restarts_is_waited_for() {
    let server = Postgres::start();
    let url = server.database("tasks");
    let store = Store::open(Path::new(&url), at(0)).await.unwrap();
    submit(&store, &["before"]).await;
    server.stop(Stop::Immediate);
    let (writes, reads) = (store.clone(), store.clone());
    let back = async {
        // The write has met a server that is not there once the store has counted a wait.
        while store.metrics().store_waits.get() == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        server.start_again();
    };
    let all = async { tokio::join!(submit(&writes, &["meanwhile"]), reads.newest_change(), back) };
    let (written, read, ()) = tokio::time::timeout(PATIENCE, all).await.unwrap();
    assert_eq!(written.len(), 1);
    assert!(read.unwrap() > 0);
    assert_eq!(store.list(&Default::default()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_not_ours_or_is_newer_is_refused() {
    let place = Place::new();
    place
        .execute("CREATE TABLE installation (id TEXT)".to_owned())
        .await;
    let refused = Store::open(&place.path(), at(0)).await;
    assert!(
        matches!(refused, Err(StoreError::Foreign { .. })),
        "{refused:?}"
    );

    let place = Place::new();
    drop(place.store().await);
    place
        .execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (999, 'from later', true, '', 0)"
                .to_owned(),
        )
        .await;
    let refused = Store::open(&place.path(), at(0)).await;
    assert!(
        matches!(refused, Err(StoreError::NewerSchema { found: 999, .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn an_empty_database_is_opened_only_to_put_something_in() {
    let place = Place::new();
    let refused = Store::open_existing(&place.path(), at(0)).await;
    let Err(StoreError::Place { source, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
}

#[tokio::test]
async fn the_password_is_shown_nowhere() {
    let place = Place::new();
    let url = place
        .path()
        .to_string_lossy()
        .replace("adjourn@", "adjourn:canary@");
    let store = Store::open(Path::new(&url), at(0)).await.unwrap();
    assert!(!store.path().to_string_lossy().contains("canary"));
    assert!(!format!("{store:?}").contains("canary"));
    let refused = store
        .backup(Path::new("/nowhere/backup.db"))
        .await
        .unwrap_err();
    assert!(!refused.to_string().contains("canary"), "{refused}");
    assert!(refused.to_string().contains("pg_dump"), "{refused}");
}

#[tokio::test]
async fn who_asks_for_what_is_not_there_is_told_so_in_the_servers_words() {
    let place = Place::new();
    let url = format!("{}x", place.path().display());
    let refused = Store::open(Path::new(&url), at(0)).await;
    let Err(error @ StoreError::Place { .. }) = refused else {
        panic!("{refused:?}");
    };
    let words = error.to_string();
    assert!(
        words.contains("does not exist; give another place"),
        "{words}"
    );
}
