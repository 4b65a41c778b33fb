//! Tasks that no cluster has seen yet.

use serde_json::Value;

use crate::sandbox::{HELLO, Sandbox, redacted};

#[test]
fn submit_prints_the_ids_alone() {
    let sandbox = Sandbox::new();
    let two = "task_id: a\nimage: busybox\n---\ntask_id: b\nimage: busybox\n";
    assert_eq!(sandbox.with_input("submit -", two).good(), "1\n2\n");
    assert_eq!(sandbox.with_input("submit -", two).good(), "3\n4\n");
    let keys = sandbox.adjourn("list -o json").good();
    let keys: Vec<Value> = serde_json::from_str(&keys).unwrap();
    assert_eq!(keys[0]["run_id"], keys[1]["run_id"], "one file, one run");
    assert_ne!(keys[0]["run_id"], keys[2]["run_id"]);
}

#[test]
fn the_same_task_again_is_the_same_task() {
    let sandbox = Sandbox::new();
    sandbox.submit_hello();
    sandbox.submit_hello();
    let again = sandbox.with_input("submit - -o jsonl", HELLO).good();
    assert_eq!(
        again,
        "{\"id\":1,\"key\":\"default/hello/first\",\"created\":false}\n"
    );
}

#[test]
fn a_list_in_every_format() {
    let sandbox = Sandbox::new();
    sandbox.submit_hello();
    for format in ["table", "wide", "json", "jsonl", "yaml", "name"] {
        let printed = sandbox.run(["list", "-o", format]).good();
        insta::assert_snapshot!(format!("list_{format}"), redacted(&printed));
    }
}

#[test]
fn a_description_in_every_format() {
    let sandbox = Sandbox::new();
    sandbox.submit_hello();
    for format in ["table", "json", "yaml", "name"] {
        let printed = sandbox.run(["describe", "1", "-o", format]).good();
        insta::assert_snapshot!(format!("describe_{format}"), redacted(&printed));
    }
    let by_key = sandbox.adjourn("describe default/hello/first -o name");
    assert_eq!(by_key.good(), "1\n");
}

#[test]
fn a_list_can_be_narrowed() {
    let sandbox = Sandbox::new();
    let three = "\
- {task_id: a, dag_id: x, run_id: r1, image: busybox}
- {task_id: b, dag_id: x, run_id: r2, image: busybox}
- {task_id: b, dag_id: y, run_id: r2, image: busybox}
";
    assert_eq!(sandbox.with_input("submit -", three).good(), "1\n2\n3\n");
    assert_eq!(sandbox.adjourn("cancel 2 -o name").good(), "2\n");
    for (words, ids) in [
        ("", "3\n2\n1\n"),
        ("--dag x", "2\n1\n"),
        ("--task b", "3\n2\n"),
        ("--run r2 --dag x", "2\n"),
        ("--state queued", "3\n1\n"),
        ("--state queued,cancelled", "3\n2\n1\n"),
        ("--state success", ""),
        ("--limit 1", "3\n"),
        ("1 2", "2\n1\n"),
    ] {
        let found = sandbox.adjourn(&format!("list -o name {words}")).good();
        assert_eq!(found, ids, "{words}");
    }
}

#[test]
fn a_queued_task_is_cancelled_without_a_daemon_and_without_a_cluster() {
    let sandbox = Sandbox::new();
    sandbox.submit_hello();
    let done = sandbox.adjourn("cancel 1");
    assert_eq!((done.code, done.out.as_str()), (0, ""));
    assert_eq!(done.err, "task 1 cancelled\n");
    assert_eq!(sandbox.adjourn("cancel 1").code, 0, "it is as asked");
    assert_eq!(sandbox.adjourn("wait 1").code, 1);
    let run = sandbox.adjourn("run --task 1");
    assert_eq!((run.code, run.out.as_str()), (1, ""));
    assert_eq!(run.err, "task 1 default/hello/first\ntask 1 cancelled\n");
}

#[test]
fn a_cancellation_can_be_left_to_others() {
    let sandbox = Sandbox::new();
    sandbox.submit_hello();
    let done = sandbox.adjourn("cancel 1 --no-wait");
    assert_eq!(
        (done.code, done.err.as_str()),
        (0, "task 1 will be cancelled\n")
    );
    assert_eq!(sandbox.adjourn("list --state queued -o name").good(), "1\n");
}

#[test]
fn a_cancelled_task_can_be_tried_again() {
    let sandbox = Sandbox::new();
    sandbox.submit_hello();
    sandbox.adjourn("cancel 1").good();
    let done = sandbox.adjourn("retry 1");
    assert_eq!(
        (done.code, done.err.as_str()),
        (0, "task 1 is queued for try 2\n")
    );
    let done = sandbox.adjourn("retry 1");
    assert_eq!((done.code, done.out.as_str()), (1, ""));
    assert!(done.err.starts_with("error: task 1: "), "{}", done.err);
}

#[test]
fn waiting_gives_up_when_told_to() {
    let sandbox = Sandbox::new();
    sandbox.submit_hello();
    sandbox.adjourn("wait 1 --timeout 0.1").bad(
        124,
        "\
note: no adjourn serve and no adjourn run works on this database now; waiting all the same
error: not every task has ended within 0.1s; they go on",
    );
}

#[test]
fn run_needs_a_cluster_and_stores_nothing_without_one() {
    let sandbox = Sandbox::new();
    sandbox.file("hello.yaml", HELLO);
    sandbox.adjourn("run hello.yaml --kubeconfig gone").bad(
        4,
        "error: connection kubernetes_default: cannot read the kubeconfig gone: check the path and its permissions: No such file or directory (os error 2)",
    );
    let done = sandbox.adjourn("run hello.yaml");
    assert_eq!((done.code, done.out.as_str()), (4, ""));
    assert!(done.err.contains("--local"), "{}", done.err);
    sandbox.file("silent", &kubeconfig("https://127.0.0.1:1"));
    let done = sandbox.adjourn("run hello.yaml --kubeconfig silent");
    assert_eq!((done.code, done.out.as_str()), (4, ""));
    assert!(
        done.err
            .starts_with("error: cannot reach the API server https://127.0.0.1:1"),
        "{}",
        done.err
    );
    assert_eq!(done.err.lines().count(), 1, "{}", done.err);
    assert_eq!(sandbox.adjourn("list -o name").good(), "");
    let done = sandbox.adjourn("run hello.yaml --kubeconfig silent --context other");
    assert_eq!(done.code, 4, "{}", done.err);
    assert!(done.err.contains("other"), "{}", done.err);
}

fn kubeconfig(server: &str) -> String {
    serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "here", "cluster": {"server": server}}],
        "users": [{"name": "here", "user": {"token": "t"}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "here"}}],
    })
    .to_string()
}

#[test]
fn the_local_cluster_that_does_not_run_is_told() {
    let sandbox = Sandbox::new();
    for command in ["cluster status", "cluster kubeconfig"] {
        sandbox.adjourn(command).bad(
            4,
            "error: the local cluster does not run; start it with `adjourn cluster start`",
        );
    }
    let done = sandbox.adjourn("cluster stop");
    assert_eq!(
        (done.code, done.err.as_str()),
        (0, "the local cluster does not run\n")
    );
}

#[test]
fn sql_answers_and_never_writes() {
    let sandbox = Sandbox::new();
    sandbox.submit_hello();
    let ask = |format: &str, statement: &str| sandbox.run(["sql", "-o", format, statement]);
    let question = "select id, task_id, exit_code from task_list";
    assert_eq!(
        ask("table", question).good(),
        "id   task_id   exit_code\n1    hello     NULL\n"
    );
    assert_eq!(
        ask("jsonl", question).good(),
        "{\"id\":1,\"task_id\":\"hello\",\"exit_code\":null}\n"
    );
    assert_eq!(sandbox.with_input("sql - -o name", question).good(), "1\n");
    assert_eq!(ask("table", "select * from deferred_tasks").code, 0);
    for statement in [
        "delete from tasks",
        "drop table tasks",
        "update tasks set state = 'success'",
        "insert into xcom values (1, 'a', '1')",
        "pragma journal_mode = delete; delete from tasks",
    ] {
        let done = ask("table", statement);
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{statement}");
        assert_eq!(done.err.lines().count(), 1, "{}", done.err);
    }
    let done = ask("table", "select nonsense");
    done.bad(2, "error: no such column: nonsense");
    assert_eq!(sandbox.adjourn("list --state queued -o name").good(), "1\n");
}

#[test]
fn the_log_of_a_task_that_has_none_is_empty() {
    let sandbox = Sandbox::new();
    sandbox.submit_hello();
    for words in [
        "",
        "--tail 3",
        "--prefix --timestamps",
        "-c base --since 1h",
    ] {
        assert_eq!(sandbox.adjourn(&format!("logs 1 {words}")).good(), "");
    }
}
