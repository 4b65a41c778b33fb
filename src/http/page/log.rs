//! The part of a task's page that shows its log: its end, a stretch of it, or what was searched
//! for in it.

use serde::Serialize;

use super::fault::Fault;
use super::form::{Form, link};
use crate::http::server::Api;
use crate::service::{LineView, TaskView, log_stamp};
use crate::store::LogRow;
use crate::task::log::LineKind;

/// How many lines are shown at once.
const SHOWN: u32 = 500;
/// How many rows a search reads at once, and at the most.
const READ: u32 = 1000;
const SEARCHED: usize = 200_000;
/// How many lines a search shows.
const FOUND: usize = 500;

#[derive(Serialize)]
pub(super) struct LogPart {
    lines: Vec<Line>,
    /// What is searched for.
    search: Option<String>,
    /// Whether the search went through the whole log.
    whole: bool,
    first: bool,
    earlier: Option<String>,
    later: Option<String>,
    end: String,
    /// Where the lines behind these come from, when these are the last.
    follow: Option<String>,
    text: String,
    names: bool,
}

#[derive(Serialize)]
struct Line {
    seq: i64,
    time: String,
    stamp: String,
    container: String,
    /// `output`, or what is ours.
    kind: &'static str,
    level: String,
    text: String,
    link: String,
}

/// The part that `form` asks for.
pub(super) async fn part(api: &Api, task: &TaskView, form: &Form) -> Result<LogPart, Fault> {
    let here = format!("/tasks/{}", task.id);
    let after = form.number("after")?;
    let search = form.get("q").map(str::to_owned);
    let style = api.service.log_style(task.id).await?;
    let (rows, whole) = match (&search, after) {
        (Some(search), _) => found(api, task, search).await?,
        (None, Some(after)) => (api.service.log(task.id, after, SHOWN).await?, true),
        (None, None) => {
            // The last rows, whatever they are.
            let behind = (task.log_seq - i64::from(SHOWN)).max(0);
            (api.service.log(task.id, behind, SHOWN).await?, true)
        }
    };
    let first = rows.first().map_or(1, |row| row.seq);
    let last = rows.last().map_or(0, |row| row.seq);
    let ranged = search.is_none();
    let place = |after: i64| link(&here, &[("after", after.to_string())]) + "#log";
    let follows = ranged && last >= task.log_seq && !task.is_final;
    Ok(LogPart {
        first: first <= 1,
        earlier: (ranged && first > 1).then(|| place((first - 1 - i64::from(SHOWN)).max(0))),
        later: (ranged && last > 0 && last < task.log_seq).then(|| place(last)),
        end: format!("{here}#log"),
        follow: follows.then(|| format!("/api/v1/tasks/{}/log/events?after={last}", task.id)),
        text: format!("/api/v1/tasks/{}/log/text?timestamps=true", task.id),
        names: style.several_containers || style.names_containers(),
        lines: rows.iter().map(|row| line(row, &here)).collect(),
        search,
        whole,
    })
}

/// The lines that hold a text, whatever its letters' case, and whether all were looked at.
async fn found(api: &Api, task: &TaskView, search: &str) -> Result<(Vec<LogRow>, bool), Fault> {
    let wanted = search.to_lowercase();
    let mut found = Vec::new();
    let (mut after, mut read) = (0, 0);
    loop {
        let rows = api.service.log(task.id, after, READ).await?;
        let Some(last) = rows.last() else {
            return Ok((found, true));
        };
        after = last.seq;
        read += rows.len();
        for row in rows {
            let text = String::from_utf8_lossy(&row.line.text);
            if text.to_lowercase().contains(&wanted) {
                if found.len() == FOUND {
                    return Ok((found, false));
                }
                found.push(row);
            }
        }
        if read >= SEARCHED {
            return Ok((found, false));
        }
    }
}

fn line(row: &LogRow, here: &str) -> Line {
    let view = LineView::of(row);
    let stamp = log_stamp(row.line.stamp_ns);
    Line {
        seq: row.seq,
        // Hours to milliseconds, as they stand in the whole stamp.
        time: stamp.get(11..23).unwrap_or_default().to_owned(),
        stamp,
        container: view.container,
        kind: match row.line.kind {
            LineKind::Output => "output",
            LineKind::Gap => "gap",
            LineKind::Event => "event",
        },
        level: view.level.unwrap_or_default().to_lowercase(),
        text: view.line,
        link: link(here, &[("after", (row.seq - 1).to_string())]) + &format!("#L{}", row.seq),
    }
}
