//! What containers see, and what they cannot reach.

use std::path::Path;

use adjourn::local_cluster::node::{ExecEnd, ExecRequest, LogOptions};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::bench::{Bench, commands_with, log, never, waits};

#[tokio::test]
async fn containers_share_an_empty_dir_and_leave_the_host_alone() {
    let bench = Bench::start().await;
    let mut events = bench.watch();
    let mount = json!([{"name": "shared", "mountPath": "/airflow/xcom"}]);
    let writer = "echo '{\"a\": 1}' > /airflow/xcom/return.json; touch /adjourn-test-file; rm -rf /etc/passwd; true";
    let reader = "until test -s /airflow/xcom/return.json; do sleep 0.02; done; cat /airflow/xcom/return.json";
    bench.create(
        "xcom",
        json!({
            "restartPolicy": "Never",
            "volumes": [{"name": "shared", "emptyDir": {}}],
            "containers": [
                {"name": "base", "image": "busybox", "command": ["sh", "-c", writer], "volumeMounts": mount},
                {"name": "airflow-xcom-sidecar", "image": "busybox", "command": ["sh", "-c", reader], "volumeMounts": mount},
            ],
        }),
    );
    let pod = events.until_phase("xcom", "Succeeded").await.pop().unwrap();
    let statuses = pod["status"]["containerStatuses"].as_array().unwrap();
    let names: Vec<_> = statuses
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["airflow-xcom-sidecar", "base"]);
    assert!(
        bench
            .log_file("xcom", "airflow-xcom-sidecar", 1)
            .contains(" F {\"a\": 1}\n")
    );
    assert!(Path::new("/etc/passwd").exists());
    assert!(!Path::new("/adjourn-test-file").exists());
    bench.stop().await;
}

#[tokio::test]
async fn plain_processes_run_and_leave_nobody_behind() {
    let bench = Bench::with(Bench::plain).await;
    assert!(bench.node.isolation().contains("plain processes"));
    let mut events = bench.watch();
    let script = "setsid sleep 987654 & sleep 987655 & echo $HOSTNAME; exit 4";
    bench.create("plain", never(&["sh", "-c", script]));
    let pod = events.until_phase("plain", "Failed").await.pop().unwrap();
    let ended = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(ended["exitCode"], 4);
    assert_eq!(
        log(&bench, "plain", LogOptions::default()).await.unwrap(),
        "plain\n"
    );
    assert_eq!(commands_with("98765"), Vec::<String>::new());
    bench.stop().await;
}

#[tokio::test]
async fn a_mount_without_namespaces_fails_the_pod_and_says_why() {
    let bench = Bench::with(Bench::plain).await;
    let mut events = bench.watch();
    let mut spec = never(&["true"]);
    spec["volumes"] = json!([{"name": "v", "emptyDir": {}}]);
    spec["containers"][0]["volumeMounts"] = json!([{"name": "v", "mountPath": "/v"}]);
    bench.create("mounts", spec);
    let pod = events.until_phase("mounts", "Failed").await.pop().unwrap();
    assert_eq!(pod["status"]["reason"], "MountsUnavailable");
    let said = bench.said("mounts");
    assert!(
        said.iter()
            .any(|(reason, text)| reason == "MountsUnavailable" && text.contains("namespaces"))
    );
    bench.stop().await;
}

/// Runs a command in container `base` with `input`; gives its end and its output.
async fn run_in(bench: &Bench, name: &str, command: &[&str], input: &str) -> (ExecEnd, String) {
    let request = ExecRequest {
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        stdin: true,
        stdout: true,
        stderr: true,
    };
    let mut session = bench.node.exec(&bench.get(name), "base", &request).unwrap();
    let mut stdin = session.stdin.take().unwrap();
    // A command that could not be started does not read.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let mut output = String::new();
    session
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut output)
        .await
        .unwrap();
    (session.wait().await.unwrap(), output)
}

#[tokio::test]
async fn commands_run_inside_a_container_and_can_end_it() {
    let bench = Bench::start().await;
    let mut events = bench.watch();
    let mut spec = never(&[
        "sh",
        "-c",
        "trap 'exit 0' INT; echo 5 > /tmp/own; while true; do sleep 0.05; done",
    ]);
    spec["containers"][0]["env"] = json!([{"name": "WHO", "value": "base"}]);
    bench.create("inner", spec);
    events.until_phase("inner", "Running").await;
    let (end, text) = run_in(
        &bench,
        "inner",
        &["sh", "-c", "cat - /tmp/own; echo $WHO; hostname; exit 7"],
        "in\n",
    )
    .await;
    assert_eq!(end, ExecEnd::Exited(7));
    assert_eq!(text, "in\n5\nbase\ninner\n");
    let (end, _) = run_in(&bench, "inner", &["/no/such"], "").await;
    assert_eq!(
        end,
        ExecEnd::NotStarted("exec: \"/no/such\": no such file or directory".to_owned())
    );
    let (end, _) = run_in(&bench, "inner", &["sh", "-c", "kill -9 $$"], "").await;
    assert_eq!(end, ExecEnd::Exited(137));
    let (end, _) = run_in(&bench, "inner", &["kill", "-2", "1"], "").await;
    assert_eq!(end, ExecEnd::Exited(0));
    let pod = events
        .until_phase("inner", "Succeeded")
        .await
        .pop()
        .unwrap();
    let refused = bench
        .node
        .exec(&pod, "base", &ExecRequest::default())
        .unwrap_err();
    assert_eq!(refused.to_string(), "container not found (\"base\")");
    bench.stop().await;
}

#[tokio::test]
async fn a_container_starts_from_a_clean_slate() {
    let bench = Bench::start().await;
    let mut events = bench.watch();
    let script = "umask; grep -c 'SigIgn:.*0000000$' /proc/self/status; pwd; touch /x 2>/dev/null || echo closed; \
                  touch /v/open && echo open; env | sort | cut -d= -f1 | tr '\\n' ' '";
    let mut spec = never(&["sh", "-c", script]);
    spec["volumes"] = json!([{"name": "v", "emptyDir": {}}]);
    let base = &mut spec["containers"][0];
    base["workingDir"] = json!("/made/for/it");
    base["securityContext"] = json!({"readOnlyRootFilesystem": true});
    base["volumeMounts"] =
        json!([{"name": "v", "mountPath": "/v"}, {"name": "v", "mountPath": "/made/for/it"}]);
    bench.create("clean", spec);
    events.until_phase("clean", "Succeeded").await;
    let text = log(&bench, "clean", LogOptions::default()).await.unwrap();
    assert_eq!(
        text,
        "0022\n1\n/made/for/it\nclosed\nopen\nHOME HOSTNAME PATH PWD "
    );
    bench.stop().await;
}

#[tokio::test]
async fn a_command_can_have_a_terminal() {
    let bench = Bench::start().await;
    let mut events = bench.watch();
    bench.create("terminal", waits("exit 0"));
    events.until_phase("terminal", "Running").await;
    let script = "test -t 0 && test -t 1 && tty; until test \"$(stty size)\" = '40 120'; do sleep 0.02; done; \
                  stty size; read line; echo got $line; exit 3";
    let request = ExecRequest {
        command: ["sh", "-c", script].map(str::to_owned).to_vec(),
        stdin: true,
        stdout: true,
        stderr: false,
    };
    let pod = bench.get("terminal");
    let mut session = bench.node.exec_on_terminal(&pod, "base", &request).unwrap();
    session.terminal.as_ref().unwrap().resize(120, 40).unwrap();
    let mut stdin = session.stdin.take().unwrap();
    stdin.write_all(b"hello\n").await.unwrap();
    let mut text = String::new();
    session
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .await
        .unwrap();
    assert_eq!(session.wait().await.unwrap(), ExecEnd::Exited(3));
    assert!(text.contains("/dev/pts/0\r\n"), "{text:?}");
    assert!(text.contains("40 120\r\n"), "{text:?}");
    assert!(text.ends_with("got hello\r\n"), "{text:?}");
    drop(stdin);
    bench.stop().await;
}
