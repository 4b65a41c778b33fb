//! Looking for pods.

use k8s_openapi::api::core::v1::Pod;
use serde::Deserialize;

use crate::pod::client::{ApiError, ApiRequest, ClusterClient};
use crate::task::pods::PodIdentity;

/// How many pods one answer holds at most.
const PAGE: &str = "500";

/// The pod of that name, or `None` if there is none.
///
/// # Errors
///
/// Any refusal but 404, and what did not pass within a few attempts.
pub async fn get(
    client: &ClusterClient,
    namespace: &str,
    name: &str,
) -> Result<Option<Pod>, ApiError> {
    let request = ApiRequest::get(
        ApiRequest::path(&["api", "v1", "namespaces", namespace, "pods", name], &[]),
        format!("get pod {namespace}/{name}"),
    );
    match client.read(&request).await {
        Ok(pod) => Ok(Some(pod)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The pod of that identity, or `None` if it is gone, be there another of its name or not.
///
/// # Errors
///
/// As [`get`].
pub async fn get_same(
    client: &ClusterClient,
    identity: &PodIdentity,
) -> Result<Option<Pod>, ApiError> {
    let found = get(client, &identity.namespace, &identity.name).await?;
    Ok(found.filter(|pod| pod.metadata.uid.as_deref() == Some(identity.uid.as_str())))
}

/// All pods of a namespace that a label selector matches, ordered by name.
///
/// # Errors
///
/// Any refusal (a selector that is none is 400), and what did not pass within a few attempts.
pub async fn find_by_labels(
    client: &ClusterClient,
    namespace: &str,
    selector: &str,
) -> Result<Vec<Pod>, ApiError> {
    list(
        client,
        &["api", "v1", "namespaces", namespace, "pods"],
        ("labelSelector", selector),
        &format!("list pods in {namespace} by {selector:?}"),
    )
    .await
}

/// Reads a list page by page. A list that changes under the walk begins again.
pub(super) async fn list<T: for<'de> Deserialize<'de>>(
    client: &ClusterClient,
    path: &[&str],
    selector: (&str, &str),
    words: &str,
) -> Result<Vec<T>, ApiError> {
    #[derive(Deserialize)]
    #[serde(bound = "T: for<'a> Deserialize<'a>")]
    struct Page<T> {
        #[serde(default)]
        metadata: PageMeta,
        items: Option<Vec<T>>,
    }
    #[derive(Default, Deserialize)]
    struct PageMeta {
        #[serde(rename = "continue")]
        continue_: Option<String>,
    }
    let mut items = Vec::new();
    let mut next: Option<String> = None;
    let mut restarts = 0;
    loop {
        let mut query = vec![selector, ("limit", PAGE)];
        if let Some(token) = &next {
            query.push(("continue", token));
        }
        let request = ApiRequest::get(ApiRequest::path(path, &query), words);
        let page: Page<T> = match client.read(&request).await {
            Ok(page) => page,
            // The snapshot that the pages belong to is no longer kept.
            Err(error) if error.is_expired() && next.is_some() && restarts < 3 => {
                restarts += 1;
                next = None;
                items.clear();
                continue;
            }
            Err(error) => return Err(error),
        };
        items.extend(page.items.into_iter().flatten());
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => next = Some(token),
            None => return Ok(items),
        }
    }
}
