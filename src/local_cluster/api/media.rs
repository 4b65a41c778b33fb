//! In which form a client wants its answer, and in which form it sent its body.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;

use super::form;
use super::refusal::Refusal;
use crate::local_cluster::objects::Object;

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// The objects as they are.
    Whole,
    /// Rows and columns, for a person's terminal.
    Table,
    /// Metadata alone.
    Metadata,
    /// Metadata alone, for a list.
    MetadataList,
}

/// The first form of the `Accept` header that can be produced.
pub(crate) fn accepted(headers: &HeaderMap) -> Result<Form, Refusal> {
    let Some(accept) = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .filter(|text| !text.trim().is_empty())
    else {
        return Ok(Form::Whole);
    };
    let mut asked_for_form = false;
    for one in accept.split(',') {
        let mut parts = one.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        if !matches!(
            media,
            "application/json" | "application/*" | "*/*" | "application/yaml"
        ) {
            continue;
        }
        let form = parts.find_map(|parameter| parameter.strip_prefix("as="));
        match form {
            None => return Ok(Form::Whole),
            Some("Table") => return Ok(Form::Table),
            Some("PartialObjectMetadata") => return Ok(Form::Metadata),
            Some("PartialObjectMetadataList") => return Ok(Form::MetadataList),
            // Discovery documents come in one form only.
            Some("APIGroupDiscoveryList") | Some(_) => asked_for_form = true,
        }
    }
    if asked_for_form {
        return Err(Refusal::not_acceptable(
            "only the following media types are accepted: application/json, application/yaml",
        ));
    }
    Err(Refusal::not_acceptable(
        "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml",
    )
    .with_details(serde_json::json!({})))
}

/// Whether the client wants YAML first of all.
pub(crate) fn wants_yaml(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|text| text.trim_start().starts_with("application/yaml"))
}

/// What a request body is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyForm {
    Json,
    Yaml,
    Protobuf,
}

/// The form of a body that holds an object; no content type means JSON.
pub(crate) fn body_form(headers: &HeaderMap) -> Result<BodyForm, Refusal> {
    match content_type(headers) {
        None | Some("application/json") => Ok(BodyForm::Json),
        Some("application/yaml") => Ok(BodyForm::Yaml),
        Some("application/vnd.kubernetes.protobuf") => Ok(BodyForm::Protobuf),
        Some(_) => Err(Refusal::unsupported_media_type(
            "the body of the request was in an unknown format - accepted media types include: \
             application/json, application/yaml, application/vnd.kubernetes.protobuf",
        )),
    }
}

/// The content type without its parameters.
pub(crate) fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(|text| text.split(';').next().unwrap_or_default().trim())
        .filter(|text| !text.is_empty())
}

/// An answer with a JSON body, ended by a newline.
pub(crate) fn json(code: StatusCode, body: &Value) -> Response {
    let mut bytes = Vec::new();
    form::write_json(&mut bytes, body);
    bytes.push(b'\n');
    json_bytes(code, bytes)
}

/// An answer that is one whole object.
pub(crate) fn object(code: StatusCode, object: &Object) -> Response {
    let mut bytes = Vec::with_capacity(object.json().len() + 1);
    bytes.extend_from_slice(object.json());
    bytes.push(b'\n');
    json_bytes(code, bytes)
}

/// An answer whose JSON body is already written.
pub(crate) fn json_bytes(code: StatusCode, body: Vec<u8>) -> Response {
    (code, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
