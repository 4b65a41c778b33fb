//! Posting a document to a web server, over HTTP or HTTPS.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Uri, header};
use http_body_util::Full;

use crate::http_client::{HttpClient, HttpClientError, USER_AGENT, with_causes};

/// Posts documents. All clones share one client.
#[derive(Clone, Default)]
pub struct Post(HttpClient);

/// Where a document goes.
#[derive(Clone)]
pub struct Address {
    pub uri: Uri,
    /// May hold secrets: never shown.
    pub headers: HeaderMap,
}

/// Why a document was not taken.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// No answer in time.
    #[error("no answer within {} s", .0.as_secs_f64())]
    Silent(Duration),
    /// The server cannot be reached, or the connection broke.
    #[error("{0}")]
    Broken(String),
    /// The server does not want it.
    #[error("the server answered {status}")]
    Refused {
        /// The answer's status.
        status: http::StatusCode,
        /// How long it asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// There are no certificates to check servers by.
    #[error("{0}")]
    NoRoots(String),
}

impl PostError {
    /// Whether the same document may be taken a little later.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Silent(_) | Self::Broken(_) => true,
            Self::Refused { status, .. } => {
                status.is_server_error() || *status == http::StatusCode::TOO_MANY_REQUESTS
            }
            Self::NoRoots(_) => false,
        }
    }

    /// How long the server asked to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            Self::Silent(_) | Self::Broken(_) | Self::NoRoots(_) => None,
        }
    }
}

impl Post {
    /// Posts JSON, once. Redirections are not followed: headers may be secrets.
    pub async fn send(
        &self,
        address: &Address,
        json: Bytes,
        limit: Duration,
    ) -> Result<(), PostError> {
        let mut request = Request::post(address.uri.clone())
            .body(Full::new(json))
            .map_err(|error| PostError::Broken(error.to_string()))?;
        let headers = request.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        headers.extend(address.headers.clone());
        let answer = tokio::time::timeout(limit, self.0.request(request))
            .await
            .map_err(|_| PostError::Silent(limit))?
            .map_err(|error| match error {
                HttpClientError::NoRoots(_) => PostError::NoRoots(error.to_string()),
                HttpClientError::Broken(_) => PostError::Broken(with_causes(&error)),
            })?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(PostError::Refused {
            status: answer.status(),
            retry_after: answer
                .headers()
                .get(header::RETRY_AFTER)
                .and_then(|value| value.to_str().ok()?.parse().ok())
                .map(Duration::from_secs),
        })
    }
}
