//! What the server tells about its own work: how many requests it has answered.
//!
//! At `/metrics`, under the name that a real server uses, so that what a client costs can be
//! counted on either in the same way. A watch is counted when it is opened, not when it ends.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode, header};

use super::target::Target;

/// Where the counts are told.
pub(crate) const PATH: &str = "metrics";

/// What is told apart: verb, resource, subresource and the answer's code.
type Kind = (&'static str, &'static str, &'static str, u16);

/// The requests about objects since the server started.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    answered: Mutex<BTreeMap<Kind, u64>>,
}

impl Requests {
    /// Counts a request; those about documents, such as this one's, are not counted.
    pub fn count(&self, method: &Method, target: &Target, watching: bool, code: StatusCode) {
        let (resource, subresource) = match target {
            Target::Document(_) => return,
            Target::Collection(collection) => (collection.resource.plural(), ""),
            Target::Object(key) => (key.resource.plural(), ""),
            Target::Sub(key, sub) => (key.resource.plural(), sub.name()),
        };
        let verb = match target.verb(method, watching) {
            "create" => "POST",
            "update" => "PUT",
            "patch" => "PATCH",
            "delete" => "DELETE",
            "deletecollection" => "DELETECOLLECTION",
            "watch" => "WATCH",
            "list" => "LIST",
            _ => "GET",
        };
        let kind = (verb, resource, subresource, code.as_u16());
        *self.lock().entry(kind).or_default() += 1;
    }

    /// The counts as text, a line each.
    pub fn respond(&self) -> Response {
        let mut text = "# HELP apiserver_request_total Requests about objects, by what was asked for and how it was answered.\n\
             # TYPE apiserver_request_total counter\n"
            .to_owned();
        for ((verb, resource, subresource, code), count) in &*self.lock() {
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "apiserver_request_total{{code=\"{code}\",resource=\"{resource}\",subresource=\"{subresource}\",verb=\"{verb}\"}} {count}"
            );
        }
        let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
        (StatusCode::OK, kind, text).into_response()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Kind, u64>> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
