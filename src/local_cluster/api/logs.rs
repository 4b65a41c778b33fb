//! Answering with a container's log.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use http::{StatusCode, header};
use jiff::Timestamp;
use serde_json::Value;

use super::query::Query;
use super::refusal::{Cause, Refusal};
use super::serve::Api;
use crate::local_cluster::node::{LogOptions, LogRefusal};
use crate::local_cluster::objects::ObjectKey;

/// Answers a GET of a pod's log.
pub(crate) fn respond(api: &Api, key: &ObjectKey, query: &Query) -> Result<Response, Refusal> {
    let options = options(key, query)?;
    let pod = api
        .objects
        .get(key)
        .ok_or_else(|| Refusal::not_found("pods", &key.name))?;
    let container = container(&pod, &key.name, query.text("container"))?;
    match api.node.logs(&pod, &container, &options) {
        Ok(log) => {
            let log = log.take_until(api.stopping.clone().cancelled_owned());
            Ok((
                [(header::CONTENT_TYPE, "text/plain")],
                Body::from_stream(log),
            )
                .into_response())
        }
        Err(refusal) => without_log(refusal),
    }
}

fn without_log(refusal: LogRefusal) -> Result<Response, Refusal> {
    let code = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if code == StatusCode::NO_CONTENT {
        return Ok(code.into_response());
    }
    if refusal.plain_text {
        return Err(Refusal::plain(code, refusal.message));
    }
    Err(if code == StatusCode::BAD_REQUEST {
        Refusal::bad_request(refusal.message)
    } else {
        Refusal::internal(refusal.message)
    })
}

/// The container that is meant: the one that is named, or the only one.
pub(crate) fn container(
    pod: &Value,
    pod_name: &str,
    named: Option<&str>,
) -> Result<String, Refusal> {
    let names = |list: &str| -> Vec<&str> {
        pod["spec"][list]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|container| container["name"].as_str())
            .collect()
    };
    let (containers, init) = (names("containers"), names("initContainers"));
    match (named, containers.as_slice()) {
        (Some(name), _) if containers.contains(&name) || init.contains(&name) => {
            Ok(name.to_owned())
        }
        (Some(name), _) => Err(Refusal::bad_request(format!(
            "container {name} is not valid for pod {pod_name}"
        ))),
        (None, [only]) => Ok((*only).to_owned()),
        (None, several) => {
            let mut message = format!(
                "a container name must be specified for pod {pod_name}, choose one of: [{}]",
                several.join(" ")
            );
            if !init.is_empty() {
                message.push_str(&format!(
                    " or one of the init containers: [{}]",
                    init.join(" ")
                ));
            }
            Err(Refusal::bad_request(message))
        }
    }
}

fn options(key: &ObjectKey, query: &Query) -> Result<LogOptions, Refusal> {
    let invalid = |cause: Cause| Refusal::invalid("", "PodLogOptions", &key.name, &[cause]);
    let at_least = |name: &str, least: i64, words: &str| match query.number(name)? {
        Some(number) if number < least => Err(invalid(Cause::invalid(name, &number.into(), words))),
        Some(number) => Ok(u64::try_from(number).ok()),
        None => Ok(None),
    };
    let since_time = query
        .text("sinceTime")
        .map(|text| {
            text.parse::<Timestamp>().map_err(|_| {
                Refusal::bad_request(format!(
                    "parsing time {text:?}: it must be in the form of RFC 3339 with a zone, as in 2026-01-02T15:04:05Z"
                ))
            })
        })
        .transpose()?;
    let tail_lines = at_least("tailLines", 0, "must be greater than or equal to 0")?;
    let limit_bytes = at_least("limitBytes", 1, "must be greater than 0")?;
    let since_seconds = at_least("sinceSeconds", 1, "must be greater than 0")?;
    if since_seconds.is_some() && since_time.is_some() {
        return Err(invalid(Cause::forbidden(
            "[]",
            "at most one of `sinceTime` or `sinceSeconds` may be specified",
        )));
    }
    if query.has("stream") {
        return Err(invalid(Cause::forbidden("stream", "may not be specified")));
    }
    Ok(LogOptions {
        follow: query.flag("follow"),
        since_time,
        since_seconds,
        tail_lines,
        limit_bytes,
        timestamps: query.flag("timestamps"),
        previous: query.flag("previous"),
    })
}
