//! What kubectl makes of the kustomizations in deploy/, and what is wrong with it.

use std::path::{Path, PathBuf};
use std::process::Command;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use schemars::JsonSchema;
use serde_json::{Value, json};

use crate::support::Home;

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

/// The documents that kubectl makes of a kustomization in deploy/.
pub(super) fn rendered(directory: &str) -> Vec<Value> {
    kustomized(&deploy().join(directory))
}

/// The replicas on one PostgreSQL, with all that can be added to them: what somebody's own
/// kustomization makes of them.
pub(super) fn replicated(home: &Home) -> Vec<Value> {
    // kustomize takes no absolute path.
    let place = home.path().canonicalize().unwrap();
    let up = "../".repeat(place.components().count() - 1);
    let below =
        |path: &str| format!("{up}{}", deploy().join(path).to_str().unwrap()).replace("//", "/");
    let own = json!({
        "resources": [below("postgres")],
        "components": [below("postgres/monitoring"), below("postgres/tls")],
    });
    home.write("kustomization.yaml", own.to_string());
    kustomized(&place)
}

fn kustomized(directory: &Path) -> Vec<Value> {
    let output = Command::new("kubectl")
        .arg("kustomize")
        .arg(directory)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    let text = String::from_utf8(output.stdout).unwrap();
    serde_saphyr::from_multiple(&text).unwrap()
}

/// The schema of a kind as Kubernetes 1.36 has it, with nothing let through that it does not name.
fn schema_of<T: JsonSchema>() -> Value {
    // The types are made from the API's own OpenAPI documents, and know which members must be there.
    let mut schema = serde_json::to_value(schemars::schema_for!(T)).unwrap();
    close(&mut schema);
    schema
}

/// Refuses members that no part of a schema names. Maps say what their members are themselves.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.contains_key("properties") && !members.contains_key("additionalProperties") {
                members.insert("additionalProperties".to_owned(), json!(false));
            }
            members.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The parts of a PodMonitor that its own project documents and that are used here. Its schema is
/// no part of Kubernetes' API.
fn pod_monitor() -> Value {
    let named = json!({"type": "string", "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$"});
    let secret_key = json!({
        "type": "object",
        "required": ["name", "key"],
        "additionalProperties": false,
        "properties": {"name": named, "key": {"type": "string", "pattern": "^[-._a-zA-Z0-9]+$"}},
    });
    json!({
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": false,
        "properties": {
            "apiVersion": {"const": "monitoring.coreos.com/v1"},
            "kind": {"const": "PodMonitor"},
            "metadata": {
                "type": "object",
                "required": ["name"],
                "additionalProperties": false,
                "properties": {
                    "name": named,
                    "namespace": named,
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                },
            },
            "spec": {
                "type": "object",
                "required": ["selector", "podMetricsEndpoints"],
                "additionalProperties": false,
                "properties": {
                    "selector": {
                        "type": "object",
                        "additionalProperties": false,
                        "properties": {
                            "matchLabels": {
                                "type": "object",
                                "additionalProperties": {"type": "string"},
                            },
                        },
                    },
                    "podMetricsEndpoints": {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "type": "object",
                            "additionalProperties": false,
                            "properties": {
                                // The name of a port of the pod, never a number.
                                "port": named,
                                "path": {"type": "string", "pattern": "^/"},
                                "interval": {"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"},
                                "scheme": {"enum": ["http", "https"]},
                                "authorization": {
                                    "type": "object",
                                    "additionalProperties": false,
                                    "properties": {"credentials": secret_key},
                                },
                                "tlsConfig": {
                                    "type": "object",
                                    "additionalProperties": false,
                                    "properties": {
                                        "serverName": {"type": "string"},
                                        "ca": {
                                            "type": "object",
                                            "additionalProperties": false,
                                            "properties": {"secret": secret_key},
                                        },
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    })
}

/// The schema of a document.
fn schema(document: &Value) -> Value {
    let api = document["apiVersion"].as_str().unwrap();
    match (api, document["kind"].as_str().unwrap()) {
        ("v1", "Namespace") => schema_of::<Namespace>(),
        ("v1", "ServiceAccount") => schema_of::<ServiceAccount>(),
        ("v1", "PersistentVolumeClaim") => schema_of::<PersistentVolumeClaim>(),
        ("v1", "Service") => schema_of::<Service>(),
        ("policy/v1", "PodDisruptionBudget") => schema_of::<PodDisruptionBudget>(),
        ("apps/v1", "Deployment") => schema_of::<Deployment>(),
        ("networking.k8s.io/v1", "NetworkPolicy") => schema_of::<NetworkPolicy>(),
        ("rbac.authorization.k8s.io/v1", "Role") => schema_of::<Role>(),
        ("rbac.authorization.k8s.io/v1", "RoleBinding") => schema_of::<RoleBinding>(),
        ("monitoring.coreos.com/v1", "PodMonitor") => pod_monitor(),
        other => panic!("nobody knows the schema of {other:?}"),
    }
}

/// What is wrong with a document.
pub(super) fn faults(document: &Value) -> Vec<String> {
    let schema = jsonschema::validator_for(&schema(document)).unwrap();
    let errors = schema.iter_errors(document);
    errors
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// The one document of a kind.
pub(super) fn of_kind<'d>(documents: &'d [Value], kind: &str) -> &'d Value {
    let mut found = documents.iter().filter(|it| it["kind"] == kind);
    let first = found.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(found.next().is_none(), "more than one {kind}");
    first
}
