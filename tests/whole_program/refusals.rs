//! Bad input: one clear sentence on stderr, the right exit code, nothing half-written.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use crate::support::{Finished, Home, script, with};

/// Refused in one sentence, with nothing on stdout.
#[track_caller]
fn sentence(ended: Finished, code: i32, words: &[&str]) {
    let ended = ended.expect(code);
    assert_eq!(ended.text(), "");
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].starts_with("error: "), "{lines:?}");
    for word in words {
        assert!(lines[0].contains(word), "no {word:?} in {lines:?}");
    }
}

/// Neither a database nor the directory for one.
#[track_caller]
fn nothing_was_made(home: &Home) {
    assert!(!home.state().exists(), "{:?} was made", home.state());
}

const COMMANDS: [&str; 2] = ["run", "submit"];

#[test]
fn a_missing_task_file() {
    let home = Home::without_cluster();
    for command in COMMANDS {
        sentence(
            home.run(&[command, "none.yaml"]),
            2,
            &["none.yaml", "No such file"],
        );
    }
    nothing_was_made(&home);
}

#[test]
fn broken_yaml() {
    let home = Home::without_cluster();
    let file = home.write("broken.yaml", "task_id: a\nimage: [busybox\n");
    for command in COMMANDS {
        sentence(home.run(&[command, &file]), 2, &["broken.yaml", ":"]);
    }
    nothing_was_made(&home);
}

#[test]
fn an_unknown_key_is_told_with_its_place_and_the_nearest_name() {
    let home = Home::without_cluster();
    let file = home.write(
        "unknown.yaml",
        "task_id: a\nimage: busybox\nargumnets: [a]\n",
    );
    for command in COMMANDS {
        sentence(
            home.run(&[command, &file]),
            2,
            &["unknown.yaml:3:1", "argumnets", "arguments"],
        );
    }
    nothing_was_made(&home);
}

#[test]
fn a_wrong_type_is_told_with_its_place() {
    let home = Home::without_cluster();
    let file = home.write("wrong.yaml", "task_id: a\nimage: busybox\nretries: many\n");
    sentence(
        home.run(&["submit", &file]),
        2,
        &["wrong.yaml:3:", "retries"],
    );
    nothing_was_made(&home);
}

#[test]
fn no_image_and_no_template() {
    let home = Home::without_cluster();
    let file = home.write("imageless.yaml", "task_id: a\ncmds: [ls]\n");
    for command in COMMANDS {
        sentence(home.run(&[command, &file]), 2, &["task a", "image"]);
    }
    assert_eq!(home.sql_if_there("SELECT id FROM task_list"), 0);
}

#[test]
fn no_task_at_all() {
    let home = Home::without_cluster();
    let file = home.write("empty.yaml", "# nothing\n");
    sentence(home.run(&["submit", &file]), 2, &["empty.yaml", "task_id"]);
    nothing_was_made(&home);
}

#[test]
fn a_kubeconfig_that_points_nowhere() {
    let home = Home::without_cluster();
    let kubeconfig = home.write(
        "nowhere.yaml",
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        })
        .to_string(),
    );
    let task = home.task(&script(&home.dag, "lost", "exit 0"));
    let ended = home.run(&["run", &task, "--kubeconfig", &kubeconfig]);
    sentence(ended, 4, &["127.0.0.1:1"]);
    assert_eq!(home.sql_if_there("SELECT id FROM task_list"), 0);
}

#[test]
fn a_kubeconfig_that_is_not_there() {
    let home = Home::without_cluster();
    let task = home.task(&script(&home.dag, "lost", "exit 0"));
    let ended = home.run(&["run", &task, "--kubeconfig", "none.kubeconfig"]);
    sentence(ended, 4, &["none.kubeconfig"]);
    let ended = home.run(&["run", &task]);
    sentence(ended, 4, &["kubeconfig"]);
    assert_eq!(home.sql_if_there("SELECT id FROM task_list"), 0);
}

#[test]
fn a_context_that_the_kubeconfig_does_not_have() {
    let home = Home::new();
    let task = home.task(&script(&home.dag, "lost", "exit 0"));
    let ended = home.run(&["run", &task, "--context", "no-such-context"]);
    sentence(ended, 4, &["no-such-context"]);
    assert_eq!(home.sql_if_there("SELECT id FROM task_list"), 0);
}

#[test]
fn a_corrupt_database_is_left_as_it_is() {
    let home = Home::without_cluster();
    let task = home.task(&script(&home.dag, "kept", "exit 0"));
    let garbage = [0x5a; 8192];
    let database = home.write("garbage.db", garbage);
    for command in [
        vec!["submit", &task],
        vec!["run", &task],
        vec!["list"],
        vec!["serve"],
        vec!["sql", "SELECT 1"],
    ] {
        let ended = home.start(&[&["--db", &database], command.as_slice()].concat());
        sentence(
            ended.finish(),
            2,
            &["garbage.db", "not a usable SQLite database", "--db"],
        );
    }
    assert!(std::fs::read(&database).unwrap() == garbage);
}

#[test]
fn a_database_damaged_in_its_middle_is_told_and_not_written() {
    let home = Home::without_cluster();
    let task = home.task(&script(&home.dag, "kept", "exit 0"));
    let database = home.path().join("damaged.db");
    let database = database.to_str().unwrap();
    home.run(&["--db", database, "submit", &task]).expect(0);
    let mut bytes = std::fs::read(database).unwrap();
    let end = bytes.len();
    bytes[4096..end].fill(0x5a);
    std::fs::write(database, &bytes).unwrap();
    let ended = home.run(&["--db", database, "submit", &task]);
    sentence(ended, 2, &["damaged.db", "backup"]);
}

#[test]
fn somebody_elses_database_is_left_alone() {
    let home = Home::without_cluster();
    let database = home.path().join("theirs.db");
    statement(&database, "CREATE TABLE theirs (a)");
    let before = std::fs::read(&database).unwrap();
    let task = home.task(&script(&home.dag, "kept", "exit 0"));
    let path = database.to_str().unwrap();
    let ended = home.run(&["--db", path, "submit", &task]);
    sentence(ended, 2, &["theirs.db", "not one of adjourn's"]);
    assert!(std::fs::read(&database).unwrap() == before);
}

#[test]
fn a_database_of_a_newer_schema_is_left_to_the_newer_program() {
    let home = Home::without_cluster();
    let task = home.task(&script(&home.dag, "kept", "exit 0"));
    home.run(&["submit", &task]).expect(0);
    statement(
        &home.database(),
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'the future', 1, x'00', 0)",
    );
    let other = home.task(&script(&home.dag, "other", "exit 0"));
    for command in [vec!["submit", &other], vec!["list"], vec!["serve"]] {
        sentence(
            home.run(&command),
            2,
            &["adjourn.db", "9999", "newer adjourn"],
        );
    }
    assert_eq!(count(&home.database(), "SELECT count(*) FROM tasks"), 1);
}

#[test]
fn a_database_that_may_not_be_written_is_not_written() {
    let home = Home::without_cluster();
    let task = home.task(&script(&home.dag, "kept", "exit 0"));
    home.run(&["submit", &task]).expect(0);
    let other = home.task(&script(&home.dag, "other", "exit 0"));
    let _writable = ReadOnly::make(&home);
    for command in COMMANDS {
        let ended = as_nobody(&home, &[command, &other]);
        sentence(
            ended,
            2,
            &["adjourn.db", "cannot be written", "permissions"],
        );
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_told() {
    let home = Home::without_cluster();
    let task = home.task(&script(&home.dag, "kept", "exit 0"));
    let file = home.write("file", "");
    let database = format!("{file}/sub/adjourn.db");
    sentence(
        home.run(&["--db", &database, "submit", &task]),
        2,
        &["file", "--db"],
    );
}

#[test]
fn a_database_that_is_not_there_is_not_made_by_a_question() {
    let home = Home::without_cluster();
    sentence(home.run(&["--db", "none.db", "list"]), 3, &["none.db"]);
    sentence(home.run(&["describe", "1"]), 3, &["adjourn.db"]);
    assert!(!home.path().join("none.db").exists());
    nothing_was_made(&home);
    // Without one there are no tasks, which is no error.
    let empty = home.run(&["list", "-o", "json"]).expect(0);
    assert_eq!(empty.json(), json!([]));
    nothing_was_made(&home);
}

#[test]
fn an_unknown_setting_is_told_with_its_place() {
    let home = Home::without_cluster();
    let config = home.write("adjourn.toml", "[worker]\nslosts = 3\n");
    sentence(
        home.run(&["--config", &config, "list"]),
        2,
        &["adjourn.toml", "slosts", "slots"],
    );
    let ended = home.run(&["--config", "none.toml", "list"]);
    sentence(ended, 2, &["none.toml"]);
}

#[test]
fn a_wrong_setting_in_the_environment_is_told_by_name() {
    let home = Home::without_cluster().set("ADJOURN_WORKER_SLOTS", "several");
    sentence(home.run(&["list"]), 2, &["ADJOURN_WORKER_SLOTS"]);
}

#[test]
fn a_pod_that_the_api_server_would_refuse_is_refused_before_it_is_stored() {
    let home = Home::without_cluster();
    let task = with(
        script(&home.dag, "labelled", "exit 0"),
        json!({"labels": {"not a label!": "x"}}),
    );
    let ended = home.run(&["submit", &home.task(&task)]);
    sentence(ended, 2, &["labelled", "not a label!"]);
    assert_eq!(home.sql_if_there("SELECT id FROM task_list"), 0);
}

/// A state directory in which nobody but root can write; writable again when dropped.
struct ReadOnly(std::path::PathBuf);

impl ReadOnly {
    fn make(home: &Home) -> Self {
        let state = home.state();
        for entry in std::fs::read_dir(&state).unwrap() {
            chmod(&entry.unwrap().path(), 0o444);
        }
        chmod(&state, 0o555);
        Self(state)
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        chmod(&self.0, 0o755);
    }
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs a command as a user whom permissions hold: to root they mean nothing.
fn as_nobody(home: &Home, arguments: &[&str]) -> Finished {
    use std::os::unix::process::CommandExt;
    let mut command = home.command(arguments);
    if nix::unistd::geteuid().is_root() {
        for path in [home.path(), &home.path().join("state")] {
            chmod(path, 0o755);
        }
        command.uid(65534).gid(65534);
    }
    crate::support::Running::start(command).finish()
}

fn statement(database: &Path, statement: &str) {
    run(database, true, async |connection| {
        sqlx::query(AssertSqlSafe(statement))
            .execute(connection)
            .await
            .unwrap();
    });
}

fn count(database: &Path, question: &str) -> i64 {
    run(database, false, async |connection| {
        sqlx::query_scalar(AssertSqlSafe(question))
            .fetch_one(connection)
            .await
            .unwrap()
    })
}

fn run<T>(
    database: &Path,
    create: bool,
    work: impl AsyncFnOnce(&mut sqlx::SqliteConnection) -> T,
) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(database)
            .create_if_missing(create);
        let mut connection = options.connect().await.unwrap();
        let result = work(&mut connection).await;
        connection.close().await.unwrap();
        result
    })
}
