//! Faults on request, to try out what clients make of them.
//!
//! Only a server that was started with the `faults` setting has them; without it the paths here
//! are as unknown as any other. What is asked for stays until it is replaced or used up.

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use rand::RngExt;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;

use super::media;
use super::refusal::Refusal;
use super::target::Target;
use crate::local_cluster::objects::Objects;

/// Where faults are asked for.
pub(crate) const PATH: &str = "__adjourn/faults";

/// What goes wrong with some requests.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// Verbs such as `create` or `watch`; all if there are none.
    #[serde(default)]
    verbs: Vec<String>,
    /// A part of the path; every path if it is empty.
    #[serde(default)]
    path: String,
    /// Which share of those requests, from 0 to 1.
    #[serde(default = "all")]
    share: f64,
    /// How many requests at most; no limit if it is absent.
    times: Option<u64>,
    fault: Fault,
}

fn all() -> f64 {
    1.0
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Fault {
    /// The request is refused with this status and nothing is done.
    Status(u16),
    /// It takes so many milliseconds longer.
    DelayMillis(u64),
    /// The connection is cut and nothing is done.
    Cut,
    /// The request is carried out, and the connection is cut in place of the answer.
    LoseAnswer,
}

/// All that is asked for at a time.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Orders {
    rules: Vec<Rule>,
    /// Watches say nothing, not even bookmarks, but stay open.
    silent_watches: bool,
    /// Once: open watches are cut.
    cut_watches: bool,
    /// Once: open watches are told that their version is too old.
    expire_watches: bool,
    /// Once: versions before now can no longer be watched or listed.
    forget_history: bool,
}

/// What open watches are told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct WatchOrders {
    pub silent: bool,
    /// Rises each time that open watches are cut.
    pub cuts: u64,
    /// Rises each time that open watches are told to begin anew.
    pub expiries: u64,
}

/// The faults of a server.
pub(crate) struct Faults {
    allowed: bool,
    rules: Mutex<Vec<Rule>>,
    watches: watch::Sender<WatchOrders>,
}

/// Marks an answer that must not be sent: the connection is cut instead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CutHere;

impl Faults {
    pub fn new(allowed: bool) -> Self {
        Self {
            allowed,
            rules: Mutex::new(Vec::new()),
            watches: watch::Sender::new(WatchOrders::default()),
        }
    }

    /// What open watches are told, from now on.
    pub fn watch_orders(&self) -> watch::Receiver<WatchOrders> {
        self.watches.subscribe()
    }

    /// What goes wrong with this request; each rule is drawn for itself, the first that hits
    /// counts.
    pub fn draw(
        &self,
        method: &Method,
        target: &Target,
        path: &str,
        watching: bool,
    ) -> Option<Fault> {
        if !self.allowed || path.trim_matches('/') == PATH {
            return None;
        }
        let verb = target.verb(method, watching);
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let hit = rules.iter_mut().find(|rule| {
            (rule.verbs.is_empty() || rule.verbs.iter().any(|one| one == verb))
                && path.contains(&rule.path)
                && rule.times != Some(0)
                && rand::rng().random::<f64>() < rule.share
        })?;
        if let Some(times) = &mut hit.times {
            *times -= 1;
        }
        Some(hit.fault.clone())
    }

    /// Answers a request for faults: PUT sets all of them, DELETE ends them.
    pub fn respond(
        &self,
        method: &Method,
        body: &[u8],
        objects: &Objects,
    ) -> Result<Response, Refusal> {
        if !self.allowed {
            return Err(Refusal::no_such_path());
        }
        let orders: Orders = match *method {
            Method::PUT => serde_json::from_slice(body)
                .map_err(|error| Refusal::bad_request(format!("not faults: {error}")))?,
            Method::DELETE => Orders::default(),
            _ => return Err(Refusal::method_not_allowed()),
        };
        if orders.forget_history {
            objects.forget_history();
        }
        *self.rules.lock().unwrap_or_else(PoisonError::into_inner) = orders.rules;
        self.watches.send_modify(|watches| {
            watches.silent = orders.silent_watches;
            watches.cuts += u64::from(orders.cut_watches);
            watches.expiries += u64::from(orders.expire_watches);
        });
        Ok(media::json(StatusCode::OK, &json!({})))
    }
}

impl Fault {
    /// What happens before the request is carried out: an answer in its place, if it is not.
    pub async fn before(&self) -> Option<Response> {
        match self {
            Self::Status(code) => Some(Refusal::on_request(*code).into_response()),
            Self::DelayMillis(millis) => {
                tokio::time::sleep(Duration::from_millis(*millis)).await;
                None
            }
            Self::Cut => Some(cut()),
            Self::LoseAnswer => None,
        }
    }

    /// What happens to the answer.
    pub fn after(&self, response: Response) -> Response {
        match self {
            Self::LoseAnswer => cut(),
            Self::Status(_) | Self::DelayMillis(_) | Self::Cut => response,
        }
    }
}

fn cut() -> Response {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target::parse("/api/v1/namespaces/n/pods").unwrap()
    }

    #[test]
    fn a_rule_hits_what_it_names_and_as_often_as_it_says() {
        let faults = Faults::new(true);
        let objects = Objects::in_memory();
        let orders = br#"{"rules": [
            {"verbs": ["create"], "path": "/pods", "times": 1, "fault": {"status": 503}},
            {"verbs": ["list"], "share": 0, "fault": "cut"}
        ]}"#;
        faults.respond(&Method::PUT, orders, &objects).unwrap();
        let draw = |method: Method, path: &str| faults.draw(&method, &target(), path, false);
        assert_eq!(draw(Method::GET, "/api/v1/namespaces/n/pods"), None);
        assert_eq!(draw(Method::POST, "/other"), None);
        assert_eq!(
            draw(Method::POST, "/api/v1/namespaces/n/pods"),
            Some(Fault::Status(503))
        );
        assert_eq!(draw(Method::POST, "/api/v1/namespaces/n/pods"), None);
    }

    #[test]
    fn a_server_without_the_setting_has_no_faults() {
        let faults = Faults::new(false);
        let objects = Objects::in_memory();
        let refused = faults.respond(&Method::PUT, b"{}", &objects).unwrap_err();
        assert_eq!(refused.code, 404);
    }
}
