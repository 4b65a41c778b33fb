//! The page of one task.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use chrono::DateTime;
use serde::Serialize;
use serde_json::Value;

use super::fault::Fault;
use super::form::{Form, link};
use super::gate::Visitor;
use super::log::{LogPart, part};
use super::render::{exact, render, took};
use super::timeline::{Life, Timeline};
use crate::clock::Timestamp;
use crate::http::query::Names;
use crate::http::server::Api;
use crate::service::{HistoryView, TaskDetail};
use crate::store::LogRow;
use crate::task::log::LineKind;
use crate::task::state::RETRYABLE_STATES;

/// How many changes, and how many deferrals, are listed: the newest.
const LISTED: usize = 100;

/// How many of a log's first rows are looked through for what they tell of the pod.
const FIRST: u32 = 50;

#[derive(Serialize)]
struct TaskPage {
    now: String,
    task: TaskDetail,
    /// The lists of its run and of its DAG.
    run: String,
    dag: String,
    took: Option<String>,
    may_retry: bool,
    timeline: Option<Timeline>,
    containers: Vec<String>,
    events: Vec<String>,
    /// Where its pod ran.
    node: Option<String>,
    phase: Option<String>,
    deferrals: Vec<Deferral>,
    deferrals_in_all: usize,
    /// Newest first.
    history: Vec<HistoryView>,
    history_in_all: usize,
    xcom: Vec<(String, String)>,
    log: LogPart,
}

/// From a deferral to what ended it.
#[derive(Serialize)]
struct Deferral {
    since: Timestamp,
    until: Option<Timestamp>,
    lasted: String,
    try_number: u32,
    /// What ended it: the event, and its reason.
    ended_by: String,
    reason: Option<String>,
}

pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Extension(visitor): Extension<Visitor>,
    names: Names,
    RawQuery(query): RawQuery,
) -> Result<Response, Fault> {
    let form = Form::read(query.unwrap_or_default().as_bytes());
    let id = api.named(&names).await?;
    let now = api.service.now();
    let mut task = api.service.describe(id).await?;
    let log = part(&api, &task.task, &form).await?;
    let pods = api.service.pod_moments(id).await?;
    let told = told(&api.service.log(id, 0, FIRST).await?);
    let history = std::mem::take(&mut task.history);
    let life = Life {
        history: &history,
        pods: &pods,
        told: &told,
        now,
        is_final: task.task.is_final,
    };
    let timeline = life.draw();
    let all = deferrals(&history, now);
    let seen = task.pod.as_ref().and_then(|pod| pod.observed.as_ref());
    let word = |name: &str| Some(seen?.get(name)?.as_str()?.to_owned());
    let page = TaskPage {
        now: exact(now),
        run: link("/", &[("run_id", task.task.run_id.clone())]),
        dag: link("/", &[("dag_id", task.task.dag_id.clone())]),
        took: task.task.started_at.map(|started| {
            let until = task.task.finished_at.unwrap_or(now);
            took(started, until)
        }),
        may_retry: RETRYABLE_STATES.contains(&task.task.state),
        containers: texts(seen, "containers"),
        events: texts(seen, "events"),
        node: word("node"),
        phase: word("phase"),
        deferrals_in_all: all.len(),
        deferrals: all.into_iter().rev().take(LISTED).collect(),
        history_in_all: history.len(),
        history: history.into_iter().rev().take(LISTED).collect(),
        xcom: task
            .xcom
            .iter()
            .map(|(key, value)| (key.clone(), pretty(value)))
            .collect(),
        timeline,
        log,
        task,
    };
    Ok(render("task.html", &visitor, page))
}

/// What a log tells of its first pod: the remarks about it, and the first line.
fn told(rows: &[LogRow]) -> Vec<(Timestamp, &'static str, &'static str)> {
    let mut told: Vec<(Timestamp, &str, &str)> = Vec::new();
    for row in rows {
        let text = String::from_utf8_lossy(&row.line.text);
        let (kind, name) = match row.line.kind {
            LineKind::Output => ("line", "first log line"),
            LineKind::Event if text.starts_with("Normal Scheduled:") => ("scheduled", "scheduled"),
            LineKind::Event if text.starts_with("Normal Started:") => ("started", "started"),
            LineKind::Event | LineKind::Gap => continue,
        };
        if told.iter().all(|(_, _, known)| *known != name) {
            let at = DateTime::from_timestamp_nanos(row.line.stamp_ns);
            told.push((at, kind, name));
        }
    }
    told
}

fn texts(seen: Option<&Value>, what: &str) -> Vec<String> {
    let list = seen.and_then(|seen| seen.get(what)?.as_array());
    let texts = list.into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

fn pretty(value: &Value) -> String {
    // A value that was read from JSON goes back to it.
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn deferrals(history: &[HistoryView], now: Timestamp) -> Vec<Deferral> {
    let changes = history.iter().enumerate();
    changes
        .filter(|(_, change)| change.to_state == "deferred")
        .map(|(index, change)| {
            let end = history.get(index + 1);
            Deferral {
                since: change.at,
                until: end.map(|end| end.at),
                lasted: took(change.at, end.map_or(now, |end| end.at)),
                try_number: change.try_number,
                ended_by: match end.map(|end| end.event.as_str()) {
                    Some("fire") => "resumed".to_owned(),
                    Some(other) => other.replace('_', " "),
                    None => "still waiting".to_owned(),
                },
                reason: end.and_then(|end| end.reason.clone()),
            }
        })
        .collect()
}
