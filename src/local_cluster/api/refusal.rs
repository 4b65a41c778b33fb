//! Saying no: the Status object that a client gets when a request is refused.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

pub(crate) use super::cause::Cause;
use crate::local_cluster::objects::{ObjectError, Resource};

/// A refused request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    pub code: u16,
    pub reason: Option<&'static str>,
    pub message: String,
    /// Left out where the recorded server leaves it out.
    pub details: Option<Box<Value>>,
    /// A token to go on with, for an expired page.
    pub continue_token: Option<String>,
    /// Plain text in place of a Status, as the paths that no API group owns answer.
    pub text: bool,
}

impl Refusal {
    fn new(code: StatusCode, reason: Option<&'static str>, message: impl Into<String>) -> Self {
        Self {
            code: code.as_u16(),
            reason,
            message: message.into(),
            details: None,
            continue_token: None,
            text: false,
        }
    }

    pub fn with_details(mut self, details: Value) -> Self {
        self.details = Some(Box::new(details));
        self
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Some("BadRequest"), message)
    }

    pub fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            Some("Unauthorized"),
            "Unauthorized",
        )
    }

    /// 403. `name` is left out where a whole collection is meant.
    pub fn forbidden(plural: &str, name: Option<&str>, why: &str) -> Self {
        Self::forbidden_in("", plural, name, why)
    }

    /// 403 for objects of an API group.
    pub fn forbidden_in(group: &str, plural: &str, name: Option<&str>, why: &str) -> Self {
        let mut subject = qualified(plural, group);
        let mut details = details(name.unwrap_or_default(), plural, group);
        if let Some(name) = name {
            subject = format!("{subject} {name:?}");
        } else if let Some(details) = details.as_object_mut() {
            details.shift_remove("name");
        }
        Self::new(
            StatusCode::FORBIDDEN,
            Some("Forbidden"),
            format!("{subject} is forbidden: {why}"),
        )
        .with_details(details)
    }

    pub fn namespace_terminating(plural: &str, name: &str, namespace: &str) -> Self {
        let mut refusal = Self::forbidden(
            plural,
            Some(name),
            &format!(
                "unable to create new content in namespace {namespace} because it is being terminated"
            ),
        );
        if let Some(details) = &mut refusal.details {
            details["causes"] = json!([{
                "reason": "NamespaceTerminating",
                "message": format!("namespace {namespace} is being terminated"),
                "field": "metadata.namespace",
            }]);
        }
        refusal
    }

    pub fn not_found(plural: &str, name: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            Some("NotFound"),
            format!("{} {name:?} not found", qualified(plural, group_of(plural))),
        )
        .with_details(details(name, plural, group_of(plural)))
    }

    /// There is no such resource or subresource.
    pub fn no_such_resource() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            Some("NotFound"),
            "the server could not find the requested resource",
        )
        .with_details(json!({}))
    }

    /// There is no such path at all.
    pub fn no_such_path() -> Self {
        let mut refusal = Self::new(StatusCode::NOT_FOUND, None, "404 page not found\n");
        refusal.text = true;
        refusal
    }

    pub fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            Some("MethodNotAllowed"),
            "the server does not allow this method on the requested resource",
        )
        .with_details(json!({}))
    }

    pub fn not_acceptable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_ACCEPTABLE, Some("NotAcceptable"), message)
    }

    pub fn unsupported_media_type(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Some("UnsupportedMediaType"),
            message,
        )
    }

    pub fn already_exists(plural: &str, name: &str, being_deleted: bool) -> Self {
        let prefix = if being_deleted {
            "object is being deleted: "
        } else {
            ""
        };
        Self::new(
            StatusCode::CONFLICT,
            Some("AlreadyExists"),
            format!(
                "{prefix}{} {name:?} already exists",
                qualified(plural, group_of(plural))
            ),
        )
        .with_details(details(name, plural, group_of(plural)))
    }

    /// 409 for a write. `kind` is the plural, or the kind where a precondition failed.
    pub fn conflict(kind: &str, name: &str, why: &str) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            Some("Conflict"),
            format!(
                "Operation cannot be fulfilled on {} {name:?}: {why}",
                qualified(kind, group_of(kind))
            ),
        )
        .with_details(details(name, kind, group_of(kind)))
    }

    /// The object changed since the version that a write was based on.
    pub fn modified(plural: &str, name: &str) -> Self {
        Self::conflict(
            plural,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    /// Others own what an apply wants to change.
    pub fn apply_conflicts(message: String, causes: &[Cause]) -> Self {
        let causes: Vec<Value> = causes.iter().map(Cause::shown).collect();
        Self::new(StatusCode::CONFLICT, Some("Conflict"), message)
            .with_details(json!({"causes": causes}))
    }

    pub fn invalid(group: &str, kind: &str, name: &str, causes: &[Cause]) -> Self {
        let all: Vec<String> = causes
            .iter()
            .map(|cause| format!("{}: {}", cause.field, cause.message))
            .collect();
        let all = match all.as_slice() {
            [one] => one.clone(),
            several => format!("[{}]", several.join(", ")),
        };
        let mut details = Map::new();
        if !name.is_empty() {
            details.insert("name".into(), name.into());
        }
        if !group.is_empty() {
            details.insert("group".into(), group.into());
        }
        details.insert("kind".into(), kind.into());
        details.insert("causes".into(), causes.iter().map(Cause::shown).collect());
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            Some("Invalid"),
            format!("{} {name:?} is invalid: {all}", qualified(kind, group)),
        )
        .with_details(Value::Object(details))
    }

    /// The options of a request are not acceptable.
    pub fn invalid_options(kind: &str, cause: Cause) -> Self {
        Self::invalid("meta.k8s.io", kind, "", &[cause])
    }

    /// A JSON patch that could not be applied.
    pub fn unprocessable() -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            Some("Invalid"),
            "the server rejected our request due to an error in our request",
        )
        .with_details(json!({}))
    }

    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, Some("Expired"), message)
    }

    pub fn too_old(requested: u64, oldest: u64) -> Self {
        Self::expired(format!("too old resource version: {requested} ({oldest})"))
    }

    pub fn version_in_future(requested: u64, current: u64) -> Self {
        let message = format!("Too large resource version: {requested}, current: {current}");
        Self::new(
            StatusCode::GATEWAY_TIMEOUT,
            Some("Timeout"),
            format!("Timeout: {message}"),
        )
        .with_details(json!({
            "causes": [{"reason": "ResourceVersionTooLarge", "message": message}],
            "retryAfterSeconds": 1,
        }))
    }

    pub fn too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            Some("RequestEntityTooLarge"),
            format!("the body of the request is larger than {limit} bytes"),
        )
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, None, message)
    }

    /// A refusal that was ordered, with the reason that usually comes with its code.
    pub fn on_request(code: u16) -> Self {
        let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let reason = match status {
            StatusCode::UNAUTHORIZED => Some("Unauthorized"),
            StatusCode::FORBIDDEN => Some("Forbidden"),
            StatusCode::CONFLICT => Some("Conflict"),
            StatusCode::GONE => Some("Expired"),
            StatusCode::TOO_MANY_REQUESTS => Some("TooManyRequests"),
            StatusCode::INTERNAL_SERVER_ERROR => Some("InternalError"),
            StatusCode::SERVICE_UNAVAILABLE => Some("ServiceUnavailable"),
            StatusCode::GATEWAY_TIMEOUT => Some("Timeout"),
            _ => None,
        };
        Self::new(status, reason, "a fault on request")
    }

    pub fn plain(code: StatusCode, message: impl Into<String>) -> Self {
        let mut refusal = Self::new(code, None, message);
        refusal.text = true;
        refusal
    }

    /// What the store says about an object of `resource`.
    pub fn from_store(resource: Resource, error: &ObjectError) -> Self {
        match error {
            ObjectError::NotFound(key) => Self::not_found(resource.plural(), &key.name),
            ObjectError::AlreadyExists { key, being_deleted } => {
                Self::already_exists(resource.plural(), &key.name, *being_deleted)
            }
            ObjectError::Conflict { key, .. } => Self::modified(resource.plural(), &key.name),
            ObjectError::Expired { requested, oldest } => Self::too_old(*requested, *oldest),
            ObjectError::Malformed(why) => Self::bad_request(*why),
            ObjectError::Storage(error) => {
                Self::internal(format!("the cluster could not write its journal: {error}"))
            }
        }
    }

    /// The Status object.
    pub fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        });
        if let Some(token) = &self.continue_token {
            status["metadata"]["continue"] = token.as_str().into();
        }
        if let Some(reason) = self.reason {
            status["reason"] = reason.into();
        }
        if let Some(details) = &self.details {
            status["details"] = (**details).clone();
        }
        status["code"] = self.code.into();
        status
    }
}

/// The API group of the kind whose plural is `plural`; none for a word that is no plural.
fn group_of(plural: &str) -> &'static str {
    Resource::from_plural(plural).map_or("", Resource::group)
}

/// A kind's name with its group.
fn qualified(kind: &str, group: &str) -> String {
    if group.is_empty() {
        kind.to_owned()
    } else {
        format!("{kind}.{group}")
    }
}

fn details(name: &str, kind: &str, group: &str) -> Value {
    if group.is_empty() {
        json!({"name": name, "kind": kind})
    } else {
        json!({"name": name, "group": group, "kind": kind})
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let code = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let (kind, body) = if self.text {
            ("text/plain; charset=utf-8", self.message.clone())
        } else {
            ("application/json", format!("{}\n", self.status()))
        };
        let mut response = (code, [(header::CONTENT_TYPE, kind)], body).into_response();
        if matches!(
            code,
            StatusCode::GATEWAY_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
        ) {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
