//! Requests and their answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, timeout};

use super::error::RemoteError;
use crate::http::Problem;
use crate::http_client::{HttpClient, USER_AGENT, with_causes};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long a daemon that was reached before may be away.
const AWAY: Duration = Duration::from_secs(60);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(300);

/// The longest sentence of somebody else's that is told, in bytes.
const LONGEST_SENTENCE: usize = 200;

/// A daemon elsewhere.
#[derive(Clone)]
pub struct Remote {
    server: String,
    authorization: Option<HeaderValue>,
    client: HttpClient,
    /// Whether it ever answered.
    reached: Arc<AtomicBool>,
}

impl Remote {
    /// The daemon at the URL `server`, for whoever has `token`.
    ///
    /// # Errors
    /// [`RemoteError::Usage`] for what is no URL or no token.
    pub fn new(server: &str, token: Option<&str>) -> Result<Self, RemoteError> {
        let usage = RemoteError::Usage;
        let server = server.trim_end_matches('/').to_owned();
        let uri: Option<Uri> = server.parse().ok();
        let fits = uri.as_ref().is_some_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri
                    .authority()
                    .is_some_and(|place| !place.as_str().contains('@'))
                && uri.query().is_none()
        });
        if !fits {
            return Err(usage(format!(
                "--server {server:?} must be a URL such as http://127.0.0.1:8470"
            )));
        }
        let authorization = match token.map(str::trim).filter(|token| !token.is_empty()) {
            None => None,
            Some(token) => {
                let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
                    .map_err(|_| usage("the token cannot be sent: it must be one line".into()))?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        Ok(Self {
            server,
            authorization,
            client: HttpClient::default(),
            reached: Arc::default(),
        })
    }

    /// Its URL.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, RemoteError> {
        self.ask(&Method::GET, path, "application/json", Bytes::new())
            .await
    }

    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        kind: &'static str,
        body: Vec<u8>,
    ) -> Result<T, RemoteError> {
        self.ask(&Method::POST, path, kind, body.into()).await
    }

    /// Asks again while the daemon is away, if it was reached before, and when it asks for time.
    async fn ask<T: DeserializeOwned>(
        &self,
        method: &Method,
        path: &str,
        kind: &'static str,
        body: Bytes,
    ) -> Result<T, RemoteError> {
        let until = Instant::now() + AWAY;
        loop {
            let error = match self.once(method, path, kind, body.clone()).await {
                Ok(answer) => {
                    self.reached.store(true, Ordering::Relaxed);
                    return serde_json::from_slice(&answer)
                        .map_err(|error| self.strange(error.to_string()));
                }
                Err(error) => error,
            };
            let wait = match &error {
                // What was asked for may have been done: only questions are asked again.
                RemoteError::Unreachable { .. }
                    if *method == Method::GET && self.reached.load(Ordering::Relaxed) =>
                {
                    PAUSE
                }
                RemoteError::Refused(problem) => match problem.retry_after {
                    Some(seconds) => Duration::from_secs(seconds),
                    None => return Err(error),
                },
                RemoteError::Unreachable { .. }
                | RemoteError::Strange { .. }
                | RemoteError::Usage(_) => return Err(error),
            };
            if Instant::now() + wait > until {
                return Err(error);
            }
            sleep(wait).await;
        }
    }

    async fn once(
        &self,
        method: &Method,
        path: &str,
        kind: &'static str,
        body: Bytes,
    ) -> Result<Bytes, RemoteError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}/api/v1{path}", self.server))
            .header(header::CONTENT_TYPE, kind)
            .header(header::USER_AGENT, USER_AGENT)
            .body(Full::new(body))
            .map_err(|error| RemoteError::Usage(error.to_string()))?;
        if let Some(authorization) = &self.authorization {
            let headers = request.headers_mut();
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        let answered = async {
            let answer = self
                .client
                .request(request)
                .await
                .map_err(|error| with_causes(&error))?;
            let (head, body) = answer.into_parts();
            let body = body.collect().await.map_err(|error| with_causes(&error))?;
            Ok::<_, String>((head.status, body.to_bytes()))
        };
        let answered = timeout(PATIENCE, answered)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())));
        let (status, body) = answered.map_err(|detail| RemoteError::Unreachable {
            server: self.server.clone(),
            detail,
        })?;
        if status.is_success() {
            return Ok(body);
        }
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => Err(RemoteError::Refused(Box::new(problem))),
            Err(_) if status == StatusCode::BAD_GATEWAY => Err(RemoteError::Unreachable {
                server: self.server.clone(),
                detail: "what stands before it cannot reach it".to_owned(),
            }),
            Err(_) => Err(self.strange(format!("status {status}{}", said(&body)))),
        }
    }

    fn strange(&self, detail: String) -> RemoteError {
        RemoteError::Strange {
            server: self.server.clone(),
            detail,
        }
    }
}

/// What an answer says that is no problem of ours, if that is a sentence.
fn said(body: &[u8]) -> String {
    let line = std::str::from_utf8(body).unwrap_or_default().trim();
    let plain = !line.contains(|c: char| c.is_control() || c == '<');
    if plain && !line.is_empty() && line.len() <= LONGEST_SENTENCE {
        format!(", {line}")
    } else {
        String::new()
    }
}
