//! Creating a pod.

use http::Method;
use k8s_openapi::api::core::v1::Pod;
use serde::Serialize;

use crate::pod::client::{ApiError, ApiRequest, ClusterClient};

/// What a create call came to.
#[derive(Debug)]
pub enum Creation {
    /// The pod exists now, as the API server has completed it.
    Created(Box<Pod>),
    /// A pod of this name exists, possibly one that is being deleted, possibly our own from a
    /// call whose answer was lost. Its annotations tell.
    AlreadyExists,
}

/// Creates a pod from a typed object or from JSON. JSON keeps the fields that a typed pod does
/// not know.
///
/// # Errors
///
/// Any refusal but 409 AlreadyExists: [`ApiError::is_invalid`] for an object that is wrong,
/// [`ApiError::is_namespace_missing`], [`ApiError::is_forbidden`] (also a quota), and what can
/// pass by itself but did not within a few attempts.
pub async fn create<B: Serialize + Sync>(
    client: &ClusterClient,
    namespace: &str,
    name: &str,
    body: &B,
) -> Result<Creation, ApiError> {
    let words = format!("create pod {namespace}/{name}");
    let body = serde_json::to_vec(body).map_err(|error| ApiError::Unsendable {
        request: words.clone(),
        problem: error.to_string(),
    })?;
    let request = ApiRequest::with_body(
        Method::POST,
        ApiRequest::path(&["api", "v1", "namespaces", namespace, "pods"], &[]),
        Some("application/json"),
        body,
        words,
    );
    match client.read(&request).await {
        Ok(pod) => Ok(Creation::Created(Box::new(pod))),
        Err(error) if error.is_already_exists() => Ok(Creation::AlreadyExists),
        Err(error) => Err(error),
    }
}
