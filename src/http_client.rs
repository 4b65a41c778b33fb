//! Asking web servers: the HTTP client that kube brings along, with TLS and the machine's own roots.
//!
//! Shared by those who ask a server that is not Kubernetes; knows nothing of what they ask.

use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Builder, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio_rustls::rustls::crypto::ring;

/// How long a connection is kept for the next request.
const IDLE: Duration = Duration::from_secs(30);

/// Who asks, in words.
pub const USER_AGENT: &str = concat!("adjourn/", env!("CARGO_PKG_VERSION"));

type Secure = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Sends requests over HTTP or HTTPS. Redirections are not followed. Clones share connections.
///
/// Certificates are looked for at the first request that needs them: on a machine that has none,
/// servers are still spoken to without TLS.
#[derive(Debug, Clone)]
pub struct HttpClient {
    plain: Client<HttpConnector, Full<Bytes>>,
    secure: Arc<OnceLock<Result<Secure, String>>>,
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpClientError {
    /// No server can be checked.
    #[error(
        "this machine has no certificates to check servers by ({0}): install them, or name a file of them in SSL_CERT_FILE"
    )]
    NoRoots(String),
    /// The server cannot be reached, or the connection broke.
    #[error(transparent)]
    Broken(#[from] hyper_util::client::legacy::Error),
}

impl Default for HttpClient {
    fn default() -> Self {
        Self {
            plain: builder().build_http(),
            secure: Arc::default(),
        }
    }
}

impl HttpClient {
    /// Sends a request, once.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn request(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, HttpClientError> {
        if request.uri().scheme() != Some(&Scheme::HTTPS) {
            return Ok(self.plain.request(request).await?);
        }
        match self.secure.get_or_init(secure) {
            Ok(client) => Ok(client.request(request).await?),
            Err(error) => Err(HttpClientError::NoRoots(error.clone())),
        }
    }
}

fn builder() -> Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE);
    builder
}

fn secure() -> Result<Secure, String> {
    let connector = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(ring::default_provider())
        .map_err(|error| error.to_string())?
        .https_only()
        .enable_http1()
        .build();
    Ok(builder().build(connector))
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
