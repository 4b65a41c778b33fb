//! Bad input leaves nothing half-written: no directory, no database, no row, no byte changed.
//! The sentences themselves are shown by the tests of the command line.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::{Finished, Home, Running, script, with};

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

const COMMANDS: [&str; 2] = ["run", "submit"];

#[test]
fn a_bad_task_file_leaves_not_even_a_directory() {
    let home = Home::without_cluster();
    let broken = home.write("broken.yaml", "task_id: a\nimage: [busybox\n");
    let unknown = home.write(
        "unknown.yaml",
        "task_id: a\nimage: busybox\nargumnets: [a]\n",
    );
    let empty = home.write("empty.yaml", "# nothing\n");
    for command in COMMANDS {
        sentence(
            home.run(&[command, "none.yaml"]),
            2,
            &["none.yaml", "No such file"],
        );
        sentence(home.run(&[command, &broken]), 2, &["broken.yaml:"]);
        sentence(
            home.run(&[command, &unknown]),
            2,
            &["unknown.yaml:3:1", "argumnets", "arguments"],
        );
        sentence(home.run(&[command, &empty]), 2, &["empty.yaml"]);
    }
    assert!(!home.state().exists(), "{:?} was made", home.state());
}

#[test]
fn one_bad_task_keeps_the_whole_file_out() {
    let home = Home::new();
    let tasks = json!([
        script(&home.dag, "good", "exit 0"),
        {"dag_id": home.dag, "task_id": "imageless", "cmds": ["true"]},
    ]);
    let file = home.task(&tasks);
    for command in COMMANDS {
        sentence(home.run(&[command, &file]), 2, &["imageless", "image"]);
    }
    assert_eq!(home.sql_if_there("SELECT id FROM task_list"), 0);
    assert!(home.cluster().pods(&home.dag).is_empty());
}

#[test]
fn a_pod_that_the_api_server_would_refuse_is_refused_before_it_is_stored() {
    let home = Home::new();
    let task = with(
        script(&home.dag, "labelled", "exit 0"),
        json!({"labels": {"not a label!": "x"}}),
    );
    let file = home.task(&task);
    for command in COMMANDS {
        sentence(
            home.run(&[command, &file]),
            2,
            &["labelled", "not a label!"],
        );
    }
    assert_eq!(home.sql_if_there("SELECT id FROM task_list"), 0);
}

#[test]
fn a_context_that_the_kubeconfig_does_not_have_stores_nothing() {
    let home = Home::new();
    let task = home.task(&script(&home.dag, "lost", "exit 0"));
    let ended = home.run(&["run", &task, "--context", "no-such-context"]);
    sentence(ended, 4, &["no-such-context"]);
    assert_eq!(home.sql_if_there("SELECT id FROM task_list"), 0);
}

#[test]
fn a_database_damaged_in_its_middle_is_told_and_left_as_it_is() {
    let home = Home::without_cluster();
    let task = home.task(&script(&home.dag, "kept", "exit 0"));
    home.run(&["submit", &task]).expect(0);
    let mut bytes = std::fs::read(home.database()).unwrap();
    bytes[4096..].fill(0x5a);
    std::fs::write(home.database(), &bytes).unwrap();
    for command in [vec!["submit", &task], vec!["run", &task], vec!["serve"]] {
        sentence(home.run(&command), 2, &["adjourn.db", "backup"]);
    }
    assert!(std::fs::read(home.database()).unwrap() == bytes);
}

#[test]
fn a_database_that_this_user_may_not_write_is_told() {
    let home = Home::without_cluster();
    let task = home.task(&script(&home.dag, "kept", "exit 0"));
    home.run(&["submit", &task]).expect(0);
    let other = home.task(&script(&home.dag, "other", "exit 0"));
    let before = std::fs::read(home.database()).unwrap();
    let locked = Locked::make(&home);
    for command in COMMANDS {
        let ended = as_somebody(&home, &[command, &other]);
        sentence(
            ended,
            2,
            &["adjourn.db", "cannot be written", "permissions"],
        );
    }
    drop(locked);
    assert!(std::fs::read(home.database()).unwrap() == before);
    assert_eq!(home.sql("SELECT id FROM task_list").len(), 1);
}

/// A state directory in which nobody but root can write; writable again when dropped.
struct Locked(PathBuf);

impl Locked {
    fn make(home: &Home) -> Self {
        let state = home.state();
        for entry in std::fs::read_dir(&state).unwrap() {
            chmod(&entry.unwrap().path(), 0o444);
        }
        chmod(&state, 0o555);
        Self(state)
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        chmod(&self.0, 0o755);
        for entry in std::fs::read_dir(&self.0).unwrap() {
            chmod(&entry.unwrap().path(), 0o644);
        }
    }
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs a command as a user whom permissions hold: to root they mean nothing.
fn as_somebody(home: &Home, arguments: &[&str]) -> Finished {
    let mut command = home.command(arguments);
    if nix::unistd::geteuid().is_root() {
        for path in [home.path(), &home.path().join("state")] {
            chmod(path, 0o755);
        }
        command.uid(65534).gid(65534);
    }
    Running::start(command).finish()
}
