//! Backups: whole or not there, and put back without losing what they replace.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use crate::databases::change;
use crate::sandbox::{Sandbox, exists};

/// A home with a task whose log is large enough that copying it takes a while.
fn with_much_to_copy() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.submit_hello();
    change(
        &sandbox.database(),
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
         INSERT INTO log_blocks (task, first_seq, last_seq, try_number, container, kind, lines, raw)
         SELECT 1, i, i, 1, 'base', 'output', json_array(printf('%019d', i)), randomblob(100000)
         FROM n",
    );
    sandbox
}

/// The files in the directory of `path` whose names begin with that of `path`, it left out.
fn beside(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().unwrap().to_str().unwrap();
    let entries = std::fs::read_dir(path.parent().unwrap()).unwrap();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|other| other != path)
        .filter(|other| {
            other
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with(name)
        })
        .collect();
    found.sort();
    found
}

/// Starts the program and kills it as soon as `path` is there, or lets it end before that.
fn killed_at(sandbox: &Sandbox, words: &[&str], path: &Path) {
    let mut program = sandbox.program();
    program.args(words).stderr(Stdio::null());
    let mut child: Child = program.spawn().unwrap();
    while !exists(path) && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

fn lines(sandbox: &Sandbox) -> String {
    let question = "select count(*), sum(length(line)) from log_lines";
    sandbox.run(["sql", question, "-o", "jsonl"]).good()
}

#[test]
fn a_backup_is_a_database_that_only_its_owner_can_read() {
    let sandbox = Sandbox::new();
    sandbox.submit_hello();
    let done = sandbox.adjourn("backup copy.db -o json").good();
    let made: serde_json::Value = serde_json::from_str(&done).unwrap();
    let metadata = std::fs::metadata(sandbox.path("copy.db")).unwrap();
    assert_eq!(made["bytes"], metadata.len());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    assert_eq!(sandbox.adjourn("get -o name --db copy.db").good(), "1\n");
}

#[test]
fn a_backup_overwrites_nothing() {
    let sandbox = Sandbox::new();
    sandbox.submit_hello();
    sandbox.file("copy.db", "precious");
    sandbox.adjourn("backup copy.db").bad(
        2,
        "error: copy.db is there already; give a name that is free, a backup overwrites nothing",
    );
    let kept = std::fs::read_to_string(sandbox.path("copy.db")).unwrap();
    assert_eq!(kept, "precious");
    assert_eq!(beside(&sandbox.path("copy.db")), [] as [PathBuf; 0]);
}

#[test]
fn a_backup_needs_a_database() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.adjourn("backup copy.db").code, 3);
    assert!(!exists(&sandbox.path("copy.db")));
}

#[test]
fn what_was_there_is_kept_when_a_backup_is_restored() {
    let sandbox = Sandbox::new();
    sandbox.submit_hello();
    sandbox.adjourn("backup copy.db").good();
    let second = "task_id: second\nimage: busybox\n";
    assert_eq!(sandbox.with_input("submit -", second).good(), "2\n");
    let done = sandbox.adjourn("restore copy.db -o json").good();
    assert_eq!(sandbox.adjourn("get -o name").good(), "1\n");
    let restored: serde_json::Value = serde_json::from_str(&done).unwrap();
    let kept = restored["kept"].as_str().unwrap();
    let listed = sandbox.run(["get", "-o", "name", "--db", kept]).good();
    assert_eq!(listed, "2\n1\n");
    // The backup can be used again.
    assert_eq!(sandbox.adjourn("get -o name --db copy.db").good(), "1\n");
}

#[test]
fn a_backup_is_restored_where_there_is_no_database() {
    let sandbox = Sandbox::new();
    sandbox.submit_hello();
    sandbox.adjourn("backup copy.db").good();
    sandbox.adjourn("restore copy.db --db new/place.db").good();
    let listed = sandbox.adjourn("get -o name --db new/place.db").good();
    assert_eq!(listed, "1\n");
    let mode = std::fs::metadata(sandbox.path("new/place.db")).unwrap();
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
}

#[test]
fn nothing_is_restored_from_what_is_no_whole_backup() {
    let sandbox = with_much_to_copy();
    sandbox.adjourn("backup copy.db").good();
    let whole = std::fs::read(sandbox.path("copy.db")).unwrap();
    std::fs::write(sandbox.path("half.db"), &whole[..whole.len() / 2]).unwrap();
    let mut scribbled = whole.clone();
    let middle = whole.len() / 2;
    scribbled[middle..middle + 50_000].fill(7);
    std::fs::write(sandbox.path("scribbled.db"), &scribbled).unwrap();
    sandbox.file("text.db", "no database at all");
    change(&sandbox.path("foreign.db"), "CREATE TABLE t (a)");
    std::fs::write(sandbox.path("newer.db"), &whole).unwrap();
    change(
        &sandbox.path("newer.db"),
        "UPDATE _sqlx_migrations SET version = 9999 WHERE version = 1",
    );
    let before = lines(&sandbox);
    for (file, code, words) in [
        ("nowhere.db", 3, "nowhere.db"),
        ("half.db", 2, "half.db"),
        ("scribbled.db", 2, "scribbled.db"),
        ("text.db", 2, "not a usable SQLite database"),
        ("foreign.db", 2, "not one of adjourn's"),
        ("newer.db", 2, "schema 9999"),
    ] {
        let done = sandbox.run(["restore", file]);
        assert_eq!(done.code, code, "{file}: {}", done.err);
        assert!(done.err.contains(words), "{file}: {}", done.err);
        assert_eq!(lines(&sandbox), before, "{file}");
    }
    assert!(
        !beside(&sandbox.database())
            .iter()
            .any(|path| { path.to_str().unwrap().contains("before-restore") })
    );
}

#[test]
fn a_backup_that_is_killed_leaves_no_half_one_and_the_next_one_works() {
    let sandbox = with_much_to_copy();
    let (copy, partial) = (sandbox.path("copy.db"), sandbox.path("copy.db.partial"));
    killed_at(&sandbox, &["backup", "copy.db"], &partial);
    assert!(!exists(&copy), "it was killed as soon as it began");
    assert!(exists(&partial));
    sandbox.adjourn("backup copy.db").good();
    assert!(!exists(&partial));
    let before = lines(&sandbox);
    sandbox.adjourn("restore copy.db").good();
    assert_eq!(lines(&sandbox), before);
}

#[test]
fn a_restore_that_is_killed_leaves_the_old_database_or_the_new_one() {
    let sandbox = with_much_to_copy();
    sandbox.adjourn("backup copy.db").good();
    change(
        &sandbox.database(),
        "DELETE FROM log_blocks WHERE last_seq > 1",
    );
    let old = lines(&sandbox);
    let fresh = sandbox.path("state/adjourn/adjourn.db.restored");
    killed_at(&sandbox, &["restore", "copy.db"], &fresh);
    assert_eq!(lines(&sandbox), old, "it was killed as soon as it copied");
    sandbox.adjourn("restore copy.db").good();
    assert!(!exists(&fresh));
    assert!(lines(&sandbox).contains("40000000"));
}

#[test]
fn two_backups_to_one_name_do_not_mix() {
    let sandbox = with_much_to_copy();
    let start = || {
        let mut program = sandbox.program();
        program.args(["backup", "copy.db"]).stderr(Stdio::null());
        program.spawn().unwrap()
    };
    let mut both = [start(), start()];
    let codes = both.each_mut().map(|child| child.wait().unwrap().code());
    assert!(codes.contains(&Some(0)), "{codes:?}");
    assert!(codes.contains(&Some(2)), "{codes:?}");
    let before = lines(&sandbox);
    sandbox.adjourn("restore copy.db").good();
    assert_eq!(lines(&sandbox), before);
}
