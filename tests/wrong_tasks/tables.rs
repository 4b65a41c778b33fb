//! The tables of wrong task files in tests/fixtures/wrong_tasks, one snapshot each.

use std::fmt::Write;

use crate::sandbox::Sandbox;

/// What the program says of one file, as the snapshots have it.
pub fn told(sandbox: &Sandbox, words: &str, file: &str, text: impl AsRef<[u8]>) -> String {
    let path = sandbox.path(file);
    std::fs::write(path, text).unwrap();
    let done = sandbox.adjourn(&format!("{words} {file}"));
    assert!(!done.err.contains("panicked"), "{}", done.err);
    assert_eq!(done.code, 2, "of all there is to say: {}", done.err);
    assert!(!done.err.trim().is_empty(), "something is said");
    assert!(
        done.err.lines().all(|line| line.len() < 1000),
        "nobody reads that much: {}",
        done.err
    );
    done.err.trim_end().to_owned()
}

/// Each file of a table with what is said of it.
fn table(text: &str) -> String {
    let sandbox = Sandbox::new();
    let mut snapshot = String::new();
    let mut count = 0;
    for case in text.split("=== ").skip(1) {
        let (name, file) = case.split_once('\n').unwrap();
        let said = told(&sandbox, "dry-run", "task.yaml", file);
        writeln!(snapshot, "=== {name}\n{said}").unwrap();
        count += 1;
    }
    writeln!(snapshot, "=== {count} files").unwrap();
    snapshot
}

#[test]
fn text_that_is_no_task_file() {
    insta::assert_snapshot!(table(include_str!("../fixtures/wrong_tasks/text.txt")));
}

#[test]
fn values_of_the_wrong_type() {
    insta::assert_snapshot!(table(include_str!("../fixtures/wrong_tasks/types.txt")));
}

#[test]
fn names_and_quantities_that_cannot_be() {
    insta::assert_snapshot!(table(include_str!("../fixtures/wrong_tasks/names.txt")));
}

#[test]
fn templates_that_fail() {
    insta::assert_snapshot!(table(include_str!("../fixtures/wrong_tasks/templates.txt")));
}

#[test]
fn submitting_says_the_same_and_stores_nothing() {
    let sandbox = Sandbox::new();
    for file in [
        "task_id: t\nimgae: busybox\n",
        "task_id: t\nimage: busybox\nretries: many\n",
        "task_id: a b\nimage: busybox\n",
    ] {
        assert_eq!(
            told(&sandbox, "submit", "task.yaml", file),
            told(&sandbox, "dry-run", "task.yaml", file)
        );
    }
    for (more, refused) in [
        (
            "labels: {a: '{{ params.version }}'}",
            "error: task t: labels.a: params.version is not defined",
        ),
        (
            "callbacks: [nobody]",
            "error: task t: callbacks[0]: no callback \"nobody\" is registered with this program: it has none; the built-in one is `webhook: {url: ...}`",
        ),
        (
            "callbacks: [{webhook: {url: ftp//a}}]",
            "error: task t: callbacks[0]: the webhook's url must begin with http:// or https:// and name a host",
        ),
    ] {
        let file = format!("task_id: t\nrun_id: r\nimage: busybox\n{more}\n");
        assert_eq!(told(&sandbox, "submit", "task.yaml", file), refused);
    }
    assert_eq!(sandbox.adjourn("get -o json").good(), "[]\n");
}
