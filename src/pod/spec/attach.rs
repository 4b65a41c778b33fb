//! What is added to a pod after merging: secrets and the sidecar that keeps a task's result.

use serde_json::{Value, json};

use super::merge::Object;
use super::name::Names;
use crate::task::file::{DeployType, SecretMount};

/// The directory that the base container and the sidecar share.
pub const XCOM_MOUNT_PATH: &str = "/airflow/xcom";
/// The sidecar's name.
pub const XCOM_SIDECAR: &str = "airflow-xcom-sidecar";
/// The name of the volume that the base container and the sidecar share.
pub const XCOM_VOLUME: &str = "xcom";
/// The sidecar's image if the connection names none.
pub const XCOM_SIDECAR_IMAGE: &str = "alpine:3.24.2";
/// What the sidecar runs: it sleeps until it is interrupted.
pub const XCOM_SIDECAR_SCRIPT: &str = r#"trap "exit 0" INT; while true; do sleep 1; done;"#;

/// A secret that cannot be attached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("secrets[{index}].deploy_target: is required: {wanted}")]
pub struct MissingTarget {
    index: usize,
    wanted: &'static str,
}

/// Adds `secrets` to the first container, each at the end of its list.
pub(super) fn secrets(
    spec: &mut Object,
    secrets: &[SecretMount],
    names: &mut impl Names,
) -> Result<(), MissingTarget> {
    for (index, secret) in secrets.iter().enumerate() {
        match secret.deploy_type {
            DeployType::Env => {
                let Some(key) = &secret.key else {
                    let source = json!({"secretRef": {"name": secret.secret}});
                    push(first_container(spec), "envFrom", source);
                    continue;
                };
                let Some(target) = &secret.deploy_target else {
                    return Err(MissingTarget {
                        index,
                        wanted: "the name of the variable that gets the key",
                    });
                };
                let variable = json!({
                    "name": target.to_uppercase(),
                    "valueFrom": {"secretKeyRef": {"name": secret.secret, "key": key}},
                });
                push(first_container(spec), "env", variable);
            }
            DeployType::Volume => {
                let Some(target) = &secret.deploy_target else {
                    return Err(MissingTarget {
                        index,
                        wanted: "the directory where the secret appears",
                    });
                };
                let volume = format!("secretvol{}", names.uuid());
                let mut source = Object::new();
                source.insert("secretName".to_owned(), secret.secret.clone().into());
                if !secret.items.is_empty() {
                    source.insert("items".to_owned(), secret.items.clone().into());
                }
                push(spec, "volumes", json!({"name": volume, "secret": source}));
                let mount = json!({"name": volume, "mountPath": target, "readOnly": true});
                push(first_container(spec), "volumeMounts", mount);
            }
        }
    }
    Ok(())
}

/// What the sidecar is made of.
#[derive(Debug, Default)]
pub(super) struct Sidecar {
    pub(super) image: Option<String>,
    pub(super) resources: Option<Value>,
    pub(super) security_context: Option<Value>,
}

/// Adds the sidecar behind all containers; its volume and mount come first.
pub(super) fn xcom_sidecar(spec: &mut Object, sidecar: Sidecar) {
    let mount = json!({"name": XCOM_VOLUME, "mountPath": XCOM_MOUNT_PATH});
    unshift(
        spec,
        "volumes",
        json!({"name": XCOM_VOLUME, "emptyDir": {}}),
    );
    unshift(first_container(spec), "volumeMounts", mount.clone());
    let mut container = Object::new();
    container.insert("name".to_owned(), XCOM_SIDECAR.into());
    container.insert(
        "image".to_owned(),
        sidecar
            .image
            .unwrap_or_else(|| XCOM_SIDECAR_IMAGE.to_owned())
            .into(),
    );
    container.insert(
        "command".to_owned(),
        json!(["sh", "-c", XCOM_SIDECAR_SCRIPT]),
    );
    container.insert("volumeMounts".to_owned(), json!([mount]));
    container.insert(
        "resources".to_owned(),
        sidecar
            .resources
            .unwrap_or_else(|| json!({"requests": {"cpu": "1m", "memory": "10Mi"}})),
    );
    if let Some(context) = sidecar.security_context {
        container.insert("securityContext".to_owned(), context);
    }
    push(spec, "containers", container.into());
}

/// The base container: always there, because the parameters contribute one.
fn first_container(spec: &mut Object) -> &mut Object {
    let containers = list(spec, "containers");
    if containers.is_empty() {
        containers.push(Value::Object(Object::new()));
    }
    object(&mut containers[0])
}

fn object(value: &mut Value) -> &mut Object {
    if !value.is_object() {
        *value = Value::Object(Object::new());
    }
    match value {
        Value::Object(object) => object,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            unreachable!("it was made an object just now")
        }
    }
}

fn list<'a>(parent: &'a mut Object, field: &str) -> &'a mut Vec<Value> {
    let value = parent.entry(field.to_owned()).or_insert(Value::Null);
    if !value.is_array() {
        *value = Value::Array(Vec::new());
    }
    match value {
        Value::Array(items) => items,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            unreachable!("it was made a list just now")
        }
    }
}

fn push(parent: &mut Object, field: &str, item: Value) {
    list(parent, field).push(item);
}

fn unshift(parent: &mut Object, field: &str, item: Value) {
    list(parent, field).insert(0, item);
}
