use serde_json::{Value, json};

use super::{doubts, validate};
use crate::pod::spec::PodManifest;

/// A pod that is fine, with `changes` laid over its spec.
fn pod(changes: &Value) -> PodManifest {
    let mut spec = json!({"containers": [{"name": "base", "image": "i"}]});
    for (key, value) in changes.as_object().unwrap() {
        spec[key] = value.clone();
    }
    PodManifest::new(json!({"metadata": {"name": "p"}, "spec": spec}))
}

/// A pod whose base container has `changes` laid over it.
fn container(changes: &Value) -> PodManifest {
    let mut container = json!({"name": "base", "image": "i"});
    for (key, value) in changes.as_object().unwrap() {
        container[key] = value.clone();
    }
    pod(&json!({"containers": [container]}))
}

fn told(pod: &PodManifest) -> Vec<String> {
    validate(pod).iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_is_told_about_a_fine_pod() {
    let fine = pod(&json!({
        "volumes": [{"name": "v", "emptyDir": {}}, {"name": "default"}],
        "initContainers": [{"name": "i", "image": "x", "restartPolicy": "Always"}],
        "containers": [{
            "name": "base", "image": "r/i@sha256:0", "imagePullPolicy": "", "terminationMessagePolicy": "",
            "env": [{"name": "A.b-c", "value": "1"}, {"name": "F", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
            "envFrom": [{"configMapRef": {"name": "c"}}],
            "ports": [{"containerPort": 80, "name": "http"}],
            "volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "a/b"}],
            "resources": {"requests": {"cpu": "0.5", "nvidia.com/gpu": "1"}, "limits": {"cpu": "500m", "nvidia.com/gpu": "1"}},
        }],
        "tolerations": [{"operator": "Exists"}, {"key": "a", "effect": "NoExecute", "tolerationSeconds": 5}],
        "dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1", "::1"]},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "terminationGracePeriodSeconds": -1,
    }));
    assert_eq!(told(&fine), Vec::<String>::new());
}

#[test]
fn what_would_be_refused_is_told_with_its_place() {
    let i = json!({"name": "base", "image": "i"});
    for (pod, expected) in [
        (
            container(&json!({"image": ""})),
            "spec.containers[0].image: is missing",
        ),
        (
            container(&json!({"image": null})),
            "spec.containers[0].image: is missing",
        ),
        (
            container(&json!({"name": ""})),
            "spec.containers[0].name: must not be empty",
        ),
        (
            container(&json!({"env": [{"name": "", "value": "x"}]})),
            "spec.containers[0].env[0].name: must not be empty",
        ),
        (
            container(&json!({"env": [{"name": "a=b"}]})),
            "spec.containers[0].env[0].name: \"a=b\" is not allowed",
        ),
        (
            container(&json!({"env": [{"name": "A", "value": 1}]})),
            "spec.containers[0].env[0].value: must be text, found a number: put it in quotes",
        ),
        (
            container(
                &json!({"env": [{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "f"}}}]}),
            ),
            "spec.containers[0].env[0].valueFrom: cannot stand beside a value",
        ),
        (
            container(&json!({"env": [{"name": "A", "valueFrom": {}}]})),
            "spec.containers[0].env[0].valueFrom: must have exactly one of",
        ),
        (
            container(
                &json!({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"key": "k"}}}]}),
            ),
            "spec.containers[0].env[0].valueFrom.secretKeyRef.name: is missing",
        ),
        (
            container(&json!({"envFrom": [{}]})),
            "spec.containers[0].envFrom[0]: must have exactly one of",
        ),
        (
            container(&json!({"ports": [{"containerPort": 0}]})),
            "spec.containers[0].ports[0].containerPort: must be from 1 to 65535, is 0",
        ),
        (
            container(
                &json!({"ports": [{"containerPort": 1, "name": "a"}, {"containerPort": 2, "name": "a"}]}),
            ),
            "spec.containers[0].ports[1].name: another port",
        ),
        (
            container(&json!({"volumeMounts": [{"name": "v", "mountPath": "/v"}]})),
            "spec.containers[0].volumeMounts[0].name: the pod has no volume \"v\"",
        ),
        (
            container(&json!({"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}})),
            "spec.containers[0].resources.requests.cpu: must not be more than the limit of 1",
        ),
        (
            container(&json!({"resources": {"limits": {"cpu": "2 cores"}}})),
            "spec.containers[0].resources.limits.cpu: \"2 cores\" is not a quantity",
        ),
        (
            container(&json!({"resources": {"requests": {"nvidia.com/gpu": "1"}}})),
            "spec.containers[0].resources.requests[\"nvidia.com/gpu\"]: needs a limit",
        ),
        (
            container(&json!({"resources": {"limits": {"nvidia.com/gpu": "500m"}}})),
            "spec.containers[0].resources.limits[\"nvidia.com/gpu\"]: must be a whole number",
        ),
        (
            container(
                &json!({"securityContext": {"privileged": true, "allowPrivilegeEscalation": false}}),
            ),
            "spec.containers[0].securityContext.allowPrivilegeEscalation: must not be false",
        ),
        (
            container(&json!({"securityContext": {"runAsUser": "root"}})),
            "spec.containers[0].securityContext.runAsUser: must be a whole number",
        ),
        (
            container(&json!({"imagePullPolicy": "Sometimes"})),
            "spec.containers[0].imagePullPolicy: \"Sometimes\" is not allowed: use one of Always, IfNotPresent, Never",
        ),
        (
            pod(&json!({"containers": [i, i]})),
            "spec.containers[1].name: another container is called \"base\" too",
        ),
        (
            pod(
                &json!({"containers": [i, {"name": "airflow-xcom-sidecar", "image": "i"}, {"name": "airflow-xcom-sidecar", "image": "i"}]}),
            ),
            "spec.containers[2].name: \"airflow-xcom-sidecar\" is the sidecar that do_xcom_push adds",
        ),
        (
            pod(&json!({"initContainers": [i]})),
            "spec.containers[0].name: another container is called \"base\" too",
        ),
        (
            pod(&json!({"volumes": [{"name": "v"}, {"name": "v"}]})),
            "spec.volumes[1].name: another volume is called \"v\" too",
        ),
        (
            pod(&json!({"volumes": [{"name": "v", "emptyDir": {}, "configMap": {"name": "c"}}]})),
            "spec.volumes[0]: must be of one kind, and has emptyDir and configMap",
        ),
        (
            pod(&json!({"volumes": [{"name": "v", "configMap": {}}]})),
            "spec.volumes[0].configMap.name: is missing",
        ),
        (
            pod(&json!({"activeDeadlineSeconds": 0})),
            "spec.activeDeadlineSeconds: must be from 1 to 2147483647, is 0",
        ),
        (
            pod(&json!({"hostname": "a.b"})),
            "spec.hostname: \"a.b\" is not allowed",
        ),
        (
            pod(&json!({"nodeSelector": {"a": "b c"}})),
            "spec.nodeSelector.a: \"b c\" is not allowed",
        ),
        (
            pod(&json!({"nodeSelector": {"a": 5}})),
            "spec.nodeSelector.a: must be text, found a number",
        ),
        (
            pod(&json!({"dnsPolicy": "None"})),
            "spec.dnsConfig.nameservers: needs at least one",
        ),
        (
            pod(&json!({"tolerations": [{"value": "x"}]})),
            "spec.tolerations[0].operator: must be Exists",
        ),
        (
            pod(&json!({"tolerations": [{"key": "a", "tolerationSeconds": 1}]})),
            "spec.tolerations[0].effect: must be NoExecute",
        ),
        (
            pod(&json!({"imagePullSecrets": [{"name": " b"}]})),
            "spec.imagePullSecrets[0].name: \" b\" is not allowed",
        ),
        (
            pod(&json!({"hostAliases": [{"ip": "x"}]})),
            "spec.hostAliases[0].ip: \"x\" is not an IP address",
        ),
    ] {
        let told = told(&pod);
        assert_eq!(told.len(), 1, "{expected}: {told:?}");
        assert!(told[0].starts_with(expected), "{expected}: {told:?}");
    }
}

#[test]
fn everything_is_told_at_once() {
    let pod = PodManifest::new(json!({
        "metadata": {"name": "-p", "labels": {"a b": "c d"}},
        "spec": {"restartPolicy": "X", "containers": [{"name": "B"}]},
    }));
    let paths: Vec<String> = validate(&pod).into_iter().map(|found| found.path).collect();
    assert_eq!(
        paths,
        [
            "metadata.name",
            "metadata.labels[\"a b\"]",
            "metadata.labels[\"a b\"]",
            "spec.containers[0].name",
            "spec.containers[0].image",
            "spec.restartPolicy",
        ]
    );
}

#[test]
fn what_would_be_dropped_is_doubted_and_not_refused() {
    let pod = container(&json!({"securityContext": {"runAsUsr": 1}}));
    assert_eq!(told(&pod), Vec::<String>::new());
    let doubts: Vec<String> = doubts(&pod).iter().map(ToString::to_string).collect();
    assert_eq!(
        doubts,
        [
            "spec.containers[0].securityContext.runAsUsr: unknown field, did you mean runAsUser? (the API server would drop it)"
        ]
    );
}

#[test]
fn no_value_of_a_variable_is_ever_told() {
    let pod = container(&json!({
        "env": [{"name": "=", "value": "hunter2", "valueFrom": {}}, {"name": "B", "value": ["hunter2"]}],
    }));
    let told = told(&pod).join("\n");
    assert!(!told.is_empty() && !told.contains("hunter2"), "{told}");
}
