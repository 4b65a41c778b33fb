//! What a created pod has although nobody wrote it.

use serde_json::{Map, Value, json};

use super::quantity;

/// Fills in the defaults of a new pod's spec.
pub(crate) fn fill_spec(spec: &mut Map<String, Value>) {
    for list in ["initContainers", "containers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            if let Some(container) = container.as_object_mut() {
                fill_container(container);
            }
        }
    }
    for volume in spec
        .get_mut("volumes")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        fill_volume(volume);
    }
    for (member, value) in [
        ("restartPolicy", json!("Always")),
        ("terminationGracePeriodSeconds", json!(30)),
        ("dnsPolicy", json!("ClusterFirst")),
        ("securityContext", json!({})),
        ("schedulerName", json!("default-scheduler")),
        ("priority", json!(0)),
        ("enableServiceLinks", json!(true)),
        ("preemptionPolicy", json!("PreemptLowerPriority")),
    ] {
        spec.entry(member).or_insert(value);
    }
    // A negative period is taken for the shortest one.
    if spec["terminationGracePeriodSeconds"]
        .as_i64()
        .is_some_and(|seconds| seconds < 0)
    {
        spec["terminationGracePeriodSeconds"] = 1.into();
    }
    if let Some(account) = spec.get("serviceAccountName").cloned() {
        spec.insert("serviceAccount".into(), account);
    } else if let Some(account) = spec.get("serviceAccount").cloned() {
        spec.insert("serviceAccountName".into(), account);
    }
    fill_tolerations(spec);
}

fn fill_container(container: &mut Map<String, Value>) {
    let newest = match container.get("image").and_then(Value::as_str) {
        // Only a tag that moves is pulled each time.
        Some(image) => {
            quantity::tag_of(image) == Some("latest") || quantity::tag_of(image).is_none()
        }
        None => false,
    };
    let policy = if newest { "Always" } else { "IfNotPresent" };
    for (member, value) in [
        ("resources", json!({})),
        ("terminationMessagePath", json!("/dev/termination-log")),
        ("terminationMessagePolicy", json!("File")),
        ("imagePullPolicy", json!(policy)),
    ] {
        container.entry(member).or_insert(value);
    }
    for port in container
        .get_mut("ports")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
    {
        port.entry("protocol").or_insert(json!("TCP"));
    }
    for env in container
        .get_mut("env")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if let Some(field) = env
            .pointer_mut("/valueFrom/fieldRef")
            .and_then(Value::as_object_mut)
        {
            field.entry("apiVersion").or_insert(json!("v1"));
        }
    }
    // What is limited and not requested is requested up to the limit.
    if let Some(resources) = container
        .get_mut("resources")
        .and_then(Value::as_object_mut)
        && let Some(limits) = resources.get("limits").and_then(Value::as_object).cloned()
    {
        let requests = resources.entry("requests").or_insert(json!({}));
        if let Some(requests) = requests.as_object_mut() {
            for (name, limit) in limits {
                requests.entry(name).or_insert(limit);
            }
        }
    }
}

fn fill_volume(volume: &mut Value) {
    let Some(volume) = volume.as_object_mut() else {
        return;
    };
    if volume.len() == 1 {
        volume.insert("emptyDir".into(), json!({}));
    }
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = volume.get_mut(source).and_then(Value::as_object_mut) {
            source.entry("defaultMode").or_insert(json!(420));
        }
    }
    if let Some(host) = volume.get_mut("hostPath").and_then(Value::as_object_mut) {
        host.entry("type").or_insert(json!(""));
    }
}

fn fill_tolerations(spec: &mut Map<String, Value>) {
    let tolerations = spec.entry("tolerations").or_insert(json!([]));
    let Some(tolerations) = tolerations.as_array_mut() else {
        return;
    };
    for key in [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ] {
        let told = tolerations.iter().any(|one| {
            let all = one["key"].as_str().is_none_or(str::is_empty) && one["operator"] == "Exists";
            (one["key"] == key || all)
                && matches!(one["effect"].as_str(), None | Some("" | "NoExecute"))
        });
        if !told {
            tolerations.push(json!({
                "key": key,
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": 300,
            }));
        }
    }
}

/// The status of a pod that has just been created.
pub(crate) fn first_status(spec: &Value) -> Value {
    json!({"phase": "Pending", "qosClass": qos_class(spec)})
}

/// How well a pod's memory and CPU are vouched for.
fn qos_class(spec: &Value) -> &'static str {
    let containers = || {
        ["initContainers", "containers"]
            .into_iter()
            .filter_map(|list| spec[list].as_array())
            .flatten()
    };
    let amount = |container: &Value, list: &str, name: &str| {
        container["resources"][list][name]
            .as_str()
            .and_then(quantity::parse)
            .filter(|amount| *amount > 0.0)
    };
    let names = ["cpu", "memory"];
    let nothing = containers().all(|one| {
        names.iter().all(|name| {
            amount(one, "requests", name).is_none() && amount(one, "limits", name).is_none()
        })
    });
    let everything = containers().all(|one| {
        names.iter().all(|name| {
            amount(one, "limits", name).is_some()
                && amount(one, "requests", name) == amount(one, "limits", name)
        })
    });
    if nothing {
        "BestEffort"
    } else if everything {
        "Guaranteed"
    } else {
        "Burstable"
    }
}
