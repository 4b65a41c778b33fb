//! Who may see a page or send a form, and what every answer says to the browser.
//!
//! As the API's guard, with two differences: whoever has no token is shown the form for it, and a
//! form must say that it comes from a page of ours, whoever sends it. Browsers say so by
//! themselves.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, HeaderValue, Method, Request, header};

use super::fault;
use super::session::credential;
use crate::http::access::Caller;
use crate::http::guard::{
    Peer, asks_for_this_machine, comes_from_here, in_time, kind_of, not_too_often, whole,
};
use crate::http::metrics::Route;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::server::Api;

/// What a page may load and do: what is ours, and nothing that stands in the page itself.
const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

/// Who looks at a page.
#[derive(Debug, Clone, Default)]
pub(super) struct Visitor {
    /// The name of their token; none where no token is needed.
    pub(super) name: Option<String>,
    /// Whether they may change something.
    pub(super) may_change: bool,
    /// Whether they have shown who they are, or need not.
    pub(super) known: bool,
}

pub(super) async fn gate(
    State(api): State<Arc<Api>>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let route = Route::of(&request);
    let answered = async {
        match admit(&api, request).await {
            Ok(request) => next.run(request).await,
            Err(refused) => *refused,
        }
    };
    let mut response = in_time(&api, answered)
        .await
        .unwrap_or_else(|problem| fault::page(&problem));
    api.scrape.count(&route, response.status());
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // Not `no-referrer`: a form would then come from nowhere, and be refused.
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

async fn admit(api: &Api, mut request: Request<Body>) -> Result<Request<Body>, Box<Response>> {
    let refuse = |problem: Problem| Box::new(fault::page(&problem));
    let path = request.uri().path();
    let open = path == "/login" || path.starts_with("/assets/");
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    not_too_often(api, peer).map_err(refuse)?;
    let visitor = match api.access.caller(credential(request.headers()).as_deref()) {
        Ok(Caller::Local) => {
            asks_for_this_machine(api, &request).map_err(refuse)?;
            Visitor {
                name: None,
                may_change: true,
                known: true,
            }
        }
        Ok(Caller::Token { name, read_only }) => Visitor {
            name: Some(name),
            may_change: !read_only,
            known: true,
        },
        Err(_) if open => Visitor::default(),
        Err(problem) if *request.method() == Method::POST => return Err(refuse(problem)),
        Err(_) => {
            let wanted = request
                .uri()
                .path_and_query()
                .map_or("/", |uri| uri.as_str());
            let query = form_urlencoded::Serializer::new(String::new())
                .append_pair("next", wanted)
                .finish();
            return Err(Box::new(
                Redirect::to(&format!("/login?{query}")).into_response(),
            ));
        }
    };
    if *request.method() == Method::POST {
        is_ours(request.headers()).map_err(refuse)?;
        if !open && path != "/logout" && !visitor.may_change {
            let name = visitor.name.as_deref().unwrap_or_default();
            let detail = format!("the token {name} may only look");
            return Err(refuse(Problem::new(ProblemKind::Forbidden, detail)));
        }
        request = whole(api, request).await.map_err(refuse)?;
    }
    request.extensions_mut().insert(visitor);
    Ok(request)
}

/// Whether a form was sent from a page of ours.
fn is_ours(headers: &HeaderMap) -> Result<(), Problem> {
    comes_from_here(headers)?;
    let says = |name: &str| headers.contains_key(name);
    if !says("sec-fetch-site") && !says("origin") {
        let detail = "the request does not say which page it comes from; programs use /api/v1";
        return Err(Problem::new(ProblemKind::Forbidden, detail));
    }
    if kind_of(headers).eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Ok(());
    }
    let detail = "only forms are understood here; programs use /api/v1";
    Err(Problem::new(ProblemKind::UnsupportedMediaType, detail))
}
