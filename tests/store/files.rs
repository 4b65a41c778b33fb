//! The file itself: made whole, for its owner alone, refused when it is not ours.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use adjourn::store::{Store, StoreError};
use sqlx::Connection;

use crate::support::*;

async fn refusal(path: &Path) -> StoreError {
    Store::open(path, at(0)).await.unwrap_err()
}

#[tokio::test]
async fn what_is_no_database_of_ours_is_refused_and_left_alone() {
    let place = Place::new();
    let path = place.path();
    std::fs::write(
        &path,
        "not a database, but long enough to be taken for one".repeat(100),
    )
    .unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(refusal(&path).await, StoreError::Damaged { .. }));
    assert_eq!(std::fs::read(&path).unwrap(), before);

    let empty = place.directory.path().join("empty.db");
    std::fs::write(&empty, "").unwrap();
    assert!(matches!(refusal(&empty).await, StoreError::Foreign { .. }));
    let directory = place.directory.path().join("directory.db");
    std::fs::create_dir(&directory).unwrap();
    assert!(matches!(
        refusal(&directory).await,
        StoreError::Damaged { .. }
    ));
    let nowhere = place.path().join("below/a/file.db");
    assert!(matches!(refusal(&nowhere).await, StoreError::Place { .. }));
}

#[tokio::test]
async fn a_database_of_a_newer_schema_is_refused() {
    let place = Place::new();
    let path = place.path();
    drop(place.store().await);
    let mut connection = sqlx::SqliteConnection::connect(&format!("sqlite:{}", path.display()))
        .await
        .unwrap();
    sqlx::query(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
         values (9999, 'to come', 1, x'00', 0)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    let error = refusal(&path).await;
    assert!(
        matches!(error, StoreError::NewerSchema { found: 9999, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn the_database_is_for_its_owner_alone() {
    let place = Place::new();
    let store = place.store().await;
    submit(&store, &["a"]).await;
    for entry in std::fs::read_dir(place.directory.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.path());
    }
}

#[tokio::test]
async fn an_installation_keeps_its_id() {
    let place = Place::new();
    let first = place.store().await.installation().to_owned();
    let second = place.store().await.installation().to_owned();
    assert_eq!(first, second);
    assert_eq!(first.len(), 32);
    let other = Place::new().store().await.installation().to_owned();
    assert_ne!(first, other);
}

#[tokio::test]
async fn a_change_by_another_process_is_noticed() {
    let place = Place::new();
    let (one, two) = (place.store().await, place.store().await);
    let mut changes = one.changes();
    changes.mark_unchanged();
    // The first look only learns where things stand; submit until one is noticed.
    for number in 0.. {
        submit(&two, &[&format!("t{number}")]).await;
        let noticed = tokio::time::timeout(Duration::from_millis(500), changes.changed()).await;
        if noticed.is_ok() {
            return;
        }
        assert!(number < 20, "twenty commits went unnoticed");
    }
}
