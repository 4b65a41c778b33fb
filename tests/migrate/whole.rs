//! Tasks of all kinds, moved, and a daemon that goes on with them.

use std::collections::BTreeSet;

use serde_json::json;

use crate::place::Place;
use crate::support::{Home, script, with};

/// How many pods there are of a task, on the cluster.
fn pods(home: &Home, task_id: &str) -> Vec<String> {
    let pods = home.cluster().pods(&home.dag).into_iter();
    let of_task = pods.filter(|pod| {
        let labels = pod.metadata.labels.as_ref();
        labels.is_some_and(|labels| labels.get("task_id").is_some_and(|id| id == task_id))
    });
    of_task.filter_map(|pod| pod.metadata.name).collect()
}

#[test]
fn every_task_is_moved_and_the_one_that_waits_goes_on_with_its_pod() {
    let home = Home::new();
    let bytes = r"printf 'caf\303\251\n\377\376\000\001\n\n  spaced  \n'; seq 1 3000";
    home.run(&["run", &home.task(&script(&home.dag, "bytes", bytes))])
        .expect(0);
    let result = with(
        script(
            &home.dag,
            "result",
            r#"printf '%s' '{"rows": 3, "names": ["a"]}' > /airflow/xcom/return.json"#,
        ),
        json!({"do_xcom_push": true}),
    );
    home.run(&["run", &home.task(&result)]).expect(0);
    let fails = with(
        script(&home.dag, "fails", "echo no; exit 3"),
        json!({"retries": 1, "retry_delay": 0}),
    );
    home.run(&["run", &home.task(&fails)]).expect(1);

    let serve = home.serve();
    let long = home.submit(&script(&home.dag, "long", "echo long; sleep 1000"));
    home.until_state(&long, "deferred");
    home.run(&["cancel", &long]);
    home.run(&["wait", &long]).expect(1);
    let waits = "trap 'go=1' USR1; echo begun; until [ \"$go\" ]; do sleep 0.1; done; echo done";
    let waits = with(
        script(&home.dag, "waits", waits),
        json!({"logging_interval": 1, "poll_interval": 1}),
    );
    let waits = home.submit(&waits);
    home.until_state(&waits, "deferred");
    home.until_lines(&waits, 1);
    home.until_state(&waits, "deferred");
    serve.kill();
    home.run(&[
        "submit",
        &home.task(&script(&home.dag, "later", "echo later")),
    ])
    .expect(0);

    let place = Place::of(home);
    let file = place.home.database();
    let before = std::fs::read(&file).unwrap();
    let moved = place.migrate().expect(0).json();
    assert!(
        before == std::fs::read(&file).unwrap(),
        "the file is as it was"
    );
    assert_eq!(moved["equal"], true, "{moved}");
    for table in moved["tables"].as_array().unwrap() {
        let none = ["disposals"].contains(&table["table"].as_str().unwrap());
        assert!(none || table["moved"].as_u64().unwrap() > 0, "{moved}");
    }
    place.both_answer_alike();
    let installation = "SELECT id, created_at FROM installation";
    let here = &place.home.sql(installation)[0];
    let there = format!("{}\t{}", here["id"].as_str().unwrap(), here["created_at"]);
    assert_eq!(place.rows(installation), [there]);
    let log = place.home.log("1");
    assert!(log.starts_with(b"caf\xc3\xa9\n\xff\xfe\x00\x01\n\n  spaced  \n1\n"));
    let events = place.home.events("3");

    let held = pods(&place.home, "waits");
    assert_eq!(held.len(), 1);
    let Place { home, url, .. } = place;
    let home = home.set("ADJOURN_DB", &url);
    assert!(home.log("1") == log);
    assert_eq!(home.events("3"), events);
    assert_eq!(
        home.describe("2")["xcom"]["return_value"],
        json!({"rows": 3, "names": ["a"]})
    );
    let _serve = home.serve();
    home.run(&["wait", "6"]).expect(0);
    assert_eq!(pods(&home, "waits"), held, "no second pod");
    home.cluster().run_in(&held[0], &["kill", "-USR1", "1"]);
    home.run(&["wait", &waits]).expect(0);
    assert_eq!(home.log(&waits), b"begun\ndone\n");
    assert_eq!(home.log("6"), b"later\n");
    let told = home.describe(&waits);
    assert_eq!(told["pods"].as_array().unwrap().len(), 1, "{told}");
    // What is new gets an id of its own.
    let next = home.submit(&script(&home.dag, "next", "exit 0"));
    assert_eq!(next, "7");
    home.run(&["wait", &next]).expect(0);
}

#[test]
fn no_table_is_forgotten() {
    let home = Home::without_cluster();
    home.submit(&script(&home.dag, "first", "exit 0"));
    let tables = home.sql("SELECT name FROM sqlite_schema WHERE type = 'table'");
    let mut tables: BTreeSet<String> = tables
        .iter()
        .map(|row| row["name"].as_str().unwrap().to_owned())
        .collect();
    // Nobody works on what is moved, and each side knows its own schema.
    for name in [
        "engines",
        "installation",
        "_sqlx_migrations",
        "sqlite_sequence",
    ] {
        assert!(tables.remove(name), "{name}");
    }
    let moved = Place::of(home).migrate().expect(0).json();
    let moved = moved["tables"].as_array().unwrap();
    let moved: BTreeSet<String> = moved
        .iter()
        .map(|table| table["table"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(moved, tables);
}
