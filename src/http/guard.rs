//! Who may come in: decided before anything else sees a request.
//!
//! Where no token is needed, on loopback, the danger is a page of somebody else's in the browser of
//! whoever works on this machine. Such a page can send requests here but not read the answers; and
//! it can make its own name point here. So the name that is asked for must be one of this machine,
//! what changes something must be JSON or YAML, which no page may send elsewhere without asking,
//! and must not say that it comes from another page.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{MatchedPath, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use http::{HeaderMap, Method, Request, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::access::Caller;
use super::metrics::Route;
use super::page::credential;
use super::problem::{Problem, ProblemKind};
use super::server::Api;
use super::submit::DEFINITIONS;

/// Who is at the other end of the connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// What anybody may ask, as often as they like: that the program is well.
const ALWAYS: [&str; 2] = ["/healthz", "/readyz"];
/// What anybody may ask.
const OPEN: [&str; 1] = ["/openapi.json"];

/// After how many clients those that were quiet for long are forgotten.
const MANY: usize = 10_000;

pub(super) async fn guard(
    State(api): State<Arc<Api>>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let route = Route::of(&request);
    let answered = async {
        match admit(&api, request).await {
            Ok(request) => next.run(request).await,
            Err(problem) => problem.into_response(),
        }
    };
    let response = in_time(&api, answered)
        .await
        .unwrap_or_else(Problem::into_response);
    api.scrape.count(&route, response.status());
    response
}

/// The answer, unless it takes too long until it begins.
pub(super) async fn in_time(
    api: &Api,
    answered: impl Future<Output = Response>,
) -> Result<Response, Problem> {
    let within = api.may.borrow().settings.request_time;
    tokio::time::timeout(within, answered).await.map_err(|_| {
        let seconds = within.as_secs();
        let detail = format!("the request was not answered within {seconds} seconds");
        Problem::new(ProblemKind::TimedOut, detail)
    })
}

async fn admit(api: &Api, request: Request<Body>) -> Result<Request<Body>, Problem> {
    let path = request.uri().path();
    if ALWAYS.contains(&path) {
        return Ok(request);
    }
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    not_too_often(api, peer)?;
    let changes = !matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    if !OPEN.contains(&path) {
        let headers = request.headers();
        // A browser's cookie is enough to look; what changes something needs the header itself.
        let shown = if changes {
            text(headers, header::AUTHORIZATION).map(Cow::Borrowed)
        } else {
            credential(headers)
        };
        match api.access.caller(shown.as_deref())? {
            Caller::Local => {
                asks_for_this_machine(api, &request)?;
                if changes {
                    comes_from_here(headers)?;
                }
            }
            Caller::Token { name, read_only } => {
                if changes && read_only {
                    let detail = format!("the token {name} may only look");
                    return Err(Problem::new(ProblemKind::Forbidden, detail));
                }
            }
        }
    }
    // Whatever else changes something is not done here, and the routes say so.
    let taken = |path: &MatchedPath| api.posts.contains(path.as_str());
    let path = request.extensions().get::<MatchedPath>();
    if *request.method() == Method::POST && path.is_some_and(taken) {
        understood(request.headers())?;
        return whole(api, request).await;
    }
    Ok(request)
}

/// One bucket for each client; of IPv6, for each network that one is given.
pub(super) fn not_too_often(api: &Api, peer: Option<SocketAddr>) -> Result<(), Problem> {
    let may = api.may.borrow();
    let (Some(limiter), Some(peer)) = (&may.limiter, peer) else {
        return Ok(());
    };
    let client = match peer.ip().to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    };
    if limiter.len() > MANY {
        limiter.retain_recent();
    }
    limiter.check_key(&client).map_err(|refused| {
        let wait: Duration = refused.wait_time_from(DefaultClock::default().now());
        let detail = "too many requests from this client; see requests_per_second in [http]";
        Problem::new(ProblemKind::TooManyRequests, detail).again_after(wait.as_secs() + 1)
    })
}

/// Whether the name that is asked for is one of this machine, or one that the settings allow.
pub(super) fn asks_for_this_machine(api: &Api, request: &Request<Body>) -> Result<(), Problem> {
    let authority = text(request.headers(), header::HOST).or_else(|| {
        request
            .uri()
            .authority()
            .map(|authority| authority.as_str())
    });
    let host = authority.map(host_of).unwrap_or_default();
    let here = host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let allowed = || {
        let may = api.may.borrow();
        may.settings
            .allowed_hosts
            .iter()
            .any(|known| host.eq_ignore_ascii_case(known))
    };
    if here || allowed() {
        return Ok(());
    }
    let detail = format!(
        "the request asks for the host {host:?}: without tokens only this machine is answered; make one with `adjourn token create NAME`, or name the host in allowed_hosts in [http]"
    );
    Err(Problem::new(ProblemKind::Forbidden, detail))
}

/// The host of an authority, without its port and without brackets.
fn host_of(authority: &str) -> &str {
    if let Some(bracketed) = authority.strip_prefix('[') {
        return bracketed.split(']').next().unwrap_or_default();
    }
    authority.split(':').next().unwrap_or_default()
}

/// Whether no page of somebody else's asks.
pub(super) fn comes_from_here(headers: &HeaderMap) -> Result<(), Problem> {
    let foreign = |detail: &str| Err(Problem::new(ProblemKind::Forbidden, detail));
    match text(headers, "sec-fetch-site") {
        None | Some("same-origin" | "none") => {}
        Some(_) => return foreign("the request comes from a page of another site"),
    }
    let Some(origin) = text(headers, header::ORIGIN) else {
        return Ok(());
    };
    let host = text(headers, header::HOST).unwrap_or_default();
    let same = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"))
        .is_some_and(|place| place.eq_ignore_ascii_case(host));
    if same {
        Ok(())
    } else {
        foreign("the request comes from a page of another origin")
    }
}

/// What is sent: its content type without parameters.
pub(super) fn kind_of(headers: &HeaderMap) -> &str {
    let kind = text(headers, header::CONTENT_TYPE).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim()
}

/// Whether what is sent is of a kind that is understood.
fn understood(headers: &HeaderMap) -> Result<(), Problem> {
    let essence = kind_of(headers);
    let known = [
        "application/json",
        "application/yaml",
        "application/x-yaml",
        "text/yaml",
        DEFINITIONS,
    ];
    if known
        .iter()
        .any(|known| essence.eq_ignore_ascii_case(known))
    {
        return Ok(());
    }
    let detail = format!(
        "the content type {essence:?} is not understood: send application/json or, for a task file, application/yaml"
    );
    Err(Problem::new(ProblemKind::UnsupportedMediaType, detail))
}

/// The request with its whole body read, unless that is too large.
pub(super) async fn whole(api: &Api, request: Request<Body>) -> Result<Request<Body>, Problem> {
    let most = api.may.borrow().settings.max_body_bytes;
    let (parts, body) = request.into_parts();
    let read = Limited::new(body, most).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            let detail = format!(
                "the request's body is larger than {most} bytes (max_body_bytes in [http])"
            );
            Problem::new(ProblemKind::TooLarge, detail)
        } else {
            Problem::new(ProblemKind::Usage, "the request's body broke off")
        }
    })?;
    Ok(Request::from_parts(parts, Body::from(read.to_bytes())))
}

pub(super) fn text(headers: &HeaderMap, name: impl header::AsHeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::host_of;

    #[test]
    fn a_host_is_told_from_its_port() {
        for (authority, host) in [
            ("localhost:8470", "localhost"),
            ("127.0.0.1", "127.0.0.1"),
            ("[::1]:8470", "::1"),
            ("[::1]", "::1"),
            ("", ""),
        ] {
            assert_eq!(host_of(authority), host, "{authority}");
        }
    }
}
