//! `--local`: a cluster that the program starts by itself and leaves running.

use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::support::{Home, script, with};

const HELLO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/hello.yaml");

/// Stops the local cluster of a home, however the test ends.
struct StopsCluster<'a>(&'a Home);

impl Drop for StopsCluster<'_> {
    fn drop(&mut self) {
        let stopped = self.0.run(&["cluster", "stop"]);
        if !std::thread::panicking() {
            stopped.expect(0);
        }
    }
}

#[test]
fn hello_runs_from_nothing_on_the_local_cluster() {
    let home = Home::without_cluster();
    let _stops = StopsCluster(&home);
    let ended = home.run(&["run", HELLO, "--local"]).expect(0);
    assert_eq!(
        ended.text(),
        "hello from a pod\nline 1\nline 2\nline 3\ngoodbye\n"
    );
    assert!(
        ended.stderr.contains("task 1 default/hello/manual__"),
        "{ended:?}"
    );
    assert!(ended.stderr.contains("task 1 succeeded"), "{ended:?}");
    // What it says of the local cluster, a person must know.
    assert!(ended.stderr.contains("images are not pulled"), "{ended:?}");

    let status = home.run(&["cluster", "status", "-o", "json"]).expect(0);
    assert!(
        status.json()["server"]
            .as_str()
            .unwrap()
            .starts_with("https://127.0.0.1:")
    );
    let kubeconfig = home.run(&["cluster", "kubeconfig"]).expect(0);
    assert!(Path::new(kubeconfig.text().trim_end()).is_file());
    home.run(&["cluster", "stop"]).expect(0);
    home.run(&["cluster", "status"]).expect(4);
    home.run(&["cluster", "stop"]).expect(0);
}

#[test]
fn a_pod_that_a_killed_run_left_on_the_local_cluster_goes_with_the_next_run() {
    let home = Home::without_cluster();
    let _stops = StopsCluster(&home);
    let task = with(
        script(&home.dag, "left", "echo done"),
        json!({"on_finish_action": "keep_pod"}),
    );
    home.run(&["run", &home.task(&task), "--local"]).expect(0);
    // As if the kill had come between the verdict and the pod's end.
    home.change(
        "INSERT INTO disposals (task, connection, overrides, server, namespace, name, uid, nonce,
                                action, due_at, wanted_at)
         SELECT task, connection, overrides, server, namespace, name, uid, nonce, 'delete', 0, 0
         FROM pods",
    );
    let ended = home.run(&["run", "--task", "1", "--local"]).expect(0);
    assert_eq!(ended.text(), "done\n");
    let status = home.run(&["cluster", "status", "-o", "json"]).expect(0);
    assert_eq!(status.json()["pods"], 0);
}

#[test]
fn a_local_cluster_that_is_killed_and_started_again_costs_a_task_nothing() {
    let home = Home::without_cluster();
    let _stops = StopsCluster(&home);
    home.run(&["cluster", "start"]).expect(0);
    let status = home
        .run(&["cluster", "status", "-o", "json"])
        .expect(0)
        .json();
    let cluster = Pid::from_raw(status["pid"].as_i64().unwrap().try_into().unwrap());
    let task = with(
        script(
            &home.dag,
            "survivor",
            "for i in 1 2 3 4 5 6; do echo line $i; sleep 0.5; done",
        ),
        json!({"logging_interval": 1, "poll_interval": 1}),
    );
    let run = home.start(&["run", &home.task(&task), "--local"]);
    run.until_out("line 2", |said| said.contains("line 2\n"));
    kill(cluster, Signal::SIGKILL).unwrap();
    home.run(&["cluster", "start"]).expect(0);
    let ended = run.finish().expect(0);
    let lines: String = (1..=6).map(|number| format!("line {number}\n")).collect();
    assert_eq!(ended.text(), lines);
    assert_eq!(home.describe("1")["try_number"], 1);
}

#[test]
fn a_pod_is_not_taken_for_gone_because_the_connection_leads_elsewhere() {
    let home = Home::new();
    let diary = home.diary();
    let serve = home.serve();
    let task = with(
        script(&home.dag, "here", "echo up; sleep 4; echo down"),
        json!({"logging_interval": 1, "poll_interval": 1}),
    );
    let id = home.submit(&task);
    diary.until_phase("Running");
    home.until_state(&id, "deferred");
    serve.kill();

    // The flags that it was started with are forgotten: another cluster answers.
    let other = Home::without_cluster();
    let _stops = StopsCluster(&other);
    other.run(&["cluster", "start"]).expect(0);
    let kubeconfig = other.run(&["cluster", "kubeconfig"]).expect(0);
    let serve = home.start(&["serve", "--kubeconfig", kubeconfig.text().trim_end()]);
    let told =
        format!("SELECT count(*) FROM tasks WHERE id = {id} AND reason LIKE '%was created on%'");
    home.until_count("the task to say what is wrong", &told, 1);
    serve.kill();

    let serve = home.serve();
    home.run(&["wait", &id]).expect(0);
    assert_eq!(home.log(&id), b"up\ndown\n");
    assert_eq!(diary.closed().len(), 1, "no second pod");
    drop(serve);
}
