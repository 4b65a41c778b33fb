//! Problems, as pages.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;

use super::gate::Visitor;
use super::render::render;
use crate::http::problem::{Problem, ProblemKind};
use crate::service::ServiceError;

/// A problem that is told as a page.
pub(super) struct Fault(Problem);

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<ServiceError> for Fault {
    fn from(error: ServiceError) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        page(&self.0)
    }
}

#[derive(Serialize)]
struct Told<'a> {
    title: &'a str,
    errors: &'a [String],
    login: bool,
}

/// The page that tells of a problem.
pub(super) fn page(problem: &Problem) -> Response {
    let told = Told {
        title: &problem.title,
        errors: &problem.errors,
        login: problem.kind == ProblemKind::Unauthorized,
    };
    let mut response = render("fault.html", &Visitor::default(), told);
    if let Ok(status) = StatusCode::from_u16(problem.status) {
        *response.status_mut() = status;
    }
    if let Some(seconds) = problem.retry_after {
        let headers = response.headers_mut();
        headers.insert(http::header::RETRY_AFTER, seconds.into());
    }
    response
}
