//! The overview: what there is, and what happened lately.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use chrono::Duration;
use serde::Serialize;

use super::chart::{Chart, Series, Unit, Words, draw};
use super::fault::Fault;
use super::form::Form;
use super::gate::Visitor;
use super::render::{exact, render, told};
use super::requests::Requests;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::server::Api;
use crate::service::{Lately, Slot, Stats};
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
        charts: charts(&lately),
        requests: Requests::read(&api.scrape.text(&api.service).await?),
        stats,
    };
    Ok(render("overview.html", &visitor, page))
}

fn charts(lately: &Lately) -> Vec<Chart> {
    vec![
        under_way(lately),
        ended(lately),
        reaction(lately),
        put_off(lately),
    ]
}

fn under_way(lately: &Lately) -> Chart {
    let words = Words {
        id: "under-way",
        title: "Tasks under way, by state",
        note: "At the end of each slot, counted back from now by the history of changes."
            .to_owned(),
        unit: Unit::Count,
    };
    let series = ["running", "deferred", "queued", "up_for_retry"];
    by_state(words, lately, &series, |slot| &slot.states)
}

fn ended(lately: &Lately) -> Chart {
    let words = Words {
        id: "ended",
        title: "Tasks that ended, by state",
        note: "How many in each slot.".to_owned(),
        unit: Unit::Count,
    };
    let series = ["success", "skipped", "cancelled", "failed"];
    by_state(words, lately, &series, |slot| &slot.ended)
}

fn by_state(
    words: Words,
    lately: &Lately,
    states: &[&'static str],
    counts: impl Fn(&Slot) -> &std::collections::BTreeMap<&'static str, i64>,
) -> Chart {
    let series = states.iter().map(|state| Series {
        class: state,
        name: state,
    });
    let slot = |slot: &Slot| {
        let figures = states
            .iter()
            .map(|state| figure(counts(slot).get(state).copied().unwrap_or(0)));
        figures.collect()
    };
    let values: Vec<Vec<f64>> = lately.slots.iter().map(slot).collect();
    draw(words, lately, series.collect(), &values)
}

fn reaction(lately: &Lately) -> Chart {
    let words = Words {
        id: "reaction",
        title: "Reaction: from a fired trigger to its worker",
        note: "The median, and on top of it what the slowest took beyond that. How late a pod's end is noticed is not in the history.".to_owned(),
        unit: Unit::Milliseconds,
    };
    let series = vec![
        Series {
            class: "median",
            name: "median",
        },
        Series {
            class: "slowest",
            name: "slowest beyond it",
        },
    ];
    let values: Vec<Vec<f64>> = lately
        .slots
        .iter()
        .map(|slot| {
            let waits = &slot.resumed_after_ms;
            let at = |index: usize| waits.get(index).copied().unwrap_or(0);
            let median = at(waits.len() / 2);
            let slowest = waits.last().copied().unwrap_or(0);
            vec![figure(median), figure(slowest - median)]
        })
        .collect();
    draw(words, lately, series, &values)
}

fn put_off(lately: &Lately) -> Chart {
    let words = Words {
        id: "put-off",
        title: "Steps put off because of the cluster",
        note: "Of all steps that began in a slot, how many the Kubernetes API's errors postponed."
            .to_owned(),
        unit: Unit::Percent,
    };
    let series = vec![Series {
        class: "failed",
        name: "put off",
    }];
    let values: Vec<Vec<f64>> = lately
        .slots
        .iter()
        .map(|slot| {
            let of = slot.steps.max(slot.put_off).max(1);
            vec![figure(slot.put_off) / figure(of) * 100.0]
        })
        .collect();
    draw(words, lately, series, &values)
}

#[allow(clippy::cast_precision_loss, reason = "for a drawing")]
fn figure(count: i64) -> f64 {
    count as f64
}
