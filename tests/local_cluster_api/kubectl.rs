//! `kubectl` against the local cluster, as a person uses it.

use std::process::{Command, Output, Stdio};

use crate::cluster::Cluster;

const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: a, labels: {app: x}}
spec:
  restartPolicy: Never
  containers:
  - name: base
    image: busybox
    command: [sh, -c, 'for i in 1 2 3; do echo line $i; sleep 0.5; done; exit 3']
";

pub fn kubectl(cluster: &Cluster, arguments: &[&str]) -> Command {
    let mut command = Command::new("kubectl");
    command
        .arg("--kubeconfig")
        .arg(cluster.dir.kubeconfig())
        .arg("--cache-dir")
        .arg(cluster.dir.path().join("kubectl-cache"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

pub fn run(cluster: &Cluster, arguments: &[&str]) -> Output {
    kubectl(cluster, arguments)
        .output()
        .unwrap_or_else(|error| {
            panic!(
                "this test needs kubectl 1.30 or newer on PATH, and it could not be run: {error}"
            )
        })
}

/// What kubectl prints when all is well.
pub fn said(cluster: &Cluster, arguments: &[&str]) -> String {
    let output = run(cluster, arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "kubectl {arguments:?}: {}{text}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

fn pod_file(cluster: &Cluster, contents: &str) -> String {
    let path = cluster.dir.path().join("pod.yaml");
    std::fs::write(&path, contents).unwrap();
    path.display().to_string()
}

#[test]
fn a_pod_is_applied_followed_described_and_deleted() {
    let cluster = Cluster::start();
    let file = pod_file(&cluster, POD);
    assert_eq!(said(&cluster, &["apply", "-f", &file]), "pod/a created\n");
    let watching = kubectl(&cluster, &["get", "pods", "-w", "--no-headers"])
        .spawn()
        .unwrap();
    said(
        &cluster,
        &["wait", "--for=condition=Ready", "pod/a", "--timeout=30s"],
    );
    assert_eq!(
        said(&cluster, &["logs", "-f", "a"]),
        "line 1\nline 2\nline 3\n"
    );
    said(
        &cluster,
        &[
            "wait",
            "--for=jsonpath={.status.phase}=Failed",
            "pod/a",
            "--timeout=30s",
        ],
    );
    let table = said(&cluster, &["get", "pods", "-o", "wide"]);
    let mut lines = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(
        lines.next().unwrap()[..7],
        ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE"]
    );
    assert_eq!(lines.next().unwrap()[..4], ["a", "0/1", "Error", "0"]);

    let relabelled = POD.replace("app: x", "app: second");
    let file = pod_file(&cluster, &relabelled);
    assert_eq!(
        said(&cluster, &["apply", "-f", &file]),
        "pod/a configured\n"
    );
    assert_eq!(said(&cluster, &["apply", "-f", &file]), "pod/a unchanged\n");
    assert_eq!(
        said(&cluster, &["get", "pods", "-l", "app=second", "-o", "name"]),
        "pod/a\n"
    );

    let description = said(&cluster, &["describe", "pod", "a"]);
    for part in [
        "Exit Code:    3",
        "app=second",
        "Successfully assigned default/a",
        "Started",
    ] {
        assert!(
            description.contains(part),
            "{part} is not in\n{description}"
        );
    }
    assert_eq!(
        said(&cluster, &["delete", "pod", "a"]),
        "pod \"a\" deleted\n"
    );
    let output = run(&cluster, &["get", "pod", "a"]);
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "Error from server (NotFound): pods \"a\" not found\n"
    );
    drop(cluster);
    let seen = watching.wait_with_output().unwrap();
    let seen = String::from_utf8_lossy(&seen.stdout).into_owned();
    for word in ["Running", "Error"] {
        assert!(seen.contains(word), "{word} is not in\n{seen}");
    }
}

#[test]
fn mistakes_are_told_by_the_server() {
    let cluster = Cluster::start();
    let file = pod_file(&cluster, &POD.replace("restartPolicy", "restartpolice"));
    let output = run(&cluster, &["apply", "-f", &file]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(
        error.contains("unknown field \"spec.restartpolice\""),
        "{error}"
    );
}

#[test]
fn other_kinds_are_created_listed_and_removed() {
    let cluster = Cluster::start();
    said(&cluster, &["create", "namespace", "n"]);
    said(
        &cluster,
        &["-n", "n", "create", "configmap", "m", "--from-literal=a=1"],
    );
    said(
        &cluster,
        &[
            "-n",
            "n",
            "create",
            "secret",
            "generic",
            "s",
            "--from-literal=b=2",
        ],
    );
    said(&cluster, &["-n", "n", "create", "serviceaccount", "robot"]);
    assert_eq!(
        said(
            &cluster,
            &[
                "-n",
                "n",
                "get",
                "configmap",
                "m",
                "-o",
                "jsonpath={.data.a}"
            ]
        ),
        "1"
    );
    assert_eq!(
        said(
            &cluster,
            &["-n", "n", "get", "secret", "s", "-o", "jsonpath={.data.b}"]
        ),
        "Mg=="
    );
    let accounts = said(&cluster, &["-n", "n", "get", "sa", "-o", "name"]);
    assert_eq!(accounts, "serviceaccount/default\nserviceaccount/robot\n");
    said(&cluster, &["label", "node", "--all", "disk=fast"]);
    let nodes = said(
        &cluster,
        &["get", "nodes", "-l", "disk=fast", "--no-headers"],
    );
    assert!(nodes.contains(" Ready "), "{nodes}");
    said(&cluster, &["delete", "namespace", "n"]);
    let names = said(&cluster, &["get", "namespaces", "-o", "name"]);
    assert!(!names.contains("namespace/n\n"), "{names}");
}

#[test]
fn a_command_is_run_in_a_container() {
    let cluster = Cluster::start();
    let file = pod_file(
        &cluster,
        &POD.replace(
            "for i in 1 2 3; do echo line $i; sleep 0.5; done; exit 3",
            "sleep 1000",
        )
        .replace("spec:", "spec:\n  terminationGracePeriodSeconds: 1"),
    );
    said(&cluster, &["apply", "-f", &file]);
    said(
        &cluster,
        &["wait", "--for=condition=Ready", "pod/a", "--timeout=30s"],
    );
    assert_eq!(
        said(&cluster, &["exec", "a", "--", "echo", "hello"]),
        "hello\n"
    );
    let failed = run(&cluster, &["exec", "a", "--", "sh", "-c", "exit 4"]);
    assert_eq!(failed.status.code(), Some(4));
}
