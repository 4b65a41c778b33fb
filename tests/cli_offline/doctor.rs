//! `adjourn doctor` where no cluster can be reached: what it finds in the database, what it mends.

use serde_json::Value;

use crate::databases::change;
use crate::sandbox::{HELLO, Sandbox};

/// The report of a doctor who found something.
#[track_caller]
fn report(sandbox: &Sandbox, words: &str, code: i32) -> Value {
    let done = sandbox.adjourn(&format!("doctor -o json {words}"));
    assert_eq!(done.code, code, "{}{}", done.out, done.err);
    serde_json::from_str(&done.out).unwrap()
}

/// The doctor finds exactly one thing, of this kind; answers it.
#[track_caller]
fn one(sandbox: &Sandbox, kind: &str) -> Value {
    let report = report(sandbox, "", 1);
    assert_eq!(report["clean"], false);
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{report}");
    assert_eq!(findings[0]["kind"], kind, "{report}");
    findings[0].clone()
}

/// `--fix` mends all that there is, and nothing is left to find.
#[track_caller]
fn mended(sandbox: &Sandbox) {
    let mended = report(sandbox, "--fix", 0);
    assert_eq!(mended["clean"], true, "{mended}");
    for finding in mended["findings"].as_array().unwrap() {
        assert_eq!(finding["mended"], true, "{mended}");
    }
    let after = report(sandbox, "", 0);
    assert_eq!(after["findings"].as_array().unwrap().len(), 0, "{after}");
}

#[track_caller]
fn state(sandbox: &Sandbox) -> Value {
    let told = sandbox.adjourn("describe 1 -o json").good();
    serde_json::from_str(&told).unwrap()
}

/// A home with one task that the statement has changed.
fn sick(statement: &'static str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.submit_hello();
    change(&sandbox.database(), statement);
    sandbox
}

const DEFERRED: &str =
    "UPDATE tasks SET state = 'deferred', entry = NULL, not_before = NULL, fence = 2;";

const TRIGGER: &str =
    "INSERT INTO triggers (task, fence, kind, version, kwargs, owner, deferred_at)
     VALUES (1, 2, 'time', 1, '{\"at\": \"2100-01-01T00:00:00Z\"}', 'somebody', 0);";

#[test]
fn a_sound_database_is_clean_and_what_could_not_be_checked_is_said() {
    let sandbox = Sandbox::new();
    let nothing = sandbox.adjourn("doctor");
    assert_eq!(nothing.code, 0, "{}", nothing.err);
    assert!(nothing.err.contains("no database yet"), "{}", nothing.err);
    sandbox.submit_hello();
    let done = sandbox.adjourn("doctor");
    assert_eq!((done.code, done.out.as_str()), (0, ""), "{}", done.err);
    assert!(
        done.err
            .contains("not checked: the pods and the clock of the connection kubernetes_default"),
        "{}",
        done.err
    );
    assert!(done.err.contains("1 tasks and 0 pods wait"), "{}", done.err);
    assert!(done.err.contains("nothing is wrong"), "{}", done.err);
}

#[test]
fn a_database_that_was_named_must_be_there() {
    let done = Sandbox::new().adjourn("doctor --db nowhere.db");
    assert_eq!(done.code, 3, "{}", done.err);
}

#[test]
fn a_file_that_is_no_database_is_a_finding() {
    let sandbox = Sandbox::new();
    let text = "this is no database, however long it is\n".repeat(200);
    sandbox.file("state/adjourn/adjourn.db", &text);
    let found = one(&sandbox, "database_damaged");
    assert_eq!(found["mendable"], false);
    let left = std::fs::read_to_string(sandbox.database()).unwrap();
    assert_eq!(left, text, "it was not touched");
}

#[test]
fn a_database_of_a_newer_adjourn_is_a_finding() {
    let sandbox = sick(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9000, 'of the future', true, x'00', 0);",
    );
    let found = one(&sandbox, "database_newer");
    assert!(found["what"].as_str().unwrap().contains("schema 9000"));
    assert!(found["advice"].as_str().unwrap().contains("newer adjourn"));
}

#[test]
fn a_page_that_was_overwritten_is_found() {
    let sandbox = Sandbox::new();
    sandbox.submit_hello();
    change(
        &sandbox.database(),
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
         INSERT INTO log_blocks (task, first_seq, last_seq, try_number, container, kind, lines)
         SELECT 1, i, i, 1, 'base', 'output', json_array(printf('%019d', i) || 'line ' || i) FROM n;
         PRAGMA wal_checkpoint(TRUNCATE);",
    );
    let mut bytes = std::fs::read(sandbox.database()).unwrap();
    let page = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
    let last = bytes.len() - 3 * page;
    bytes[last..last + page].fill(0x5a);
    std::fs::write(sandbox.database(), bytes).unwrap();
    let done = sandbox.adjourn("doctor -o json");
    assert_eq!(done.code, 1, "{}", done.err);
    let report: Value = serde_json::from_str(&done.out).unwrap();
    let findings = report["findings"].as_array().unwrap();
    assert!(
        findings
            .iter()
            .any(|finding| finding["kind"] == "database_damaged"),
        "{report}"
    );
}

#[test]
fn a_lease_that_ended_long_ago_is_found_and_the_task_queued_again() {
    let sandbox = sick(
        "UPDATE tasks SET state = 'running', not_before = NULL, owner = 'x:1:2:3',
                          lease_until = 1000, fence = 1",
    );
    let found = one(&sandbox, "stuck_lease");
    assert_eq!(found["task"], 1);
    mended(&sandbox);
    let told = state(&sandbox);
    assert_eq!(told["state"], "queued");
    assert_eq!(told["try_number"], 1);
}

#[test]
fn a_lease_that_holds_is_no_finding() {
    let sandbox = sick(
        "UPDATE tasks SET state = 'running', not_before = NULL, owner = 'x:1:2:3',
                          lease_until = 9999999999999, fence = 1",
    );
    report(&sandbox, "", 0);
}

#[test]
fn a_deferred_task_that_nothing_would_wake_is_resumed() {
    let sandbox = sick(DEFERRED);
    let found = one(&sandbox, "deferred_without_trigger");
    assert_eq!(found["task"], 1);
    mended(&sandbox);
    assert_eq!(state(&sandbox)["state"], "queued");
}

#[test]
fn a_trigger_of_an_earlier_deferral_wakes_nobody_and_is_mended() {
    let sandbox = sick(DEFERRED);
    change(&sandbox.database(), TRIGGER);
    report(&sandbox, "", 0);
    change(&sandbox.database(), "UPDATE triggers SET fence = 1");
    let report = report(&sandbox, "", 1);
    let kinds: Vec<&str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["trigger_without_task", "deferred_without_trigger"]);
    mended(&sandbox);
}

#[test]
fn a_trigger_for_which_no_task_waits_is_removed() {
    let sandbox = sick(TRIGGER);
    let found = one(&sandbox, "trigger_without_task");
    assert_eq!(found["mendable"], true);
    mended(&sandbox);
    assert_eq!(state(&sandbox)["state"], "queued", "the task is as it was");
}

#[test]
fn a_trigger_whose_task_is_gone_is_removed() {
    let sandbox = sick(TRIGGER);
    change(
        &sandbox.database(),
        "PRAGMA foreign_keys = OFF; UPDATE triggers SET task = 77;",
    );
    one(&sandbox, "trigger_without_task");
    mended(&sandbox);
}

#[test]
fn a_task_that_takes_a_place_without_a_pod_gives_it_back() {
    for statement in [
        "UPDATE tasks SET pod_live = 1;",
        "UPDATE tasks SET pod_live = 1, state = 'failed', entry = NULL, not_before = NULL, finished_at = 0;",
    ] {
        let sandbox = sick(statement);
        let found = one(&sandbox, "counted_without_pod");
        assert_eq!(found["mendable"], true);
        mended(&sandbox);
        let counted = sandbox.run(["sql", "SELECT pod_live FROM tasks", "-o", "name"]);
        assert_eq!(counted.good(), "0\n");
    }
}

#[test]
fn rows_that_name_a_task_that_is_gone_are_found() {
    let sandbox = sick(
        "PRAGMA foreign_keys = OFF;
         INSERT INTO xcom VALUES (77, 'return_value', '1');",
    );
    let found = one(&sandbox, "dangling_rows");
    assert_eq!(
        found["what"],
        "1 rows of xcom name tasks that are not there"
    );
}

#[test]
fn triggers_that_this_program_cannot_watch_are_told_and_left_alone() {
    for (change_it, said) in [
        ("UPDATE triggers SET kind = 'tide'", "\"tide\""),
        ("UPDATE triggers SET version = 9", "version 9"),
        ("UPDATE triggers SET kwargs = '{}'", "cannot be understood"),
    ] {
        let sandbox = sick(DEFERRED);
        change(&sandbox.database(), TRIGGER);
        change(&sandbox.database(), change_it);
        let found = one(&sandbox, "unusable_trigger");
        assert!(found["what"].as_str().unwrap().contains(said), "{found}");
        report(&sandbox, "--fix", 1);
        one(&sandbox, "unusable_trigger");
    }
}

#[test]
fn a_task_of_a_kind_that_nobody_runs_is_told() {
    let sandbox = sick("UPDATE tasks SET operator = 'tide'");
    let found = one(&sandbox, "unknown_operator");
    assert!(found["what"].as_str().unwrap().contains("\"tide\""));
}

#[test]
fn a_row_that_cannot_be_understood_hides_no_other() {
    let sandbox = sick("UPDATE tasks SET event = 'no JSON'");
    sandbox
        .with_input("submit -", &HELLO.replace("first", "second"))
        .good();
    change(
        &sandbox.database(),
        "UPDATE tasks SET operator = 'tide' WHERE id = 2",
    );
    let report = report(&sandbox, "", 1);
    assert_eq!(report["findings"][0]["kind"], "unreadable_row");
    assert_eq!(report["findings"][0]["task"], 1);
    assert_eq!(report["findings"][1]["kind"], "unknown_operator");
}

#[test]
fn a_wish_about_a_pod_that_does_not_come_true_is_told_with_its_reason() {
    let sandbox = sick(
        "INSERT INTO disposals (task, connection, overrides, server, namespace, name, nonce,
                                action, due_at, attempts, last_error, wanted_at)
         VALUES (1, 'kubernetes_default', '{}', 'https://there/', 'jobs', 'hello-1', 'n',
                 'delete', 1000, 7, 'nobody is at home', 1000)",
    );
    let found = one(&sandbox, "overdue_disposal");
    assert_eq!(found["pod"], "jobs/hello-1");
    let what = found["what"].as_str().unwrap();
    assert!(what.contains("nobody is at home"), "{what}");
    let words = sandbox.adjourn("doctor");
    assert_eq!(words.code, 1);
    assert!(words.out.starts_with("overdue_disposal: "), "{}", words.out);
    assert_eq!(sandbox.adjourn("doctor -o name").out, "overdue_disposal\n");
}
