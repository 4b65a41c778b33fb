//! What a connection contributes to a pod.

use serde_json::{Map, Value};

/// The fields of a connection that shape pods. The rest of it says which cluster.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConnectionDefaults {
    /// The namespace of pods that name none.
    pub namespace: Option<String>,
    /// The image of the sidecar that keeps a task's result.
    pub xcom_sidecar_container_image: Option<String>,
    /// The sidecar's `resources`, in place of the usual ones.
    pub xcom_sidecar_container_resources: Option<Value>,
    /// The sidecar's `securityContext`.
    pub xcom_sidecar_container_security_context: Option<Value>,
}

/// A field of a connection that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: must be {wanted}")]
pub struct InvalidConnectionField {
    /// The field's name.
    pub field: &'static str,
    /// What it must be.
    pub wanted: &'static str,
}

impl ConnectionDefaults {
    /// Reads the fields that shape pods. Objects may be given as JSON text, and names may carry
    /// the old prefix `extra__kubernetes__`. Empty values count as absent.
    ///
    /// # Errors
    /// If one of the fields is not what it must be.
    pub fn from_fields(fields: &Map<String, Value>) -> Result<Self, InvalidConnectionField> {
        Ok(Self {
            namespace: text(fields, "namespace")?,
            xcom_sidecar_container_image: text(fields, "xcom_sidecar_container_image")?,
            xcom_sidecar_container_resources: object(fields, "xcom_sidecar_container_resources")?,
            xcom_sidecar_container_security_context: object(
                fields,
                "xcom_sidecar_container_security_context",
            )?,
        })
    }
}

fn field<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields
        .get(name)
        .or_else(|| fields.get(&format!("extra__kubernetes__{name}")))
}

fn text(
    fields: &Map<String, Value>,
    name: &'static str,
) -> Result<Option<String>, InvalidConnectionField> {
    match field(fields, name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(InvalidConnectionField {
                field: name,
                wanted: "text",
            })
        }
    }
}

fn object(
    fields: &Map<String, Value>,
    name: &'static str,
) -> Result<Option<Value>, InvalidConnectionField> {
    let invalid = InvalidConnectionField {
        field: name,
        wanted: "an object, or an object as JSON text",
    };
    let value = match field(fields, name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) if text.is_empty() => return Ok(None),
        Some(Value::String(text)) => serde_json::from_str(text).map_err(|_| invalid.clone())?,
        Some(value) => value.clone(),
    };
    match value {
        Value::Object(_) => Ok(Some(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(invalid)
        }
    }
}
