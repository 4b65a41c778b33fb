//! What is in deploy/: it renders, fits the API's types, and its rights suffice.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::support::{Home, eventually, script, with};

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

/// The documents that kubectl makes of a kustomization.
fn rendered(directory: &str) -> Vec<Value> {
    let output = Command::new("kubectl")
        .arg("kustomize")
        .arg(deploy().join(directory))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    let text = String::from_utf8(output.stdout).unwrap();
    serde_saphyr::from_multiple(&text).unwrap()
}

/// A document is of its type when the type holds all of it: what is misspelt would be lost.
#[track_caller]
fn fits<T: DeserializeOwned + Serialize>(document: &Value) {
    let typed: T = serde_json::from_value(document.clone())
        .unwrap_or_else(|error| panic!("{error} in {document:#}"));
    let mut again = serde_json::to_value(typed).unwrap();
    // The types write an object's members in an order of their own, and so may this.
    assert_eq!(sorted(&mut again), sorted(&mut document.clone()));
}

fn sorted(value: &mut Value) -> Value {
    value.sort_all_objects();
    value.clone()
}

#[test]
fn every_manifest_is_what_the_api_knows() {
    let documents = rendered("monitoring");
    assert_eq!(documents.len(), 9);
    for document in &documents {
        match document["kind"].as_str().unwrap() {
            "Namespace" => fits::<Namespace>(document),
            "ServiceAccount" => fits::<ServiceAccount>(document),
            "Role" => fits::<Role>(document),
            "RoleBinding" => fits::<RoleBinding>(document),
            "PersistentVolumeClaim" => fits::<PersistentVolumeClaim>(document),
            "Deployment" => fits::<Deployment>(document),
            "Service" => fits::<Service>(document),
            "NetworkPolicy" => fits::<NetworkPolicy>(document),
            // A type of the Prometheus operator's, which is no part of the API itself.
            "PodMonitor" => assert_eq!(document["apiVersion"], "monitoring.coreos.com/v1"),
            other => panic!("nobody checks a {other}"),
        }
    }
}

#[test]
fn one_daemon_works_at_a_time_and_none_as_root() {
    let documents = rendered("base");
    let found = documents.iter().find(|it| it["kind"] == "Deployment");
    let spec = &found.unwrap()["spec"];
    assert_eq!(spec["replicas"], 1);
    assert_eq!(spec["strategy"]["type"], "Recreate");
    let pod = &spec["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    let container = &pod["containers"][0]["securityContext"];
    assert_eq!(container["readOnlyRootFilesystem"], true);
    assert_eq!(container["capabilities"]["drop"], json!(["ALL"]));
}

fn kubectl(home: &Home, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new("kubectl")
        .arg("--kubeconfig")
        .arg(home.cluster().kubeconfig())
        .args(arguments)
        .env("HOME", home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "kubectl {arguments:?}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

/// The kubeconfig of the service account, whose namespace is its pods'.
fn kubeconfig(home: &Home, token: &str) -> String {
    let text = std::fs::read_to_string(home.cluster().kubeconfig()).unwrap();
    let mut config: Value = serde_saphyr::from_str(&text).unwrap();
    config["users"][0]["user"] = json!({"token": token});
    config["contexts"][0]["context"]["namespace"] = json!("adjourn");
    home.write("robot.json", config.to_string())
}

#[test]
fn a_whole_task_runs_with_the_rights_of_the_role_and_misses_each_that_is_taken_away() {
    let home = Home::new();
    let documents = rendered("base");
    let served = ["Namespace", "ServiceAccount", "Role", "RoleBinding"];
    for document in &documents {
        if served.contains(&document["kind"].as_str().unwrap()) {
            kubectl(&home, &["apply", "-f", "-"], &document.to_string());
        }
    }
    let token = kubectl(&home, &["create", "token", "adjourn", "-n", "adjourn"], "");
    let robot = kubeconfig(&home, token.trim());
    let words =
        "mkdir -p /airflow/xcom; echo hello; echo '{\"answer\": 42}' > /airflow/xcom/return.json";
    let task = with(
        script(&home.dag, "robot", words),
        json!({"do_xcom_push": true, "namespace": "adjourn"}),
    );
    let file = home.task(&task);
    let run = ["run", &file, "--kubeconfig", &robot, "-o", "json"];
    let done = home.run(&run).expect(0);
    assert_eq!(done.json()["state"], "success");
    assert!(done.json()["xcom"].to_string().contains("42"), "{done:?}");
    assert!(done.stderr.contains("hello"), "{done:?}");
    let list = ["get", "pods", "-n", "adjourn", "-o", "name"];
    eventually("the end of its pod", || {
        kubectl(&home, &list, "").is_empty().then_some(())
    });
    for (taken, code, words) in [
        ("pods", 5, "cannot create resource \"pods\""),
        ("pods/log", 0, "the log cannot be read"),
        ("pods/exec", 1, "the result cannot be retrieved"),
        ("events", 0, "hello"),
    ] {
        let mut role = documents
            .iter()
            .find(|it| it["kind"] == "Role")
            .unwrap()
            .clone();
        let rules = role["rules"].as_array_mut().unwrap();
        let all = rules.len();
        rules.retain(|rule| rule["resources"] != json!([taken]));
        assert_eq!(rules.len(), all - 1, "{taken}");
        kubectl(&home, &["apply", "-f", "-"], &role.to_string());
        let done = home.run(&run).expect(code);
        assert!(done.stderr.contains(words), "without {taken}: {done:?}");
        // Without events nothing is told of how the pod started; with them it is.
        let told = done.stderr.contains("Normal Started");
        assert_eq!(
            told,
            taken == "pods/log" || taken == "pods/exec",
            "without {taken}: {done:?}"
        );
    }
}
