//! The list of tasks, newest first: one bounded question, and the counts that are kept anyway.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use serde::Serialize;

use super::fault::Fault;
use super::form::{Form, link, pairs};
use super::gate::Visitor;
use super::render::{exact, render, took};
use crate::clock::Timestamp;
use crate::http::server::Api;
use crate::service::{BulkFilter, TaskView};
use crate::store::TaskFilter;
use crate::task::id::TaskId;
use crate::task::state::STATE_NAMES;

/// How many tasks a page shows.
const SHOWN: usize = 100;

#[derive(Serialize)]
struct ListPage {
    now: String,
    /// All tasks.
    total: u64,
    /// The list without a filter on states.
    all: String,
    states: Vec<StateLink>,
    filter: BulkFilter,
    filtered: bool,
    rows: Vec<Row>,
    /// This very page, for the way back.
    here: String,
    /// Where the newest of these are, when this page begins further down.
    newest: Option<String>,
    older: Option<String>,
    /// Where the wish for all of these is confirmed.
    cancel_all: String,
    retry_all: String,
    done: Option<Done>,
}

#[derive(Serialize)]
struct StateLink {
    name: &'static str,
    count: u64,
    chosen: bool,
    /// The list with this state chosen, or no longer.
    href: String,
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    task: TaskView,
    took: Option<String>,
}

/// What a wish that was just granted came to.
#[derive(Serialize)]
struct Done {
    wish: &'static str,
    tasks: i64,
}

pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Extension(visitor): Extension<Visitor>,
    RawQuery(query): RawQuery,
) -> Result<Response, Fault> {
    let form = Form::read(query.unwrap_or_default().as_bytes());
    let filter = form.filter()?;
    let before = form.number("before")?;
    let now = api.service.now();
    let stats = api.service.stats().await?;
    let mut tasks = api
        .service
        .list(&TaskFilter {
            before: before.map(TaskId),
            limit: u32::try_from(SHOWN + 1).ok(),
            ..listing(&filter)
        })
        .await?;
    let more = tasks.len() > SHOWN;
    tasks.truncate(SHOWN);
    let asked = pairs(&filter);
    let with = |name: &'static str, value: String| {
        let mut pairs = asked.clone();
        pairs.push((name, value));
        pairs
    };
    let older = tasks.last().filter(|_| more);
    let stateless = BulkFilter {
        states: Vec::new(),
        ..filter.clone()
    };
    let page = ListPage {
        now: exact(now),
        total: stats.tasks.values().sum(),
        all: link("/", &pairs(&stateless)),
        states: STATE_NAMES
            .iter()
            .map(|name| StateLink {
                name,
                count: stats.tasks.get(*name).copied().unwrap_or(0),
                chosen: filter.states.iter().any(|state| state == name),
                href: link("/", &pairs(&toggled(&filter, name))),
            })
            .collect(),
        here: match before {
            Some(before) => link("/", &with("before", before.to_string())),
            None => link("/", &asked),
        },
        newest: before.map(|_| link("/", &asked)),
        older: older.map(|last| link("/", &with("before", last.id.to_string()))),
        cancel_all: link("/confirm", &with("wish", "cancel".to_owned())),
        retry_all: link("/confirm", &with("wish", "retry".to_owned())),
        done: done(&form)?,
        filtered: !filter.is_empty(),
        filter,
        rows: tasks.into_iter().map(|task| row(task, now)).collect(),
    };
    Ok(render("list.html", &visitor, page))
}

/// The question that a filter stands for.
pub(super) fn listing(filter: &BulkFilter) -> TaskFilter {
    let BulkFilter {
        ids,
        states,
        dag_id,
        task_id,
        run_id,
    } = filter.clone();
    TaskFilter {
        ids,
        states,
        dag_id,
        task_id,
        run_id,
        before: None,
        limit: None,
    }
}

fn toggled(filter: &BulkFilter, name: &str) -> BulkFilter {
    let mut filter = filter.clone();
    let before = filter.states.len();
    filter.states.retain(|state| state != name);
    if filter.states.len() == before {
        filter.states.push(name.to_owned());
    }
    filter
}

fn row(task: TaskView, now: Timestamp) -> Row {
    let took = task
        .started_at
        .map(|started| took(started, task.finished_at.unwrap_or(now)));
    Row { task, took }
}

/// What the address tells of a wish: a number and one of two words.
fn done(form: &Form) -> Result<Option<Done>, Fault> {
    let wish = match form.get("done") {
        Some("cancel") => "cancel",
        Some("retry") => "retry",
        Some(_) | None => return Ok(None),
    };
    let tasks = form.number("tasks")?;
    Ok(tasks.map(|tasks| Done { wish, tasks }))
}
