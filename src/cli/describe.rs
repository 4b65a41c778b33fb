//! `adjourn describe`: all that is known of a task.

use clap::Args;

use super::args::Format;
use super::error::CliError;
use super::exit;
use super::follow::PAGE;
use super::get::length;
use super::moments::{age, moment};
use super::output::{answer, print_list, print_one};
use super::situation::Situation;
use super::table::{layout, or_dash};
use super::tasks::Tasks;
use crate::clock::Timestamp;
use crate::service::words::{one_line, took};
use crate::service::{HistoryView, PodView, TaskDetail};
use crate::task::id::TaskRef;
use crate::task::log::LineKind;

/// How many of a task's last lines are shown.
const LAST_LINES: usize = 20;

/// Show all that is known of tasks: pods, what they wait for, results, history
#[derive(Debug, Args)]
pub(super) struct DescribeArgs {
    /// The tasks: ids, or dag_id/task_id/run_id[/map_index]
    #[arg(required = true)]
    tasks: Vec<TaskRef>,
}

pub(super) async fn run(args: DescribeArgs, situation: &Situation) -> Result<u8, CliError> {
    let tasks = situation.needed_tasks().await?;
    let mut details = Vec::with_capacity(args.tasks.len());
    for task in &args.tasks {
        let id = tasks.resolve(task).await?;
        details.push(tasks.describe(id).await?);
    }
    let format = situation.format();
    let printed = match details.as_slice() {
        [detail] => print_one(format, detail).await?,
        details => print_list(format, details).await?,
    };
    if printed {
        return Ok(exit::SUCCESS);
    }
    let now = situation.clock.now();
    let mut texts = Vec::with_capacity(details.len());
    for detail in &details {
        texts.push(match format {
            Format::Name => format!("{}\n", detail.task.id),
            Format::Table | Format::Wide | Format::Json | Format::Jsonl | Format::Yaml => {
                page(detail, &last_lines(&tasks, detail).await?, now)
            }
        });
    }
    let between = if format == Format::Name { "" } else { "\n" };
    answer(&texts.join(between)).await?;
    Ok(exit::SUCCESS)
}

/// The last lines that the task's containers wrote, each with its container's name.
async fn last_lines(tasks: &Tasks, detail: &TaskDetail) -> Result<String, CliError> {
    let id = detail.task.id;
    let after = tasks.log_tail(id, None, LAST_LINES).await?;
    let rows = tasks.log(id, after, PAGE).await?;
    let written = rows.iter().filter(|row| match row.line.kind {
        LineKind::Output => true,
        LineKind::Gap | LineKind::Event => false,
    });
    Ok(written
        .map(|row| {
            let text = String::from_utf8_lossy(&row.line.text);
            format!("[{}] {}\n", row.line.container, one_line(&text))
        })
        .collect())
}

fn page(detail: &TaskDetail, last_lines: &str, now: Timestamp) -> String {
    let mut text = String::new();
    for (name, value) in facts(detail, now) {
        text.push_str(&format!("{:<14}{}\n", format!("{name}:"), one_line(&value)));
    }
    for (title, body) in [
        ("Pods", pods(&detail.pods)),
        ("Containers", observed(detail, "containers")),
        ("Events", observed(detail, "events")),
        ("Last lines", last_lines.to_owned()),
        ("Results", results(detail)),
        ("History", history(&detail.history, now)),
    ] {
        if !body.is_empty() {
            text.push_str(&format!("\n{title}:\n"));
            for line in body.lines() {
                text.push_str(&format!("  {line}\n"));
            }
        }
    }
    text
}

fn facts(detail: &TaskDetail, now: Timestamp) -> Vec<(&'static str, String)> {
    let task = &detail.task;
    let ago = |at: Timestamp| format!("{} ({} ago)", moment(at), age(at, now));
    let mut facts = vec![
        ("Task", task.id.to_string()),
        ("Key", task.key.clone()),
        ("State", task.state.to_owned()),
        ("Try", format!("{} of {}", task.try_number, task.max_tries)),
        ("Resumes", task.resumes.to_string()),
    ];
    let last_log = task
        .last_log_at
        .map(|at| format!(", the last {} ago", age(at, now)));
    facts.push((
        "Log lines",
        format!("{}{}", task.log_lines, last_log.unwrap_or_default()),
    ));
    let optional = [
        ("Reason", task.reason.clone()),
        ("What to do", task.advice.clone()),
        ("Failure", task.failure_kind.map(|kind| kind.to_string())),
        ("Exit code", task.exit_code.map(|code| code.to_string())),
        ("Submitted", Some(ago(task.submitted_at))),
        ("Started", task.started_at.map(ago)),
        ("Finished", task.finished_at.map(ago)),
        ("Took", length(task, now).map(took)),
        ("Deadline", task.deadline.map(moment)),
        (
            "Not before",
            task.not_before.filter(|_| !task.is_final).map(moment),
        ),
        (
            "Pod",
            detail
                .pod
                .as_ref()
                .map(|pod| format!("{}/{}", pod.namespace, pod.name)),
        ),
        (
            "Pod uid",
            detail.pod.as_ref().and_then(|pod| pod.uid.clone()),
        ),
        (
            "Connection",
            detail.pod.as_ref().map(|pod| pod.connection.clone()),
        ),
        (
            "Waits for",
            detail.trigger.as_ref().map(|trigger| {
                format!(
                    "trigger {}, since {}",
                    trigger.kind,
                    ago(trigger.deferred_since)
                )
            }),
        ),
        (
            "Next log",
            detail
                .trigger
                .as_ref()
                .and_then(|trigger| trigger.next_log_time)
                .map(moment),
        ),
    ];
    facts.extend(
        optional
            .into_iter()
            .filter_map(|(name, value)| value.map(|value| (name, value))),
    );
    facts
}

/// Every pod, when there was more than the one that the facts name.
fn pods(pods: &[PodView]) -> String {
    if pods.len() < 2 {
        return String::new();
    }
    let rows = pods.iter().map(|pod| {
        vec![
            pod.try_number.to_string(),
            pod.namespace.clone(),
            pod.name.clone(),
            or_dash(pod.uid.clone()),
        ]
    });
    layout(["TRY", "NAMESPACE", "NAME", "UID"], rows)
}

/// What the last look at the newest pod showed when its attempt failed, a line each.
fn observed(detail: &TaskDetail, what: &str) -> String {
    let seen = detail.pod.as_ref().and_then(|pod| pod.observed.as_ref());
    let lines = seen.and_then(|seen| seen.get(what)?.as_array());
    lines
        .into_iter()
        .flatten()
        .filter_map(|line| line.as_str())
        .map(|line| format!("{}\n", one_line(line)))
        .collect()
}

fn results(detail: &TaskDetail) -> String {
    detail
        .xcom
        .iter()
        .map(|(key, value)| format!("{}: {value}\n", one_line(key)))
        .collect()
}

fn history(history: &[HistoryView], now: Timestamp) -> String {
    let rows = history.iter().map(|change| {
        let from = change.from_state.as_deref();
        vec![
            moment(change.at),
            age(change.at, now),
            change.event.clone(),
            from.map_or_else(
                || change.to_state.clone(),
                |from| format!("{from} -> {}", change.to_state),
            ),
            change.try_number.to_string(),
            or_dash(change.reason.clone()),
        ]
    });
    layout(["AT", "AGE", "EVENT", "STATE", "TRY", "REASON"], rows)
}
