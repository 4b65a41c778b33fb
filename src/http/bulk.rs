//! Wishes for many tasks at once.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use serde::Deserialize;
use utoipa::ToSchema;

use super::problem::{Problem, ProblemKind};
use super::query::Asked;
use super::server::Api;
use super::tasks::{is_state, json};
use crate::service::{BulkDone, BulkFilter};
use crate::task::state::STATE_NAMES;

/// What is wished for, and for which tasks.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct BulkWish {
    /// Which tasks: those that fit everything that is said.
    filter: BulkFilter,
    /// That every task is meant: without it, an empty filter is refused.
    all: bool,
    /// For the tasks' histories.
    reason: Option<String>,
}

impl BulkWish {
    fn read(body: &[u8]) -> Result<Self, Problem> {
        let wish: Self = json(body)?;
        let usage = |detail: String| Err(Problem::new(ProblemKind::Usage, detail));
        if let Some(wrong) = wish.filter.states.iter().find(|state| !is_state(state)) {
            return usage(format!(
                "{wrong:?} is no state of a task, there are {}",
                STATE_NAMES.join(", ")
            ));
        }
        if wish.filter.is_empty() && !wish.all {
            return usage(
                "the filter lets every task through: say which are meant, or \"all\": true"
                    .to_owned(),
            );
        }
        Ok(wish)
    }
}

/// Ask for the end of every task that the filter lets through and that has not ended.
#[utoipa::path(post, path = "/bulk/cancel", tag = "bulk", operation_id = "cancel_tasks",
    request_body = BulkWish,
    responses((status = 200, description = "for which tasks it holds", body = BulkDone)))]
pub(super) async fn cancel(
    State(api): State<Arc<Api>>,
    asked: Asked,
    body: Bytes,
) -> Result<Json<BulkDone>, Problem> {
    asked.end()?;
    let wish = BulkWish::read(&body)?;
    let reason = wish.reason.as_deref().unwrap_or("cancelled");
    Ok(Json(api.service.cancel_all(&wish.filter, reason).await?))
}

/// Give every task that the filter lets through another attempt, as far as it can have one.
#[utoipa::path(post, path = "/bulk/retry", tag = "bulk", operation_id = "retry_tasks",
    request_body = BulkWish,
    responses((status = 200, description = "for which tasks it holds", body = BulkDone)))]
pub(super) async fn retry(
    State(api): State<Arc<Api>>,
    asked: Asked,
    body: Bytes,
) -> Result<Json<BulkDone>, Problem> {
    asked.end()?;
    let wish = BulkWish::read(&body)?;
    let reason = wish.reason.as_deref().unwrap_or("retried by hand");
    Ok(Json(api.service.retry_all(&wish.filter, reason).await?))
}
