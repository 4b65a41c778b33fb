//! Databases of every older schema: each is brought up to date when it is opened, with its tasks.

use std::path::Path;

use serde_json::Value;
use sqlx::migrate::Migrator;
use sqlx::{ConnectOptions, Connection};

use crate::sandbox::Sandbox;

/// The migrations that there are, in their order.
fn migrations() -> Vec<std::path::PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite");
    let entries = std::fs::read_dir(directory).unwrap();
    let mut found: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    assert!(found.len() >= 2);
    found
}

/// A task as it is stored, and its columns that every schema has.
fn stored() -> Value {
    let sandbox = Sandbox::new();
    sandbox.submit_hello();
    let question = "select definition, retry_policy, claim_rank, not_before from tasks";
    let rows = sandbox.run(["sql", question, "-o", "jsonl"]).good();
    serde_json::from_str(&rows).unwrap()
}

/// Makes a database as the program made it when there were only these migrations.
async fn make(path: &Path, migrations: &Path, task: &Value) {
    let mut connection = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .connect()
        .await
        .unwrap();
    let migrator = Migrator::new(migrations).await.unwrap();
    migrator.run(&mut connection).await.unwrap();
    sqlx::query("INSERT INTO installation (only_row, id, created_at) VALUES (1, 'old', 0)")
        .execute(&mut connection)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO tasks (dag_id, task_id, run_id, map_index, operator, definition, state, entry,
                            claim_rank, not_before, max_tries, retry_policy, submitted_at, changed_at)
         VALUES ('default', 'hello', 'first', -1, 'pod', ?, 'queued', 'execute', ?, ?, 1, ?, 0, 0)",
    )
    .bind(task["definition"].as_str().unwrap())
    .bind(task["claim_rank"].as_i64())
    .bind(task["not_before"].as_i64())
    .bind(task["retry_policy"].as_str().unwrap())
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
}

#[test]
fn a_database_of_each_older_schema_is_brought_up_to_date_with_its_tasks() {
    let task = stored();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let all = migrations();
    for known in 1..all.len() {
        let sandbox = Sandbox::new();
        let directory = sandbox.path("migrations");
        std::fs::create_dir(&directory).unwrap();
        for migration in &all[..known] {
            let name = migration.file_name().unwrap();
            std::fs::copy(migration, directory.join(name)).unwrap();
        }
        let old = sandbox.path("old.db");
        runtime.block_on(make(&old, &directory, &task));
        let listed = sandbox.adjourn("get -o name --db old.db").good();
        assert_eq!(listed, "1\n", "{known} migrations");
        let question = "select max(version) as version from _sqlx_migrations";
        let newest = sandbox.run(["sql", question, "-o", "jsonl", "--db", "old.db"]);
        let newest: Value = serde_json::from_str(&newest.good()).unwrap();
        assert_eq!(newest["version"], all.len(), "{known} migrations");
        let shown = sandbox.adjourn("describe 1 -o json --db old.db").good();
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(shown["state"], "queued", "{known} migrations");
        // What is stored of a task is understood: it can be submitted again and is the same.
        let again = sandbox.with_input("submit - --db old.db", crate::sandbox::HELLO);
        assert_eq!(again.good(), "1\n", "{known} migrations");
        // And so is a backup of it.
        sandbox.adjourn("backup copy.db --db old.db").good();
        sandbox.adjourn("restore copy.db --db back.db").good();
        assert_eq!(sandbox.adjourn("get -o name --db back.db").good(), "1\n");
    }
}
