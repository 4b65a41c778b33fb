//! Cutting a connection in place of an answer.

use std::convert::Infallible;

use axum::response::{IntoResponse, Response};
use http::StatusCode;

/// Marks an answer that must not be sent: the connection is cut instead.
#[derive(Debug, Clone, Copy)]
struct CutHere;

/// An answer that is never sent.
pub(super) fn cut() -> Response {
    let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
    response.extensions_mut().insert(CutHere);
    response
}

/// The connection is to be cut in place of this answer.
#[derive(Debug, thiserror::Error)]
#[error("cut on request")]
pub(crate) struct Cut;

impl From<Infallible> for Cut {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// Keeps an answer that is marked from being sent.
pub(crate) fn unless_cut(response: Result<Response, Infallible>) -> Result<Response, Cut> {
    match response {
        Ok(response) if response.extensions().get::<CutHere>().is_some() => Err(Cut),
        Ok(response) => Ok(response),
        Err(never) => match never {},
    }
}
