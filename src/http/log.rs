//! Logs: a range of lines, as text, and followed to the verdict.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::problem::Problem;
use super::query::{Asked, Names};
use super::schema::TaskName;
use super::server::Api;
use super::stream::{events, last_event_id, stream};
use crate::service::{
    LineView, LogFilter, LogFollow, LogPart, LogStyle, Service, log_stamp, words,
};
use crate::store::LogRow;
use crate::task::id::TaskId;
use crate::task::log::LineKind;

/// How many lines a page has when nobody says, and at the most.
const USUAL: i64 = 1000;
const MOST: i64 = 10_000;

/// How many lines are read at once where all are told.
const PAGE: u32 = 1000;

/// A page of a task's log.
#[derive(Serialize, ToSchema)]
pub(super) struct LogPage {
    /// In order.
    lines: Vec<LineView>,
    /// What to give as `after` for what comes behind.
    next: i64,
}

/// Which lines.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes what is read by hand")]
pub(super) struct LogParams {
    /// Only lines behind this one.
    #[param(minimum = 0)]
    after: Option<i64>,
    /// Only the last lines, this many.
    #[param(minimum = 0)]
    tail: Option<i64>,
    /// Only lines of this container.
    container: Option<String>,
    /// Only lines from this moment on.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<String>,
}

/// How many.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes what is read by hand")]
pub(super) struct LimitParams {
    /// At most this many lines are looked at.
    #[param(minimum = 1, maximum = 10000, default = 1000)]
    limit: Option<i64>,
}

/// How they are told.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes what is read by hand")]
pub(super) struct TextParams {
    /// Go on until the task has ended; the last line is the verdict.
    #[param(default = false)]
    follow: Option<bool>,
    /// Name each line's container.
    #[param(default = false)]
    prefix: Option<bool>,
    /// Tell when each line was written.
    #[param(default = false)]
    timestamps: Option<bool>,
}

/// Where in a log, and which of its lines.
struct Place {
    after: i64,
    filter: LogFilter,
}

impl Api {
    async fn place(
        &self,
        task: TaskId,
        asked: &mut Asked,
        resumed: Option<i64>,
    ) -> Result<Place, Problem> {
        let after = asked.number("after", 0..=i64::MAX, 0)?;
        let tail = asked.number("tail", 0..=i64::MAX, -1)?;
        let container: Option<String> = asked.one("container")?;
        let since: Option<chrono::DateTime<chrono::FixedOffset>> = asked.one("since")?;
        let filter = LogFilter::new(container, since.map(|moment| moment.to_utc()));
        let after = match (resumed, usize::try_from(tail)) {
            (Some(resumed), _) => resumed,
            (None, Err(_)) => after,
            (None, Ok(lines)) => {
                let container = filter.container.as_deref();
                let tail = self.service.log_tail(task, container, lines).await?;
                tail.max(after)
            }
        };
        Ok(Place { after, filter })
    }
}

/// Lines of a task's log.
#[utoipa::path(get, path = "/tasks/{task}/log", tag = "log", operation_id = "get_log",
    params(("task" = TaskName, Path, description = "its id, or its key with each / as %2F"),
           LogParams, LimitParams),
    responses((status = 200, description = "a page of lines", body = LogPage)))]
pub(super) async fn range(
    State(api): State<Arc<Api>>,
    names: Names,
    mut asked: Asked,
) -> Result<Json<LogPage>, Problem> {
    let limit = asked.number("limit", 1..=MOST, USUAL)?;
    let id = api.named(&names).await?;
    let place = api.place(id, &mut asked, None).await?;
    asked.end()?;
    let limit = u32::try_from(limit).unwrap_or(1);
    let rows = api.service.log(id, place.after, limit).await?;
    Ok(Json(LogPage {
        next: rows.last().map_or(place.after, |row| row.seq),
        lines: rows
            .iter()
            .filter(|row| place.filter.takes(row))
            .map(LineView::of)
            .collect(),
    }))
}

/// How a task's own definition wants its lines to be shown.
#[utoipa::path(get, path = "/tasks/{task}/log/style", tag = "log", operation_id = "get_log_style",
    params(("task" = TaskName, Path, description = "its id, or its key with each / as %2F")),
    responses((status = 200, description = "its style", body = LogStyle)))]
pub(super) async fn style(
    State(api): State<Arc<Api>>,
    names: Names,
    asked: Asked,
) -> Result<Json<LogStyle>, Problem> {
    asked.end()?;
    let id = api.named(&names).await?;
    Ok(Json(api.service.log_style(id).await?))
}

/// A task's log as its containers wrote it.
///
/// Followed, it begins before the pod does, and its last line is the verdict.
#[utoipa::path(get, path = "/tasks/{task}/log/text", tag = "log", operation_id = "get_log_text",
    params(("task" = TaskName, Path, description = "its id, or its key with each / as %2F"),
           LogParams, TextParams),
    responses((status = 200, description = "the lines", body = String,
               content_type = "text/plain")))]
pub(super) async fn text(
    State(api): State<Arc<Api>>,
    names: Names,
    mut asked: Asked,
) -> Result<Response, Problem> {
    let follow = asked.flag("follow")?;
    let prefix = asked.flag("prefix")?;
    let timestamps = asked.flag("timestamps")?;
    let id = api.named(&names).await?;
    let place = api.place(id, &mut asked, None).await?;
    asked.end()?;
    let style = api.service.log_style(id).await?;
    let text = Text {
        filter: place.filter,
        prefix: prefix || style.names_containers(),
        timestamps,
    };
    let streaming = api.streaming();
    let bytes = if follow {
        let log = api.service.follow_log(id, place.after);
        let next = async |(mut log, text): (LogFollow, Text)| {
            let bytes = match log.next().await {
                Ok(Some(LogPart::Lines(rows))) => text.lines(&rows),
                Ok(Some(LogPart::End(task))) => (words::verdict(&task) + "\n").into_bytes(),
                Ok(None) | Err(_) => return None,
            };
            Some((Bytes::from(bytes), (log, text)))
        };
        Body::from_stream(stream(streaming, (log, text), next))
    } else {
        let service = api.service.clone();
        let next = move |state| {
            let (service, text, after): (Service, Text, i64) = state;
            next_page(service, text, id, after)
        };
        Body::from_stream(stream(streaming, (service, text, place.after), next))
    };
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, bytes).into_response())
}

async fn next_page(
    service: Service,
    text: Text,
    id: TaskId,
    after: i64,
) -> Option<(Bytes, (Service, Text, i64))> {
    let rows = service.log(id, after, PAGE).await.ok()?;
    let last = rows.last()?.seq;
    Some((Bytes::from(text.lines(&rows)), (service, text, last)))
}

struct Text {
    filter: LogFilter,
    prefix: bool,
    timestamps: bool,
}

impl Text {
    /// What containers wrote; our own remarks are left out, as on the command line's stdout.
    fn lines(&self, rows: &[LogRow]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for row in rows.iter().filter(|row| self.filter.takes(row)) {
            match row.line.kind {
                LineKind::Output => {}
                LineKind::Gap | LineKind::Event => continue,
            }
            if self.prefix {
                bytes.extend(format!("[{}] ", row.line.container).bytes());
            }
            if self.timestamps {
                bytes.extend(log_stamp(row.line.stamp_ns).bytes());
                bytes.push(b' ');
            }
            bytes.extend(&row.line.text);
            bytes.push(b'\n');
        }
        bytes
    }
}

/// A task's log as server-sent events: `line` for each line, `end` with the task when it has
/// ended.
///
/// Ids are the lines' numbers: `Last-Event-ID` goes on behind one.
#[utoipa::path(get, path = "/tasks/{task}/log/events", tag = "log",
    operation_id = "follow_log",
    params(("task" = TaskName, Path, description = "its id, or its key with each / as %2F"),
           LogParams,
           ("Last-Event-ID" = Option<String>, Header, description = "the last line that is known")),
    responses((status = 200, description = "the lines, then the verdict", body = String,
               content_type = "text/event-stream")))]
pub(super) async fn follow(
    State(api): State<Arc<Api>>,
    names: Names,
    mut asked: Asked,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let resumed = last_event_id(&headers)?;
    let id = api.named(&names).await?;
    let place = api.place(id, &mut asked, resumed).await?;
    asked.end()?;
    let log = api.service.follow_log(id, place.after);
    let next = async |(mut log, filter): (LogFollow, LogFilter)| {
        let told = match log.next().await {
            Ok(Some(LogPart::Lines(rows))) => {
                let rows = rows.iter().filter(|row| filter.takes(row));
                rows.map(line_event).collect()
            }
            Ok(Some(LogPart::End(task))) => VecDeque::from([event("end").json_data(*task)]),
            Ok(None) => return None,
            Err(error) => {
                let problem = Problem::from(error);
                VecDeque::from([event("error").json_data(problem)])
            }
        };
        Some((told, (log, filter)))
    };
    Ok(events(stream(api.streaming(), (log, place.filter), next)))
}

fn event(name: &str) -> Event {
    Event::default().event(name)
}

fn line_event(row: &LogRow) -> Result<Event, axum::Error> {
    event("line")
        .id(row.seq.to_string())
        .json_data(LineView::of(row))
}
