//! The kinds of patches and what they make of an object.

use http::HeaderMap;
use serde_json::Value;

use super::decode::parse_json;
use super::media;
use super::query::Query;
use super::refusal::{Cause, Refusal};
use super::strategic;
use crate::local_cluster::objects::Resource;

/// A patch, read.
#[derive(Debug, Clone)]
pub(crate) enum Patch {
    /// RFC 7386.
    Merge(Value),
    /// A merge that knows which lists are sets of named things.
    Strategic(Value),
    /// RFC 6902.
    Json(Value),
    /// Server-side apply.
    Apply(Value),
}

impl Patch {
    /// Reads the patch of a request; the content type says of which kind it is.
    pub fn parse(headers: &HeaderMap, query: &Query, body: &[u8]) -> Result<Self, Refusal> {
        let json = || {
            parse_json(body)
                .map_err(|why| Refusal::bad_request(format!("error decoding patch: {why}")))
        };
        let object = || {
            json().and_then(|value| {
                if value.is_object() {
                    Ok(value)
                } else {
                    Err(Refusal::bad_request(
                        "error decoding patch: it is not a JSON object",
                    ))
                }
            })
        };
        match media::content_type(headers) {
            Some("application/merge-patch+json") => object().map(Self::Merge),
            Some("application/strategic-merge-patch+json") => object().map(Self::Strategic),
            Some("application/json-patch+json") => {
                let operations = json()?;
                if operations.is_array() {
                    Ok(Self::Json(operations))
                } else {
                    Err(Refusal::bad_request(
                        "error decoding patch: a JSON patch is a list of operations",
                    ))
                }
            }
            Some("application/apply-patch+yaml") => {
                if query.text("fieldManager").is_none() {
                    return Err(Refusal::invalid_options(
                        "PatchOptions",
                        Cause::required("fieldManager", "is required for apply patch"),
                    ));
                }
                let fault =
                    |why: String| Refusal::bad_request(format!("error decoding YAML: {why}"));
                let text = std::str::from_utf8(body).map_err(|error| fault(error.to_string()))?;
                let value: Value =
                    serde_saphyr::from_str(text).map_err(|error| fault(error.to_string()))?;
                if value.is_object() {
                    Ok(Self::Apply(value))
                } else {
                    Err(fault("it is not an object".into()))
                }
            }
            Some(_) | None => Err(
                Refusal::unsupported_media_type("415: Unsupported Media Type")
                    .with_details(serde_json::json!({})),
            ),
        }
    }

    /// What `current` becomes.
    pub fn apply(&self, resource: Resource, current: &Value) -> Result<Value, Refusal> {
        let mut next = current.clone();
        match self {
            Self::Merge(patch) => json_patch::merge(&mut next, patch),
            Self::Strategic(patch) => strategic::merge(resource, &mut next, patch),
            Self::Apply(patch) => strategic::merge(resource, &mut next, patch),
            Self::Json(operations) => {
                let patch: json_patch::Patch =
                    serde_json::from_value(operations.clone()).map_err(|error| {
                        Refusal::bad_request(format!("error decoding patch: {error}"))
                    })?;
                json_patch::patch(&mut next, &patch).map_err(|_| Refusal::unprocessable())?;
            }
        }
        Ok(next)
    }
}
