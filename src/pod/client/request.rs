//! One request: sent with a deadline, its answer read, its refusal understood.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use chrono::DateTime;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt;
use kube::client::Body;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::SemaphorePermit;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::source::login_problem;
use super::{ApiError, Backoff, ClusterClient, ConnectError, Refusal};
use crate::clock::Timestamp;
use crate::metrics::count_request;

/// How often a request is tried before its error is handed on.
const ATTEMPTS: u32 = 4;

/// The longest that a server's `Retry-After` holds up a single call; beyond it the caller
/// decides, who knows whether the task can wait.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// A request that can be sent more than once.
#[derive(Debug, Clone)]
pub(crate) struct ApiRequest {
    pub(crate) method: Method,
    /// Path and query, already encoded.
    pub(crate) path: String,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) body: Vec<u8>,
    /// What is asked, in words for an error message.
    pub(crate) words: String,
}

impl ApiRequest {
    /// A path and query from parts that may hold anything.
    pub(crate) fn path(segments: &[&str], query: &[(&str, &str)]) -> String {
        let mut path = String::new();
        for segment in segments {
            path.push('/');
            encode(segment, &mut path);
        }
        for (index, (key, value)) in query.iter().enumerate() {
            path.push(if index == 0 { '?' } else { '&' });
            path.push_str(key);
            path.push('=');
            encode(value, &mut path);
        }
        path
    }

    pub(crate) fn get(path: String, words: impl Into<String>) -> Self {
        Self::with_body(Method::GET, path, None, Vec::new(), words)
    }

    pub(crate) fn json(
        method: Method,
        path: String,
        body: &Value,
        words: impl Into<String>,
    ) -> Self {
        Self::with_body(
            method,
            path,
            Some("application/json"),
            body.to_string().into_bytes(),
            words,
        )
    }

    pub(crate) fn with_body(
        method: Method,
        path: String,
        content_type: Option<&'static str>,
        body: Vec<u8>,
        words: impl Into<String>,
    ) -> Self {
        Self {
            method,
            path,
            content_type,
            body,
            words: words.into(),
        }
    }
}

impl ClusterClient {
    /// Asks the server for its version: the cheapest proof that it is there and speaks our
    /// language.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Unreachable`], with the address and where it came from.
    pub async fn ping(&self) -> Result<String, ConnectError> {
        #[derive(serde::Deserialize)]
        struct Version {
            #[serde(rename = "gitVersion", default)]
            git_version: String,
        }
        let request = ApiRequest::get("/version".to_owned(), "ask for the server's version");
        let version: Version =
            self.read_once(&request)
                .await
                .map_err(|source| ConnectError::Unreachable {
                    origin: self.origin().to_owned(),
                    server: self.server().to_owned(),
                    source: Box::new(source),
                })?;
        Ok(version.git_version)
    }

    /// What time the server says it is, to the second; `None` if it does not say.
    ///
    /// # Errors
    ///
    /// [`ApiError`] when it does not answer.
    pub async fn server_time(&self) -> Result<Option<Timestamp>, ApiError> {
        let request = ApiRequest::get("/version".to_owned(), "ask for the server's time");
        let response = self.within(&request, self.answer(&request)).await?;
        let date = response.headers().get(http::header::DATE);
        Ok(date
            .and_then(|date| date.to_str().ok())
            .and_then(|date| chrono::DateTime::parse_from_rfc2822(date).ok())
            .map(|date| date.to_utc()))
    }

    /// Sends a request that may safely be sent twice, up to four times, and reads the answer.
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        request: &ApiRequest,
    ) -> Result<T, ApiError> {
        self.retrying(|| self.read_once(request)).await
    }

    /// Sends a request once and reads the answer.
    pub(crate) async fn read_once<T: DeserializeOwned>(
        &self,
        request: &ApiRequest,
    ) -> Result<T, ApiError> {
        let _turn = self.turn().await;
        let bytes = self.within(request, self.answer_bytes(request)).await?;
        serde_json::from_slice(&bytes).map_err(|source| ApiError::Unreadable {
            request: request.words.clone(),
            source,
        })
    }

    /// Sends a request once and gives the answer's code and its body as a stream. Only the
    /// answer's beginning has a deadline; whoever reads the body bounds its silence.
    pub(crate) async fn open(
        &self,
        request: &ApiRequest,
    ) -> Result<(http::StatusCode, Body), ApiError> {
        let _turn = self.turn().await;
        let response = self.within(request, self.answer(request)).await?;
        Ok((response.status(), response.into_body()))
    }

    /// Repeats what may safely be repeated, while it fails in a way that can pass.
    pub(crate) async fn retrying<T, F, Fut>(&self, mut attempt: F) -> Result<T, ApiError>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, ApiError>>,
    {
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(3));
        loop {
            let error = match attempt().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let wait = error.retry_after();
            if !error.retryable()
                || backoff.failures() + 1 >= ATTEMPTS
                || wait.is_some_and(|wait| wait > LONGEST_WAIT)
            {
                return Err(error);
            }
            let delay = backoff.next(rand::random(), wait);
            tracing::debug!(%error, ?delay, "trying again");
            tokio::time::sleep(delay).await;
        }
    }

    /// Waits until one more request may be under way on this cluster. That is not yet the
    /// server's time: the deadline begins when the request is sent.
    async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // Nobody closes the semaphore.
        self.shared.limits.requests.acquire().await.ok()
    }

    async fn answer_bytes(&self, request: &ApiRequest) -> Result<Bytes, ApiError> {
        let response = self.answer(request).await?;
        collect(response.into_body(), request).await
    }

    async fn answer(&self, request: &ApiRequest) -> Result<Response<Body>, ApiError> {
        let mut builder = Request::builder()
            .method(request.method.clone())
            .uri(&request.path)
            .header(http::header::ACCEPT, "application/json");
        if let Some(content_type) = request.content_type {
            builder = builder.header(http::header::CONTENT_TYPE, content_type);
        }
        let built = builder
            .body(Body::from(request.body.clone()))
            .map_err(|error| ApiError::Unsendable {
                request: request.words.clone(),
                problem: error.to_string(),
            })?;
        self.shared.requests.fetch_add(1, Ordering::Relaxed);
        let span = span_of(request);
        let sent = self.kube().send(built).instrument(span.clone()).await;
        let code = sent.as_ref().map_or(0, |answer| answer.status().as_u16());
        span.record("http.response.status_code", code);
        count_request(&self.shared.limits.asked, request.method.as_str(), code);
        let response = sent.map_err(|error| not_answered(request, error))?;
        let code = response.status();
        if code.is_success() {
            return Ok(response);
        }
        let retry_after = retry_after(response.headers());
        let body = collect(response.into_body(), request).await?;
        let error = ApiError::Refused {
            request: request.words.clone(),
            refusal: Box::new(Refusal::from_answer(code.as_u16(), retry_after, &body)),
        };
        if error.is_unauthorized() {
            self.refresh_credentials().await;
        }
        Err(error)
    }

    async fn within<T>(
        &self,
        request: &ApiRequest,
        work: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        let after = self.request_timeout();
        tokio::time::timeout(after, work).await.unwrap_or_else(|_| {
            Err(ApiError::TimedOut {
                request: request.words.clone(),
                after,
            })
        })
    }
}

/// Percent-encodes everything but what is safe anywhere in a URL.
fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push_str(&format!("%{byte:02X}"));
        }
    }
}

async fn collect(body: Body, request: &ApiRequest) -> Result<Bytes, ApiError> {
    let collected = body
        .collect()
        .await
        .map_err(|error| not_answered(request, error))?;
    Ok(collected.to_bytes())
}

/// Tells a failed login from a failed connection.
pub(crate) fn not_answered(request: &ApiRequest, error: kube::Error) -> ApiError {
    if matches!(error, kube::Error::Auth(_)) {
        return ApiError::Credentials {
            request: request.words.clone(),
            problem: login_problem(&error),
        };
    }
    ApiError::Transport {
        request: request.words.clone(),
        source: Box::new(error),
    }
}

/// `Retry-After`: whole seconds from the API server itself; a proxy in front of it may give a
/// moment, which is counted from the answer's own.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let told = |name| Some(headers.get(name)?.to_str().ok()?.trim());
    let wanted = told(http::header::RETRY_AFTER)?;
    if let Ok(seconds) = wanted.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let moment = |text| DateTime::parse_from_rfc2822(text).ok();
    let now = moment(told(http::header::DATE)?)?;
    (moment(wanted)? - now).to_std().ok()
}

/// The request as a part of the step that needs it; what no step needs is part of none.
fn span_of(request: &ApiRequest) -> Span {
    if Span::current().is_none() {
        return Span::none();
    }
    let path = request.path.split('?').next().unwrap_or_default();
    tracing::trace_span!(
        target: "adjourn::span",
        "kubernetes request",
        otel.kind = "client",
        http.request.method = request.method.as_str(),
        http.response.status_code = Empty,
        url.path = path,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pairs: &[(&'static str, &str)]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        retry_after(&headers)
    }

    #[test]
    fn the_server_says_how_long_in_seconds_and_a_proxy_until_when() {
        assert_eq!(told(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
        let date = ("date", "Tue, 24 Nov 2026 08:59:30 GMT");
        let moment = ("retry-after", "Tue, 24 Nov 2026 09:00:00 GMT");
        assert_eq!(told(&[date, moment]), Some(Duration::from_secs(30)));
        // One that has passed is no reason to wait, and one without a now says nothing.
        let past = ("retry-after", "Tue, 24 Nov 2026 08:00:00 GMT");
        assert_eq!(told(&[date, past]), None);
        assert_eq!(told(&[moment]), None);
        assert_eq!(told(&[date]), None);
        assert_eq!(told(&[("retry-after", "soon")]), None);
    }
}
