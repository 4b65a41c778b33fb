//! Databases that cannot be used: each is told, none is touched.

use std::path::Path;

use sqlx::{ConnectOptions, Connection};

use crate::sandbox::{HELLO, Sandbox, exists};

/// Every command that opens the database.
const COMMANDS: [&str; 10] = [
    "submit hello.yaml",
    "run hello.yaml",
    "list",
    "describe 1",
    "logs 1",
    "wait 1",
    "cancel 1",
    "retry 1",
    "serve",
    "sql select(1)",
];

pub fn change(path: &Path, statement: &'static str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut connection = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .connect()
            .await
            .unwrap();
        sqlx::raw_sql(statement)
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    });
}

/// Every command refuses the file `bad.db` with this sentence and leaves it as it is.
#[track_caller]
fn refused(sandbox: &Sandbox, sentence: impl Fn(&str) -> String) {
    sandbox.file("hello.yaml", HELLO);
    let path = sandbox.path("bad.db");
    let before = std::fs::read(&path).unwrap();
    let name = path.display().to_string();
    for command in COMMANDS {
        sandbox
            .adjourn(&format!("{command} --db {name}"))
            .bad(2, &format!("error: {}", sentence(&name)));
        assert_eq!(std::fs::read(&path).unwrap(), before, "{command}");
    }
}

#[test]
fn a_file_that_is_no_database() {
    let sandbox = Sandbox::new();
    let text = "this is no database, however long it is\n".repeat(200);
    sandbox.file("bad.db", &text);
    refused(&sandbox, |name| {
        format!(
            "{name} is not a usable SQLite database (file is not a database); restore it from a backup, or give another with --db PATH"
        )
    });
}

#[test]
fn a_database_of_another_program() {
    let sandbox = Sandbox::new();
    change(&sandbox.path("bad.db"), "CREATE TABLE tasks (id INTEGER)");
    refused(&sandbox, |name| {
        format!(
            "{name} is an SQLite database, but not one of adjourn's; give another with --db PATH"
        )
    });
}

#[test]
fn a_database_of_a_newer_adjourn() {
    let sandbox = Sandbox::new();
    let path = sandbox.path("bad.db");
    sandbox
        .with_input(&format!("submit - --db {}", path.display()), HELLO)
        .good();
    change(
        &path,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9000, 'of the future', true, x'00', 0);
         PRAGMA wal_checkpoint(TRUNCATE);",
    );
    let sandbox_path = path.display().to_string();
    let done = sandbox.adjourn(&format!("list --db {sandbox_path}"));
    assert_eq!((done.code, done.out.as_str()), (2, ""));
    assert!(done.err.contains("has schema 9000"), "{}", done.err);
    refused(&sandbox, |_| {
        done.err.trim_end().trim_start_matches("error: ").to_owned()
    });
}

#[test]
fn a_database_that_cannot_be_written() {
    let sandbox = Sandbox::new();
    let path = sandbox.path("bad.db");
    sandbox
        .with_input(&format!("submit - --db {}", path.display()), HELLO)
        .good();
    let mut permissions = std::fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&path, permissions).unwrap();
    refused(&sandbox, |name| {
        format!(
            "the database {name} cannot be written; check its permissions and those of its directory, or give another with --db PATH"
        )
    });
}

#[test]
fn a_place_where_no_directory_can_be_made() {
    let sandbox = Sandbox::new();
    sandbox.file("plain", "a file");
    sandbox.file("hello.yaml", HELLO);
    let done = sandbox.adjourn("submit hello.yaml --db plain/below/a.db");
    assert_eq!((done.code, done.out.as_str()), (2, ""));
    assert!(
        done.err.starts_with("error: cannot use plain"),
        "{}",
        done.err
    );
    assert_eq!(done.err.lines().count(), 1, "{}", done.err);
}

#[test]
fn a_database_that_was_named_and_is_not_there_is_not_made_by_looking() {
    let sandbox = Sandbox::new();
    for command in [
        "list",
        "describe 1",
        "logs 1",
        "wait 1",
        "cancel 1",
        "sql select(1)",
    ] {
        sandbox.adjourn(&format!("{command} --db gone.db")).bad(
            3,
            "error: there is no database gone.db; `adjourn submit` and `adjourn run` make one, or give another with --db PATH",
        );
    }
    assert!(!exists(&sandbox.path("gone.db")));
}

#[test]
fn before_the_first_task_there_are_simply_none() {
    let sandbox = Sandbox::new();
    let done = sandbox.adjourn("list");
    assert_eq!(
        (done.code, done.out.as_str(), done.err.as_str()),
        (0, "", "no tasks found\n")
    );
    assert_eq!(sandbox.adjourn("list -o json").good(), "[]\n");
    assert!(!exists(&sandbox.database()));
}
