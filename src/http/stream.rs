//! Answers that go on: made a part at a time, when their reader has taken the part before.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use utoipa::{IntoParams, ToSchema};

use super::problem::{Problem, ProblemKind};
use super::query::Asked;
use super::schema::TaskName;
use super::server::Api;
use super::tasks::{AfterParams, after_and_limit};
use crate::service::{ChangeFeed, ChangeView};
use crate::task::id::TaskRef;

/// How often a reader that hears nothing is told that there is nothing to hear.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// The longest that a question waits for its answer.
const LONGEST_WAIT: i64 = 25;

/// An answer that goes on, counted while it does.
pub(super) struct Streaming {
    stopping: CancellationToken,
    /// Held until the answer ends, or its reader is gone.
    _counted: Counted,
}

struct Counted(prometheus_client::metrics::gauge::Gauge);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Api {
    pub(super) fn streaming(&self) -> Streaming {
        self.streams.inc();
        Streaming {
            stopping: self.stopping.clone(),
            _counted: Counted(self.streams.clone()),
        }
    }
}

/// What `next` makes of `state`, one after the other, until it makes nothing or the server stops.
pub(super) fn stream<S, T, F, N>(
    streaming: Streaming,
    state: S,
    mut next: N,
) -> impl Stream<Item = Result<T, Infallible>>
where
    N: FnMut(S) -> F,
    F: Future<Output = Option<(T, S)>>,
{
    futures::stream::unfold((streaming, state), move |(streaming, state)| {
        let made = next(state);
        async move {
            let made = tokio::select! {
                made = made => made,
                () = streaming.stopping.cancelled() => None,
            };
            made.map(|(part, state)| (Ok(part), (streaming, state)))
        }
    })
}

/// Server-sent events.
pub(super) fn events(
    parts: impl Stream<Item = Result<VecDeque<Result<Event, axum::Error>>, Infallible>> + Send + 'static,
) -> Response {
    let single = parts.flat_map(|part| match part {
        Ok(events) => futures::stream::iter(events),
        Err(never) => match never {},
    });
    Sse::new(single)
        .keep_alive(KeepAlive::new().interval(SIGN_OF_LIFE))
        .into_response()
}

/// The number of the last event that a reader knows.
pub(super) fn last_event_id(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(value) = headers.get("last-event-id") else {
        return Ok(None);
    };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    match number {
        Some(number) if number >= 0 => Ok(Some(number)),
        Some(_) | None => Err(Problem::new(
            ProblemKind::Usage,
            "Last-Event-ID must be the id of an event, a whole number",
        )),
    }
}

/// Of which task.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes what is read by hand")]
pub(super) struct OfTask {
    /// Only changes of this task.
    #[param(value_type = Option<TaskName>)]
    task: Option<String>,
}

/// A page of changes of states.
#[derive(Serialize, ToSchema)]
pub(super) struct ChangePage {
    /// Oldest first.
    changes: Vec<ChangeView>,
    /// What to give as `after` for what comes behind.
    next: i64,
}

/// The changes of tasks' states, oldest first.
#[utoipa::path(get, path = "/changes", tag = "changes", operation_id = "list_changes",
    params(AfterParams, OfTask),
    responses((status = 200, description = "a page of changes", body = ChangePage)))]
pub(super) async fn changes(
    State(api): State<Arc<Api>>,
    mut asked: Asked,
) -> Result<Json<ChangePage>, Problem> {
    let (after, limit) = after_and_limit(&mut asked)?;
    let task: Option<TaskRef> = asked.one("task")?;
    asked.end()?;
    let task = match task {
        Some(reference) => Some(api.service.resolve(&reference).await?),
        None => None,
    };
    let changes = api.service.changes_after(task, after, limit).await?;
    Ok(Json(ChangePage {
        next: changes.last().map_or(after, |change| change.change),
        changes,
    }))
}

/// Where to begin.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes what is read by hand")]
pub(super) struct FromParams {
    /// Only changes with a higher number; without it, those that come from now on.
    #[param(minimum = 0)]
    after: Option<i64>,
}

/// The changes of tasks' states as server-sent events, as they happen.
///
/// Ids are the changes' numbers: `Last-Event-ID` goes on behind one.
#[utoipa::path(get, path = "/events", tag = "changes", operation_id = "follow_changes",
    params(FromParams, OfTask,
           ("Last-Event-ID" = Option<String>, Header, description = "the last change that is known")),
    responses((status = 200, description = "events named change", body = String,
               content_type = "text/event-stream")))]
pub(super) async fn follow(
    State(api): State<Arc<Api>>,
    mut asked: Asked,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let after = asked.number("after", 0..=i64::MAX, -1)?;
    let task: Option<TaskRef> = asked.one("task")?;
    asked.end()?;
    let task = match task {
        Some(reference) => Some(api.service.resolve(&reference).await?),
        None => None,
    };
    let after = match last_event_id(&headers)? {
        Some(known) => known,
        None if after >= 0 => after,
        None => api.service.newest_change().await?,
    };
    let feed = api.service.follow_changes(task, after);
    let next = async move |mut feed: ChangeFeed| {
        // A store that cannot be read ends the answer; its reader comes back behind what it knows.
        let changes = feed.next().await.ok()?;
        let told = changes.iter().map(|change| {
            Event::default()
                .event("change")
                .id(change.change.to_string())
                .json_data(change)
        });
        Some((told.collect(), feed))
    };
    Ok(events(stream(api.streaming(), feed, next)))
}

/// How far the daemon has come.
#[derive(Serialize, ToSchema)]
pub(super) struct Commits {
    /// Another number after each commit that the daemon knows of.
    commits: u64,
}

/// How long to wait, and for what.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes what is read by hand")]
pub(super) struct WaitParams {
    /// Wait until the number is another one.
    #[param(minimum = 0)]
    known: Option<i64>,
    /// For so many seconds at the most.
    #[param(minimum = 0, maximum = 25, default = 0)]
    wait: Option<i64>,
}

/// Wait until anything has been stored.
#[utoipa::path(get, path = "/commits", tag = "changes", operation_id = "wait_for_commit",
    params(WaitParams),
    responses((status = 200, description = "the number now", body = Commits)))]
pub(super) async fn commits(
    State(api): State<Arc<Api>>,
    mut asked: Asked,
) -> Result<Json<Commits>, Problem> {
    let known = asked.number("known", 0..=i64::MAX, -1)?;
    let wait = asked.number("wait", 0..=LONGEST_WAIT, 0)?;
    asked.end()?;
    let mut changes = api.service.store().changes();
    let longest = Duration::from_secs(wait.unsigned_abs());
    let another = changes.wait_for(|now| i64::try_from(*now) != Ok(known));
    let _ = tokio::select! {
        waited = tokio::time::timeout(longest, another) => waited.map(|_| ()),
        () = api.stopping.cancelled() => Ok(()),
    };
    let commits = *api.service.store().changes().borrow();
    Ok(Json(Commits { commits }))
}
