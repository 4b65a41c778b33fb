//! The overview: what there is, and what happened lately.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use chrono::Duration;
use serde::Serialize;

use super::chart::Chart;
use super::charts::charts;
use super::fault::Fault;
use super::form::Form;
use super::gate::Visitor;
use super::render::{exact, render, told};
use super::requests::Requests;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::server::Api;
use crate::service::Stats;
use crate::task::state::STATE_NAMES;

/// How many columns a chart has.
const COLUMNS: u32 = 60;

const WINDOWS: [(&str, &str, i64); 4] = [
    ("15m", "15 minutes", 15),
    ("1h", "1 hour", 60),
    ("24h", "24 hours", 24 * 60),
    ("7d", "7 days", 7 * 24 * 60),
];

#[derive(Serialize)]
struct OverviewPage {
    now: String,
    stats: Stats,
    /// Of this daemon, since it began.
    requests: Requests,
    states: Vec<(&'static str, u64)>,
    windows: Vec<Window>,
    /// Why less is drawn than was asked for.
    shortened: Option<String>,
    charts: Vec<Chart>,
}

#[derive(Serialize)]
struct Window {
    name: &'static str,
    words: &'static str,
    chosen: bool,
}

pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Extension(visitor): Extension<Visitor>,
    RawQuery(query): RawQuery,
) -> Result<Response, Fault> {
    let form = Form::read(query.unwrap_or_default().as_bytes());
    let asked = form.get("window").unwrap_or("1h");
    let Some((chosen, _, minutes)) = WINDOWS.iter().find(|(name, ..)| *name == asked) else {
        let detail = "window must be 15m, 1h, 24h or 7d";
        return Err(Problem::new(ProblemKind::Usage, detail).into());
    };
    let stats = api.service.stats().await?;
    let lately = api
        .service
        .lately(Duration::minutes(*minutes), COLUMNS)
        .await?;
    let recent = &api.service.store().metrics().recent;
    let length = std::time::Duration::from_secs(minutes.unsigned_abs() * 60);
    let stretch = recent.stretch(length, std::time::Instant::now());
    let count = |name: &'static str| (name, stats.tasks.get(name).copied().unwrap_or(0));
    let page = OverviewPage {
        now: exact(lately.until),
        states: STATE_NAMES.into_iter().map(count).collect(),
        windows: WINDOWS
            .iter()
            .map(|(name, words, _)| Window {
                name,
                words,
                chosen: name == chosen,
            })
            .collect(),
        shortened: lately.shortened.then(|| {
            format!(
                "More happened than is drawn: the charts begin at {}.",
                told(lately.since)
            )
        }),
        charts: charts(&lately, &stretch),
        requests: Requests::read(&api.scrape.text(&api.service).await?),
        stats,
    };
    Ok(render("overview.html", &visitor, page))
}
