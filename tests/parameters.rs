//! Every parameter of the reference by its own name: what it is, and what it does to the pod or
//! to how the task is run.
#![allow(
    clippy::unwrap_used,
    reason = "a parameter that is not read fails its test"
)]

use std::collections::BTreeSet;

use adjourn::pod::spec::{
    BuildContext, ConnectionDefaults, RandomNames, Stamps, TaskInstance, build,
};
use adjourn::task::file::{TaskFile, json_schema, parse};
use serde_json::{Value, json};

/// Where a parameter shows.
enum Shows {
    /// In the pod, at this place.
    Pod(&'static str, Value),
    /// In the task as it is stored, at this place.
    Task(&'static str, Value),
}

use Shows::{Pod, Task};

/// One parameter: its name, a value as a user writes it, and where that shows.
fn rows() -> Vec<(&'static str, &'static str, Shows)> {
    const BASE: &str = "/spec/containers/0";
    let base = |field: &str| -> &'static str { format!("{BASE}/{field}").leak() };
    vec![
        (
            "kubernetes_conn_id",
            "prod",
            Task("/pod/kubernetes_conn_id", json!("prod")),
        ),
        (
            "namespace",
            "jobs",
            Pod("/metadata/namespace", json!("jobs")),
        ),
        ("image", "alpine:3", Pod(base("image"), json!("alpine:3"))),
        (
            "name",
            "My_Job",
            Pod("/metadata/name", json!("my-job-zzzzzzzz")),
        ),
        (
            "random_name_suffix",
            "false",
            Pod("/metadata/name", json!("t")),
        ),
        (
            "cmds",
            "[sh, -c]",
            Pod(base("command"), json!(["sh", "-c"])),
        ),
        ("arguments", "[a]", Pod(base("args"), json!(["a"]))),
        (
            "ports",
            "[{containerPort: 80}]",
            Pod(base("ports/0/containerPort"), json!(80)),
        ),
        (
            "volumes",
            "[{name: v, emptyDir: {}}]",
            Pod("/spec/volumes/0/name", json!("v")),
        ),
        (
            "volume_mounts",
            "[{name: v, mountPath: /v}]",
            Pod(base("volumeMounts/0/mountPath"), json!("/v")),
        ),
        (
            "env_vars",
            "{A: b}",
            Pod(base("env/0"), json!({"name": "A", "value": "b"})),
        ),
        (
            "env_from",
            "[{secretRef: {name: s}}]",
            Pod(base("envFrom/0/secretRef/name"), json!("s")),
        ),
        (
            "configmaps",
            "[c]",
            Pod(base("envFrom/0/configMapRef/name"), json!("c")),
        ),
        (
            "pod_runtime_info_envs",
            "[{name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]",
            Pod(
                base("env/0/valueFrom/fieldRef/fieldPath"),
                json!("status.podIP"),
            ),
        ),
        (
            "secrets",
            "[{deploy_type: env, deploy_target: tok, secret: s, key: k}]",
            Pod(base("env/0/name"), json!("TOK")),
        ),
        ("in_cluster", "true", Task("/pod/in_cluster", json!(true))),
        (
            "cluster_context",
            "c",
            Task("/pod/cluster_context", json!("c")),
        ),
        ("config_file", "/k", Task("/pod/config_file", json!("/k"))),
        ("labels", "{a: null}", Pod("/metadata/labels/a", json!(""))),
        (
            "annotations",
            "{a: b}",
            Pod("/metadata/annotations/a", json!("b")),
        ),
        (
            "reattach_on_restart",
            "false",
            Task("/pod/reattach_on_restart", json!(false)),
        ),
        (
            "durable",
            "false",
            Task("/pod/reattach_on_restart", json!(false)),
        ),
        (
            "startup_timeout_seconds",
            "2m",
            Task("/pod/startup_timeout_seconds", json!(120)),
        ),
        (
            "schedule_timeout_seconds",
            "9",
            Task("/pod/schedule_timeout_seconds", json!(9)),
        ),
        (
            "startup_check_interval_seconds",
            "0.5",
            Task("/pod/startup_check_interval_seconds", json!(0.5)),
        ),
        ("get_logs", "false", Task("/pod/get_logs", json!(false))),
        (
            "container_logs",
            "[base, side]",
            Task("/pod/container_logs", json!(["base", "side"])),
        ),
        (
            "init_container_logs",
            "true",
            Task("/pod/init_container_logs", json!(true)),
        ),
        (
            "base_container_name",
            "main",
            Pod(base("name"), json!("main")),
        ),
        (
            "base_container_status_polling_interval",
            "3",
            Task("/pod/base_container_status_polling_interval", json!(3)),
        ),
        (
            "image_pull_policy",
            "Never",
            Pod(base("imagePullPolicy"), json!("Never")),
        ),
        (
            "image_pull_secrets",
            "'a,b'",
            Pod(
                "/spec/imagePullSecrets",
                json!([{"name": "a"}, {"name": "b"}]),
            ),
        ),
        (
            "service_account_name",
            "sa",
            Pod("/spec/serviceAccountName", json!("sa")),
        ),
        (
            "automount_service_account_token",
            "false",
            Pod("/spec/automountServiceAccountToken", json!(false)),
        ),
        (
            "runtime_class_name",
            "gvisor",
            Pod("/spec/runtimeClassName", json!("gvisor")),
        ),
        (
            "priority_class_name",
            "high",
            Pod("/spec/priorityClassName", json!("high")),
        ),
        (
            "schedulername",
            "mine",
            Pod("/spec/schedulerName", json!("mine")),
        ),
        ("hostnetwork", "true", Pod("/spec/hostNetwork", json!(true))),
        (
            "host_aliases",
            "[{ip: 1.2.3.4, hostnames: [h]}]",
            Pod("/spec/hostAliases/0/ip", json!("1.2.3.4")),
        ),
        ("hostname", "h", Pod("/spec/hostname", json!("h"))),
        ("subdomain", "s", Pod("/spec/subdomain", json!("s"))),
        (
            "dnspolicy",
            "Default",
            Pod("/spec/dnsPolicy", json!("Default")),
        ),
        (
            "dns_config",
            "{searches: [x]}",
            Pod("/spec/dnsConfig/searches", json!(["x"])),
        ),
        (
            "node_selector",
            "{disk: ssd}",
            Pod("/spec/nodeSelector/disk", json!("ssd")),
        ),
        (
            "affinity",
            "{podAffinity: {}}",
            Pod("/spec/affinity/podAffinity", json!({})),
        ),
        (
            "tolerations",
            "[{operator: Exists}]",
            Pod("/spec/tolerations/0/operator", json!("Exists")),
        ),
        (
            "security_context",
            "{runAsUser: 7}",
            Pod("/spec/securityContext/runAsUser", json!(7)),
        ),
        (
            "container_security_context",
            "{privileged: true}",
            Pod(base("securityContext/privileged"), json!(true)),
        ),
        (
            "container_resources",
            "{limits: {cpu: 2}}",
            Pod(base("resources/limits/cpu"), json!("2")),
        ),
        (
            "termination_grace_period",
            "0",
            Pod("/spec/terminationGracePeriodSeconds", json!(0)),
        ),
        (
            "termination_message_policy",
            "FallbackToLogsOnError",
            Pod(
                base("terminationMessagePolicy"),
                json!("FallbackToLogsOnError"),
            ),
        ),
        (
            "active_deadline_seconds",
            "60",
            Pod("/spec/activeDeadlineSeconds", json!(60)),
        ),
        (
            "init_containers",
            "[{name: i, image: x}]",
            Pod("/spec/initContainers/0/name", json!("i")),
        ),
        (
            "full_pod_spec",
            "{spec: {nodeName: n, containers: []}}",
            Pod("/spec/nodeName", json!("n")),
        ),
        (
            "pod_template_file",
            "pod.yaml",
            Pod("/spec/nodeName", json!("from-the-file")),
        ),
        (
            "pod_template_dict",
            "{spec: {nodeName: d, containers: []}}",
            Pod("/spec/nodeName", json!("d")),
        ),
        (
            "do_xcom_push",
            "true",
            Pod("/spec/containers/1/name", json!("airflow-xcom-sidecar")),
        ),
        (
            "xcom_sidecar_container_security_context",
            "{runAsUser: 1}",
            Task(
                "/pod/xcom_sidecar_container_security_context/runAsUser",
                json!(1),
            ),
        ),
        (
            "log_events_on_failure",
            "true",
            Task("/pod/log_events_on_failure", json!(true)),
        ),
        (
            "log_events_on_startup",
            "false",
            Task("/pod/log_events_on_startup", json!(false)),
        ),
        (
            "log_pod_spec_on_failure",
            "false",
            Task("/pod/log_pod_spec_on_failure", json!(false)),
        ),
        (
            "skip_on_exit_code",
            "42",
            Task("/pod/skip_on_exit_code", json!([42])),
        ),
        ("deferrable", "false", Task("/pod/deferrable", json!(false))),
        ("poll_interval", "5", Task("/pod/poll_interval", json!(5))),
        (
            "logging_interval",
            "30",
            Task("/pod/logging_interval", json!(30)),
        ),
        (
            "on_finish_action",
            "keep_pod",
            Task("/pod/on_finish_action", json!("keep_pod")),
        ),
        (
            "is_delete_operator_pod",
            "false",
            Task("/pod/on_finish_action", json!("keep_pod")),
        ),
        (
            "on_kill_action",
            "keep_pod",
            Task("/pod/on_kill_action", json!("keep_pod")),
        ),
        ("callbacks", "mine", Task("/pod/callbacks", json!(["mine"]))),
        (
            "progress_callback",
            "mine",
            Task("/pod/progress_callback", json!("mine")),
        ),
        (
            "trigger_kwargs",
            "{a: 1}",
            Task("/pod/trigger_kwargs/a", json!(1)),
        ),
        (
            "container_name_log_prefix_enabled",
            "true",
            Task("/pod/container_name_log_prefix_enabled", json!(true)),
        ),
        (
            "log_formatter",
            "'{{ message }}'",
            Task("/pod/log_formatter", json!("{{ message }}")),
        ),
        ("task_id", "t", Task("/task_id", json!("t"))),
        (
            "dag_id",
            "etl",
            Pod("/metadata/labels/dag_id", json!("etl")),
        ),
        ("run_id", "r1", Task("/run_id", json!("r1"))),
        (
            "map_index",
            "3",
            Pod("/metadata/labels/map_index", json!("3")),
        ),
        ("params", "{a: [1]}", Task("/params/a", json!([1]))),
        ("retries", "2", Task("/retry/retries", json!(2))),
        ("retry_delay", "1m", Task("/retry/retry_delay", json!(60))),
        (
            "retry_exponential_backoff",
            "true",
            Task("/retry/backoff_multiplier", json!(2.0)),
        ),
        (
            "max_retry_delay",
            "1h",
            Task("/retry/max_retry_delay", json!(3600)),
        ),
        (
            "execution_timeout",
            "1h30m",
            Task("/execution_timeout", json!(5400)),
        ),
    ]
}

fn task(name: &str, value: &str) -> TaskFile {
    let task_id = if name == "task_id" {
        ""
    } else {
        "task_id: t\n"
    };
    let text = format!("{task_id}{name}: {value}\n");
    let mut tasks = parse(&text, "t.yaml").unwrap_or_else(|errors| panic!("{errors}"));
    let mut task = tasks.remove(0);
    if task.template_file().is_some() {
        let content = "spec: {nodeName: from-the-file, containers: []}\n";
        task.attach_template_file(content.to_owned());
    }
    task
}

fn pod(task: &TaskFile) -> Value {
    let context = BuildContext {
        task_id: &task.task_id,
        task: Some(TaskInstance {
            dag_id: &task.dag_id,
            task_id: &task.task_id,
            run_id: "r",
            map_index: task.map_index,
            try_number: 1,
        }),
        connection: &ConnectionDefaults::default(),
        service_account_namespace: None,
        stamps: Stamps::default(),
        normalise_name: true,
    };
    let mut names = RandomNames::new(rand::rng()).with_suffix("zzzzzzzz");
    build(&task.pod, &context, &mut names)
        .unwrap_or_else(|error| panic!("{error}"))
        .into_value()
}

#[test]
fn each_parameter_shows_where_it_should() {
    for (name, value, shows) in rows() {
        let task = task(name, value);
        let (seen, expected) = match shows {
            Pod(place, expected) => (pod(&task).pointer(place).cloned(), expected),
            Task(place, expected) => {
                let stored = serde_json::to_value(&task).unwrap();
                (stored.pointer(place).cloned(), expected)
            }
        };
        assert_eq!(seen, Some(expected), "{name}: {value}");
    }
}

/// The table above leaves out no key, and knows none that the parser does not.
#[test]
fn every_key_of_the_task_file_is_in_the_table() {
    let schema = json_schema();
    let known: BTreeSet<&str> = schema["$defs"]["Task"]["properties"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let tested: BTreeSet<&str> = rows().iter().map(|(name, ..)| *name).collect();
    assert_eq!(tested, known);
}

/// A key given as null is a key that is not given.
#[test]
fn null_is_the_same_as_absent() {
    let absent = task("image", "busybox");
    for (name, ..) in rows() {
        if name != "task_id" {
            let text = format!("task_id: t\nimage: busybox\n{name}: null\n");
            let text = if name == "image" {
                "task_id: t\nimage: busybox\n".to_owned()
            } else {
                text
            };
            let with_null = parse(&text, "t.yaml").unwrap().remove(0);
            assert_eq!(with_null, absent, "{name}");
        }
    }
}

/// A value of a wrong type is an error that names the key, for every key.
#[test]
fn a_wrong_type_is_told_for_every_key() {
    for (name, ..) in rows() {
        // No parameter takes a list of lists.
        let text = format!("{name}: [[[1]]]\n");
        let errors = parse(&text, "t.yaml").unwrap_err().to_string();
        assert!(errors.contains(":1:"), "{errors}");
        assert!(errors.contains(&format!(": {name}")), "{errors}");
    }
}

#[test]
fn the_sidecar_takes_its_settings_from_the_task_or_the_connection() {
    let task = parse(
        "task_id: t\ndo_xcom_push: true\nxcom_sidecar_container_security_context: {runAsUser: 1}\n",
        "t.yaml",
    )
    .unwrap()
    .remove(0);
    let connection = json!({
        "xcom_sidecar_container_image": "mirror/alpine:3",
        "xcom_sidecar_container_resources": {"limits": {"cpu": "5m"}},
        "xcom_sidecar_container_security_context": "{\"runAsUser\": 2}",
    });
    let connection = ConnectionDefaults::from_fields(connection.as_object().unwrap()).unwrap();
    let context = BuildContext {
        task_id: "t",
        task: None,
        connection: &connection,
        service_account_namespace: Some("mine"),
        stamps: Stamps {
            version: Some("1.0+dev"),
            in_cluster: Some(true),
            installation: Some("i-1"),
        },
        normalise_name: true,
    };
    let mut names = RandomNames::new(rand::rng());
    let pod = build(&task.pod, &context, &mut names).unwrap().into_value();
    let sidecar = &pod["spec"]["containers"][1];
    assert_eq!(sidecar["image"], "mirror/alpine:3");
    assert_eq!(sidecar["resources"], json!({"limits": {"cpu": "5m"}}));
    assert_eq!(sidecar["securityContext"], json!({"runAsUser": 1}));
    assert_eq!(pod["metadata"]["namespace"], "mine");
    assert_eq!(
        pod["metadata"]["labels"],
        json!({"adjourn_version": "1.0-dev", "adjourn_in_cluster": "True", "adjourn_installation": "i-1"})
    );
    let wrong = json!({"xcom_sidecar_container_resources": "{"});
    let error = ConnectionDefaults::from_fields(wrong.as_object().unwrap()).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("xcom_sidecar_container_resources: ")
    );
}
