//! Evicting a pod: a deletion that the pod is told of.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::decode::parse_json;
use super::delete;
use super::media;
use super::query::{DeleteOptions, Query};
use super::refusal::Refusal;
use super::serve::Api;
use crate::local_cluster::objects::{ObjectKey, Preconditions, now};

/// Answers a POST of an eviction.
pub(crate) fn respond(
    api: &Api,
    key: &ObjectKey,
    query: &Query,
    body: &[u8],
) -> Result<Response, Refusal> {
    let eviction = if body.is_empty() {
        Value::Null
    } else {
        parse_json(body).map_err(|why| {
            Refusal::bad_request(format!(
                "couldn't get version/kind; json parse error: {why}"
            ))
        })?
    };
    let options = DeleteOptions::parse(query, eviction.get("deleteOptions"))?;
    let pod = api
        .objects
        .get(key)
        .ok_or_else(|| Refusal::not_found("pods", &key.name))?;
    if !options.dry_run && pod["metadata"].get("deletionTimestamp").is_none() {
        let told = api.objects.update(key, Preconditions::none(), disrupt);
        told.map_err(|error| Refusal::from_store(key.resource, &error))?;
    }
    delete::delete(api, key, &options)?;
    Ok(media::json(
        StatusCode::CREATED,
        &json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "code": 201,
        }),
    ))
}

fn disrupt(pod: &mut Value) {
    let condition = json!({
        "type": "DisruptionTarget",
        "observedGeneration": pod["metadata"]["generation"],
        "status": "True",
        "lastProbeTime": null,
        "lastTransitionTime": now(),
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
    });
    let conditions = &mut pod["status"]["conditions"];
    match conditions.as_array_mut() {
        Some(conditions) => {
            conditions.retain(|one| one["type"] != "DisruptionTarget");
            conditions.push(condition);
        }
        None => *conditions = json!([condition]),
    }
}
