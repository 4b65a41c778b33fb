//! Errors as documents (RFC 9457), in the sentences of the command line.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::service::ServiceError;
use crate::store::StoreError;
use crate::task::file::TaskFileErrors;

/// The media type of a problem.
pub const PROBLEM: &str = "application/problem+json";

/// What kind of problem it is: for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// The request asks for something that does not go.
    Usage,
    /// The task file is wrong, or would make no pod that the API server takes.
    TaskFile,
    /// What was named does not exist.
    NotFound,
    /// The key is taken by a task with another definition.
    KeyTaken,
    /// The wish makes no sense in the task's state.
    Conflict,
    /// A token is needed, and none that is known was given.
    Unauthorized,
    /// The token, or the page that asks, may not do that.
    Forbidden,
    /// That is not done to what was named.
    MethodNotAllowed,
    /// The request is too large.
    TooLarge,
    /// The request's content type is none that is understood.
    UnsupportedMediaType,
    /// Too many requests.
    TooManyRequests,
    /// Time ran out.
    TimedOut,
    /// The database cannot take it now.
    Unavailable,
    /// Something else.
    Failed,
}

impl ProblemKind {
    fn status(self) -> StatusCode {
        match self {
            Self::Usage => StatusCode::BAD_REQUEST,
            Self::TaskFile => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::KeyTaken | Self::Conflict => StatusCode::CONFLICT,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::TimedOut => StatusCode::GATEWAY_TIMEOUT,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Usage => "the request cannot be understood",
            Self::TaskFile => "the task file cannot be used",
            Self::NotFound => "not found",
            Self::KeyTaken => "the key is taken",
            Self::Conflict => "not in this state",
            Self::Unauthorized => "a token is needed",
            Self::Forbidden => "not allowed",
            Self::MethodNotAllowed => "no such method here",
            Self::TooLarge => "too large",
            Self::UnsupportedMediaType => "not such content",
            Self::TooManyRequests => "too many requests",
            Self::TimedOut => "time ran out",
            Self::Unavailable => "not now",
            Self::Failed => "failed",
        }
    }
}

/// An error, for a person and for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The kind as a URI.
    pub r#type: String,
    /// The kind in words.
    pub title: String,
    /// The status of the answer.
    pub status: u16,
    /// The kind as a word.
    pub kind: ProblemKind,
    /// What is wrong, in words.
    pub detail: String,
    /// One line for each thing that is wrong.
    pub errors: Vec<String>,
    /// After how many seconds to ask again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl Problem {
    /// A problem with one thing that is wrong.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self::with(kind, vec![detail.into()])
    }

    /// A problem with several things that are wrong.
    pub fn with(kind: ProblemKind, errors: Vec<String>) -> Self {
        let word = serde_json::to_value(kind).unwrap_or_default();
        Self {
            r#type: format!("urn:adjourn:problem:{}", word.as_str().unwrap_or_default()),
            title: kind.title().to_owned(),
            status: kind.status().as_u16(),
            kind,
            detail: errors.join("; "),
            errors,
            retry_after: None,
        }
    }

    /// The same, to be asked again after so many seconds.
    pub fn again_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // Numbers and texts always serialise.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let status = self.kind.status();
        let mut response = (status, [(header::CONTENT_TYPE, PROBLEM)], body).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.kind == ProblemKind::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        let kind = match &error {
            ServiceError::Refused { .. } | ServiceError::NamesAFile { .. } => ProblemKind::TaskFile,
            ServiceError::EndedAlready { .. } => ProblemKind::Conflict,
            ServiceError::Store(error) => of_store(error),
        };
        let problem = Self::with(kind, error.lines());
        if kind == ProblemKind::Unavailable {
            problem.again_after(1)
        } else {
            problem
        }
    }
}

impl From<TaskFileErrors> for Problem {
    fn from(errors: TaskFileErrors) -> Self {
        let lines = errors.to_string().lines().map(str::to_owned).collect();
        Self::with(ProblemKind::TaskFile, lines)
    }
}

fn of_store(error: &StoreError) -> ProblemKind {
    match error {
        StoreError::NotFound(_) => ProblemKind::NotFound,
        StoreError::KeyTaken { .. } | StoreError::KeyTwice { .. } => ProblemKind::KeyTaken,
        StoreError::Illegal { .. } | StoreError::FenceLost { .. } => ProblemKind::Conflict,
        StoreError::Full { .. }
        | StoreError::Busy { .. }
        | StoreError::Lost { .. }
        | StoreError::Closed => ProblemKind::Unavailable,
        StoreError::Query(_) => ProblemKind::Usage,
        StoreError::Place { .. }
        | StoreError::ReadOnly { .. }
        | StoreError::Damaged { .. }
        | StoreError::Foreign { .. }
        | StoreError::NewerSchema { .. }
        | StoreError::BadRow { .. }
        | StoreError::Sql { .. } => ProblemKind::Failed,
    }
}
