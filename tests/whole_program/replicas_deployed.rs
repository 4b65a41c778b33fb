//! deploy/postgres: replicas on one PostgreSQL that nothing but the database ties together.

use std::process::Command;

use adjourn::config::Config;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::manifests::{faults, of_kind, rendered, replicated};
use crate::support::Home;

#[test]
fn every_manifest_of_the_replicas_fits_the_schema_of_its_kind() {
    let home = Home::without_cluster();
    let documents = replicated(&home);
    assert_eq!(documents.len(), 9);
    for document in &documents {
        assert_eq!(faults(document), Vec::<String>::new(), "{document:#}");
    }
    let mut budget = of_kind(&documents, "PodDisruptionBudget").clone();
    budget["spec"]["maxUnavailble"] = json!(1);
    assert_ne!(faults(&budget), Vec::<String>::new());
}

#[test]
fn the_replicas_have_the_rights_of_the_base_and_none_of_its_storage() {
    let documents = rendered("postgres");
    for kept in rendered("base") {
        let kind = kept["kind"].as_str().unwrap();
        if !["Deployment", "NetworkPolicy", "PersistentVolumeClaim"].contains(&kind) {
            assert_eq!(*of_kind(&documents, kind), kept);
        }
    }
    assert!(
        !documents
            .iter()
            .any(|it| it["kind"] == "PersistentVolumeClaim")
    );
    let pod = &of_kind(&documents, "Deployment")["spec"]["template"]["spec"];
    // What is mounted comes from the cluster's API, and is only read.
    let volumes = pod["volumes"].as_array().unwrap();
    let mounts = pod["containers"][0]["volumeMounts"].as_array().unwrap();
    assert_eq!(volumes.len(), mounts.len());
    for volume in volumes {
        assert!(
            volume.get("secret").or(volume.get("configMap")).is_some(),
            "{volume}"
        );
        let mount = mounts.iter().find(|it| it["name"] == volume["name"]);
        assert_eq!(mount.unwrap()["readOnly"], true);
    }
    // The base's own rules stand, and the database can be reached beside them.
    let policy = |documents: &[Value]| {
        let policy = of_kind(documents, "NetworkPolicy");
        policy["spec"]["egress"].as_array().unwrap().clone()
    };
    let (own, base) = (policy(&documents), policy(&rendered("base")));
    assert_eq!(own[..base.len()], base);
    assert_eq!(own[base.len()..], [json!({"ports": [{"port": 5432}]})]);
}

/// The variables of the container, by their names.
fn variable<'d>(container: &'d Value, name: &str) -> &'d Value {
    let variables = container["env"].as_array().unwrap();
    variables.iter().find(|it| it["name"] == name).unwrap()
}

#[test]
fn the_way_to_the_database_is_in_a_secret_alone() {
    let home = Home::without_cluster();
    let documents = replicated(&home);
    let pod = &of_kind(&documents, "Deployment")["spec"]["template"]["spec"];
    assert_eq!(
        variable(&pod["containers"][0], "ADJOURN_DB")["valueFrom"],
        json!({"secretKeyRef": {"name": "adjourn-database", "key": "url"}})
    );
    assert!(!documents.iter().any(|it| it["kind"] == "Secret"));
    assert!(!json!(documents).to_string().contains("postgres://"));
}

#[test]
fn one_replica_goes_at_a_time_and_a_node_takes_one_along() {
    let documents = rendered("postgres");
    let spec = &of_kind(&documents, "Deployment")["spec"];
    assert_eq!(spec["replicas"], 3);
    assert_eq!(
        spec["strategy"],
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}})
    );
    let budget = &of_kind(&documents, "PodDisruptionBudget")["spec"];
    assert_eq!(budget["maxUnavailable"], 1);
    let pod = &spec["template"];
    let labels = &pod["metadata"]["labels"];
    let apart = &pod["spec"]["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
        [0]["podAffinityTerm"];
    assert_eq!(apart["topologyKey"], "kubernetes.io/hostname");
    let spread = &pod["spec"]["topologySpreadConstraints"][0];
    assert_eq!(spread["topologyKey"], "topology.kubernetes.io/zone");
    for selector in [
        &spec["selector"],
        &budget["selector"],
        &apart["labelSelector"],
        &spread["labelSelector"],
    ] {
        assert_eq!(selector["matchLabels"], *labels);
    }
}

#[test]
fn a_replica_answers_its_probes_without_a_token_and_ends_within_its_grace() {
    let home = Home::new();
    let documents = rendered("postgres");
    let pod = &of_kind(&documents, "Deployment")["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let home = home.set("ADJOURN_HTTP_TOKENS_FILE", "tokens.json");
    let token = home.run(&["token", "create", "deploys"]).expect(0);
    // As it is deployed, but for the port: that is one on every machine, and tests are many.
    let arguments = container["args"].as_array().unwrap().iter();
    let arguments: Vec<String> = arguments
        .map(|it| it.as_str().unwrap().replace(":8470", ":0"))
        .collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let serve = home.start(&arguments);
    let said = serve.until_err("readiness", |said| said.contains("http://0.0.0.0:"));
    let port = said.split("http://0.0.0.0:").nth(1).unwrap();
    let port = port.split(|c: char| !c.is_ascii_digit()).next().unwrap();
    let asked = |path: &str, token: &str| {
        let answer = Command::new("curl")
            .args(["-s", "-o", "/dev/null", "-w", "%{http_code}"])
            .args(["-H", &format!("Authorization: Bearer {token}")])
            .arg(format!("http://127.0.0.1:{port}{path}"))
            .output()
            .unwrap();
        String::from_utf8(answer.stdout).unwrap()
    };
    for (probe, path) in [
        ("startupProbe", "/healthz"),
        ("livenessProbe", "/healthz"),
        ("readinessProbe", "/readyz"),
    ] {
        let get = &container[probe]["httpGet"];
        assert_eq!(get["path"], path, "{probe}");
        assert_eq!(get["port"], container["ports"][0]["name"], "{probe}");
        assert_eq!(asked(path, "none"), "200", "{probe}");
    }
    assert_eq!(asked("/metrics", "none"), "401");
    assert_eq!(asked("/metrics", token.text().trim()), "200");
    serve.signal(Signal::SIGTERM);
    serve.finish().expect(0);
    let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
    let before = &container["lifecycle"]["preStop"]["sleep"]["seconds"];
    let steps = Config::default().worker.shutdown_grace_seconds;
    // As much again for what the database takes to be told.
    assert!(grace >= 2 * (before.as_u64().unwrap() + steps));
}

#[test]
fn tls_changes_the_probes_the_scraping_and_the_daemon_together() {
    let home = Home::without_cluster();
    let documents = replicated(&home);
    let pod = &of_kind(&documents, "Deployment")["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        assert_eq!(container[probe]["httpGet"]["scheme"], "HTTPS", "{probe}");
    }
    let scraped = &of_kind(&documents, "PodMonitor")["spec"]["podMetricsEndpoints"][0];
    assert_eq!(scraped["scheme"], "https");
    assert_eq!(scraped["port"], container["ports"][0]["name"]);
    let service = of_kind(&documents, "Service");
    let name = format!(
        "{}.{}.svc",
        service["metadata"]["name"].as_str().unwrap(),
        service["metadata"]["namespace"].as_str().unwrap()
    );
    assert_eq!(scraped["tlsConfig"]["serverName"], name);
    // The files that the daemon is told of lie where they are mounted.
    let mounts = container["volumeMounts"].as_array().unwrap();
    for (setting, volume) in [
        ("ADJOURN_HTTP_TLS_CERT", "tls"),
        ("ADJOURN_HTTP_TLS_KEY", "tls"),
        ("ADJOURN_HTTP_TOKENS_FILE", "api"),
    ] {
        let mount = mounts.iter().find(|it| it["name"] == volume).unwrap();
        let path = variable(container, setting)["value"].as_str().unwrap();
        let place = path.rsplit_once('/').unwrap().0;
        assert_eq!(mount["mountPath"], place, "{setting}");
    }
}
