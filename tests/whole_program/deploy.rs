//! The manifests in deploy/: they render, fit the API's schemas, and their rights suffice.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};

use super::manifests::{faults, of_kind, rendered, replicated};
use crate::support::{Cluster, Home, eventually, script, with};

#[test]
fn every_manifest_fits_the_schema_of_its_kind() {
    let documents = rendered("monitoring");
    assert_eq!(documents.len(), 9);
    for document in &documents {
        assert_eq!(faults(document), Vec::<String>::new(), "{document:#}");
    }
    let own = documents.iter().filter(|it| it["kind"] != "PodMonitor");
    let own: Vec<Value> = own.cloned().collect();
    assert_eq!(rendered("base"), own, "monitoring only adds to the base");
}

#[test]
fn what_is_misspelt_missing_or_of_another_type_does_not_fit() {
    let documents = rendered("monitoring");
    let of = |kind: &str| of_kind(&documents, kind).clone();
    for (kind, path, wrong) in [
        (
            "Deployment",
            "/spec/template/spec/containers/0",
            json!({"imagePullPolicies": "x", "name": "a"}),
        ),
        ("Deployment", "/spec/replicas", json!("one")),
        (
            "Deployment",
            "/spec/template/spec/containers/0",
            json!({"image": "a"}),
        ),
        ("Role", "/rules/0", json!({"resources": ["pods"]})),
        (
            "PersistentVolumeClaim",
            "/spec/resources",
            json!({"request": {}}),
        ),
        ("Service", "/spec/ports/0", json!({"name": "http"})),
        ("NetworkPolicy", "/spec/egress", json!({})),
        (
            "PodMonitor",
            "/spec/podMetricsEndpoints/0/port",
            json!(8470),
        ),
    ] {
        let mut document = of(kind);
        *document.pointer_mut(path).unwrap() = wrong.clone();
        assert_ne!(
            faults(&document),
            Vec::<String>::new(),
            "{kind} {path} {wrong}"
        );
    }
}

#[test]
fn what_belongs_together_names_the_same() {
    let documents = rendered("monitoring");
    let of = |kind: &str| of_kind(&documents, kind);
    let pod = &of("Deployment")["spec"]["template"];
    let container = &pod["spec"]["containers"][0];
    let has = |labels: &Value| {
        let labels = labels.as_object().unwrap();
        !labels.is_empty()
            && labels
                .iter()
                .all(|(name, value)| pod["metadata"]["labels"][name] == *value)
    };
    assert!(has(&of("Deployment")["spec"]["selector"]["matchLabels"]));
    assert!(has(&of("Service")["spec"]["selector"]));
    assert!(has(&of("PodMonitor")["spec"]["selector"]["matchLabels"]));
    let port = &container["ports"][0]["name"];
    assert_eq!(of("Service")["spec"]["ports"][0]["targetPort"], *port);
    assert_eq!(
        of("PodMonitor")["spec"]["podMetricsEndpoints"][0]["port"],
        *port
    );
    assert_eq!(
        of("NetworkPolicy")["spec"]["ingress"][0]["ports"][0]["port"],
        *port
    );
    assert_eq!(
        pod["spec"]["serviceAccountName"],
        of("ServiceAccount")["metadata"]["name"]
    );
    assert_eq!(
        of("RoleBinding")["roleRef"]["name"],
        of("Role")["metadata"]["name"]
    );
    let claim = &pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"];
    assert_eq!(*claim, of("PersistentVolumeClaim")["metadata"]["name"]);
    let arguments = container["args"].as_array().unwrap();
    let arguments: Vec<&str> = arguments.iter().map(|it| it.as_str().unwrap()).collect();
    is_understood(&arguments);
}

/// The program knows these words: with a wish for help behind them, it gives it.
#[track_caller]
fn is_understood(arguments: &[&str]) {
    let home = Home::without_cluster();
    home.run(&[arguments, &["--help"]].concat()).expect(0);
}

/// The kinds that the local cluster keeps; the others are Kubernetes' alone.
const KEPT: [&str; 4] = ["Namespace", "ServiceAccount", "Role", "RoleBinding"];

#[test]
fn what_the_local_cluster_keeps_is_taken_as_it_is_and_the_rest_is_refused() {
    // Of its own: the names are the same for whoever applies them.
    let home = Home::beside(Arc::new(Cluster::another()));
    for document in rendered("monitoring").iter().chain(&replicated(&home)) {
        let kind = document["kind"].as_str().unwrap();
        let apply = ["apply", "--server-side", "--validate=strict", "-f", "-"];
        let (done, told) = kubectl_asked(&home, &apply, &document.to_string());
        assert_eq!(done.is_some(), KEPT.contains(&kind), "{kind}: {told}");
        if done.is_none() {
            // Of a group that it serves, or of one that it does not know at all.
            let refused = [
                "could not find the requested resource",
                "no matches for kind",
            ];
            assert!(refused.iter().any(|it| told.contains(it)), "{kind}: {told}");
        }
    }
}

#[test]
fn one_daemon_works_at_a_time_and_none_as_root() {
    let documents = rendered("base");
    let spec = &of_kind(&documents, "Deployment")["spec"];
    assert_eq!(spec["replicas"], 1);
    assert_eq!(spec["strategy"]["type"], "Recreate");
    let pod = &spec["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    let container = &pod["containers"][0]["securityContext"];
    assert_eq!(container["readOnlyRootFilesystem"], true);
    assert_eq!(container["capabilities"]["drop"], json!(["ALL"]));
}

fn kubectl(home: &Home, arguments: &[&str], input: &str) -> String {
    let (said, told) = kubectl_asked(home, arguments, input);
    said.unwrap_or_else(|| panic!("kubectl {arguments:?}: {told}"))
}

/// What kubectl says if all is well, and what it says on stderr.
fn kubectl_asked(home: &Home, arguments: &[&str], input: &str) -> (Option<String>, String) {
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
    let said = String::from_utf8(output.stdout).unwrap();
    (output.status.success().then_some(said), told)
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
    for document in &documents {
        if KEPT.contains(&document["kind"].as_str().unwrap()) {
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
        let mut role = of_kind(&documents, "Role").clone();
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
