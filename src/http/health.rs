//! Whether the daemon is well, and what there is, counted.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, header};

use super::problem::{Problem, ProblemKind};
use super::query::Asked;
use super::server::Api;
use crate::service::Stats;

/// How long the database may take to answer: whoever asks whether a process is well does not wait
/// for long.
const ANSWER: Duration = Duration::from_secs(2);

/// Whether the process answers.
#[utoipa::path(get, path = "/healthz", tag = "health", operation_id = "healthz", security(()),
    responses((status = 200, description = "it does", body = String, content_type = "text/plain")))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether the engine works and the database answers.
#[utoipa::path(get, path = "/readyz", tag = "health", operation_id = "readyz", security(()),
    responses((status = 200, description = "they do", body = String, content_type = "text/plain"),
              (status = 503, description = "not now", body = Problem,
               content_type = "application/problem+json")))]
pub(super) async fn readyz(State(api): State<Arc<Api>>) -> Result<&'static str, Problem> {
    let not_now = |detail: &str| Problem::new(ProblemKind::Unavailable, detail).again_after(1);
    if !api.ready.load(Ordering::Relaxed) || api.stopping.is_cancelled() {
        return Err(not_now("the engine does not work yet, or no longer"));
    }
    // Its words could name a place on this machine, and nobody has to have a token here.
    let answered = tokio::time::timeout(ANSWER, api.service.newest_change()).await;
    match answered {
        Ok(Ok(_)) => Ok("ready\n"),
        Ok(Err(_)) | Err(_) => Err(not_now("the database does not answer")),
    }
}

/// What there is, counted.
#[utoipa::path(get, path = "/stats", tag = "health", operation_id = "get_stats",
    responses((status = 200, description = "the counts", body = Stats)))]
pub(super) async fn stats(
    State(api): State<Arc<Api>>,
    asked: Asked,
) -> Result<Json<Stats>, Problem> {
    asked.end()?;
    Ok(Json(api.service.stats().await?))
}

/// The OpenAPI document of this API.
#[utoipa::path(get, path = "/openapi.json", tag = "health", operation_id = "get_openapi",
    security(()),
    responses((status = 200, description = "the document", body = Object)))]
pub(super) async fn openapi(State(api): State<Arc<Api>>) -> (HeaderMap, String) {
    let mut headers = HeaderMap::new();
    let json = http::HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    (headers, api.document.to_string())
}
