//! What forms ask for: the end of tasks, or another attempt.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use serde::Serialize;

use super::fault::Fault;
use super::form::{Form, link, pairs};
use super::gate::Visitor;
use super::list::listing;
use super::render::render;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::query::Names;
use crate::http::server::Api;
use crate::service::{BulkDone, BulkFilter};
use crate::store::TaskFilter;
use crate::task::state::{OPEN_STATES, RETRYABLE_STATES};

/// Up to how many tasks are counted before a wish for them is confirmed.
const COUNTED: u32 = 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Cancel,
    Retry,
}

impl Wish {
    fn word(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Retry => "retry",
        }
    }

    /// The states of the tasks that it would change.
    fn states(self) -> [&'static str; 4] {
        match self {
            Self::Cancel => OPEN_STATES,
            Self::Retry => RETRYABLE_STATES,
        }
    }
}

/// For the tasks' histories.
fn reason(wish: Wish, visitor: &Visitor) -> String {
    let by = visitor.name.as_ref();
    let by = by.map_or_else(String::new, |name| format!(" by {name}"));
    match wish {
        Wish::Cancel => format!("cancelled on the web page{by}"),
        Wish::Retry => format!("retried on the web page{by}"),
    }
}

pub(super) async fn cancel_one(
    State(api): State<Arc<Api>>,
    Extension(visitor): Extension<Visitor>,
    names: Names,
) -> Result<Response, Fault> {
    let id = api.named(&names).await?;
    let reason = reason(Wish::Cancel, &visitor);
    api.service.ask_for_end(id, &reason).await?;
    Ok(Redirect::to(&format!("/tasks/{id}")).into_response())
}

pub(super) async fn retry_one(
    State(api): State<Arc<Api>>,
    Extension(visitor): Extension<Visitor>,
    names: Names,
) -> Result<Response, Fault> {
    let id = api.named(&names).await?;
    api.service
        .retry(id, &reason(Wish::Retry, &visitor))
        .await?;
    Ok(Redirect::to(&format!("/tasks/{id}")).into_response())
}

pub(super) async fn cancel_many(
    State(api): State<Arc<Api>>,
    Extension(visitor): Extension<Visitor>,
    body: Bytes,
) -> Result<Response, Fault> {
    many(&api, &visitor, Wish::Cancel, &body).await
}

pub(super) async fn retry_many(
    State(api): State<Arc<Api>>,
    Extension(visitor): Extension<Visitor>,
    body: Bytes,
) -> Result<Response, Fault> {
    many(&api, &visitor, Wish::Retry, &body).await
}

#[derive(Serialize)]
struct Outcome<'a> {
    wish: &'static str,
    outcome: BulkDone,
    /// How many of those that were ticked it makes no sense for.
    left: usize,
    next: &'a str,
}

async fn many(api: &Api, visitor: &Visitor, wish: Wish, body: &[u8]) -> Result<Response, Fault> {
    let form = Form::read(body);
    let filter = form.filter()?;
    // Only the page that says how many there are may mean all of them.
    if filter.is_empty() && form.get("all").is_none() {
        let detail = "no task was chosen: tick those that are meant, and try again";
        return Err(Problem::new(ProblemKind::Usage, detail).into());
    }
    let reason = reason(wish, visitor);
    let outcome = match wish {
        Wish::Cancel => api.service.cancel_all(&filter, &reason).await?,
        Wish::Retry => api.service.retry_all(&filter, &reason).await?,
    };
    let next = form.next();
    let told_of = outcome.done.len() + outcome.refused.len();
    let left = filter.ids.len().saturating_sub(told_of);
    if outcome.refused.is_empty() && left == 0 {
        let told = [
            ("done", wish.word().to_owned()),
            ("tasks", outcome.done.len().to_string()),
        ];
        let joint = if next.contains('?') { '&' } else { '?' };
        let query = link("", &told);
        let to = format!("{next}{joint}{}", query.trim_start_matches('?'));
        return Ok(Redirect::to(&to).into_response());
    }
    let page = Outcome {
        wish: wish.word(),
        outcome,
        left,
        next,
    };
    Ok(render("outcome.html", visitor, page))
}

#[derive(Serialize)]
struct Confirm {
    wish: &'static str,
    /// What the filter says, in the order of its fields.
    filter: Vec<(&'static str, String)>,
    count: usize,
    more: bool,
    back: String,
}

/// Asks once more before something is done to all tasks that a filter lets through.
pub(super) async fn confirm(
    State(api): State<Arc<Api>>,
    Extension(visitor): Extension<Visitor>,
    RawQuery(query): RawQuery,
) -> Result<Response, Fault> {
    let form = Form::read(query.unwrap_or_default().as_bytes());
    let wish = match form.get("wish") {
        Some("cancel") => Wish::Cancel,
        Some("retry") => Wish::Retry,
        Some(_) | None => {
            let detail = "wish must be cancel or retry";
            return Err(Problem::new(ProblemKind::Usage, detail).into());
        }
    };
    let filter = form.filter()?;
    let count = meant(&api, wish, &filter).await?;
    let most = COUNTED as usize;
    let page = Confirm {
        wish: wish.word(),
        back: link("/", &pairs(&filter)),
        filter: pairs(&filter),
        count: count.min(most),
        more: count > most,
    };
    Ok(render("confirm.html", &visitor, page))
}

/// How many tasks a wish would change, counted up to a bound.
async fn meant(api: &Api, wish: Wish, filter: &BulkFilter) -> Result<usize, Fault> {
    let states = wish.states();
    let states: Vec<String> = states
        .iter()
        .filter(|state| filter.states.is_empty() || filter.states.iter().any(|s| s == *state))
        .map(|state| (*state).to_owned())
        .collect();
    if states.is_empty() {
        return Ok(0);
    }
    let question = TaskFilter {
        states,
        limit: Some(COUNTED + 1),
        ..listing(filter)
    };
    Ok(api.service.list(&question).await?.len())
}
