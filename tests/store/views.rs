//! What a person sees: the views, and a person's own SQL.

use adjourn::store::{SqlCell, StoreError};

use crate::support::*;

fn text(cell: &SqlCell) -> &str {
    let SqlCell::Text(text) = cell else {
        panic!("not a text: {cell:?}");
    };
    text
}

#[tokio::test]
async fn the_views_show_a_person_what_is_deferred_and_what_happened() {
    let place = Place::new();
    let store = place.store().await;
    let id = submit(&store, &["a"]).await[0];
    let held = claim_one(&store, 1).await;
    let fence = held.row.fence;
    store
        .intend_pod(id, fence, intent("a-x1"), at(1))
        .await
        .unwrap();
    store
        .pod_created(id, fence, "a-x1".into(), "u1".into(), at(1))
        .await
        .unwrap();
    store
        .append_log(
            id,
            fence,
            vec![line(b"hello", 1_500_000_000)],
            cursor(1),
            at(2),
        )
        .await
        .unwrap();
    defer(&store, &held, 3).await;

    let table = store.sql("select * from deferred_tasks").await.unwrap();
    let shown: std::collections::HashMap<&str, &SqlCell> = table
        .columns
        .iter()
        .map(String::as_str)
        .zip(&table.rows[0])
        .collect();
    assert_eq!(table.rows.len(), 1);
    for (column, expected) in [
        ("dag_id", "etl"),
        ("task_id", "a"),
        ("run_id", "r1"),
        ("pod_namespace", "jobs"),
        ("pod_name", "a-x1"),
        ("pod_uid", "u1"),
        ("trigger_kind", "pod"),
        ("deferred_since", "2023-11-14T22:13:23.000Z"),
        ("next_log_time", "2023-11-14T22:13:50.000Z"),
        ("deadline", "2023-11-14T22:23:21.000Z"),
        ("last_log_time", "2023-11-14T22:13:22.000Z"),
    ] {
        assert_eq!(text(shown[column]), expected, "{column}");
    }
    assert_eq!(shown["resumes"], &SqlCell::Integer(0));

    let history = store
        .sql("select at, event, from_state, to_state, reason from task_history")
        .await
        .unwrap();
    let events: Vec<(&str, &str)> = history
        .rows
        .iter()
        .map(|row| (text(&row[1]), text(&row[3])))
        .collect();
    assert_eq!(
        events,
        [
            ("submit", "queued"),
            ("claim", "running"),
            ("defer", "deferred")
        ]
    );
    let log = store.sql("select stamp, line from task_log").await.unwrap();
    assert_eq!(text(&log.rows[0][0]), "1970-01-01T00:00:01.500000000Z");
    assert_eq!(text(&log.rows[0][1]), "hello");
}

#[tokio::test]
async fn a_persons_sql_cannot_write() {
    let place = Place::new();
    let store = place.store().await;
    let ids = submit(&store, &["a"]).await;
    for statement in [
        "delete from tasks",
        "update tasks set state = 'success'",
        "drop table tasks",
        "pragma query_only = off; delete from tasks",
    ] {
        let refused = store.sql(statement).await;
        assert!(
            matches!(refused, Err(StoreError::Query(_))),
            "{statement}: {refused:?}"
        );
    }
    let wrong = store.sql("selekt 1").await;
    assert!(
        matches!(&wrong, Err(StoreError::Query(words)) if words.contains("syntax error")),
        "{wrong:?}"
    );
    assert!(store.task(ids[0]).await.is_ok());
}
