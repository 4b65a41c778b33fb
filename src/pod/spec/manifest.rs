//! A built pod.

use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;

/// A pod as it is sent to the API server.
///
/// Kept as JSON, because the parameters may hold what the typed `Pod` cannot: a number as the
/// value of a label or a variable, unknown keys in a security context. The API server refuses
/// those, and [`validate`](super::validate) tells so beforehand.
#[derive(Debug, Clone, PartialEq)]
pub struct PodManifest(Value);

impl PodManifest {
    /// Takes a pod in API form, for example one that a callback has changed.
    #[must_use]
    pub fn new(pod: Value) -> Self {
        Self(pod)
    }

    /// The pod as JSON.
    #[must_use]
    pub fn as_value(&self) -> &Value {
        &self.0
    }

    /// The pod as JSON, to be changed.
    pub fn as_value_mut(&mut self) -> &mut Value {
        &mut self.0
    }

    /// The pod as JSON.
    #[must_use]
    pub fn into_value(self) -> Value {
        self.0
    }

    /// The pod as the API's own type.
    ///
    /// # Errors
    /// If the pod holds something that the type cannot hold.
    pub fn to_pod(&self) -> Result<Pod, serde_json::Error> {
        serde_json::from_value(self.0.clone())
    }

    /// The pod's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// The pod's namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.0["metadata"]["namespace"].as_str().unwrap_or_default()
    }
}
