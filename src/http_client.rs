//! Asking web servers: the HTTP client that kube brings along, with TLS and the machine's own roots.
//!
//! Shared by those who ask a server that is not Kubernetes; knows nothing of what they ask.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio_rustls::rustls::crypto::ring;

/// How long a connection is kept for the next request.
const IDLE: Duration = Duration::from_secs(30);

/// Who asks, in words.
pub const USER_AGENT: &str = concat!("adjourn/", env!("CARGO_PKG_VERSION"));

/// Sends requests over HTTP or HTTPS. Redirections are not followed.
pub type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A client of its own.
///
/// # Errors
/// In words: there are no certificates to check servers by.
pub fn client() -> Result<HttpClient, String> {
    let connector = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(ring::default_provider())
        .map_err(|error| error.to_string())?
        .https_or_http()
        .enable_http1()
        .build();
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .build(connector))
}

/// An error with all that led to it, in a line.
pub fn with_causes(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words = format!("{words}: {cause}");
        source = cause.source();
    }
    words
}
