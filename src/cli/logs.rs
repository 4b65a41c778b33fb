//! `adjourn logs`: what a task's containers wrote.

use std::collections::VecDeque;
use std::time::Duration;

use clap::Args;

use super::error::CliError;
use super::exit;
use super::follow::{Followed, Follower, PAGE, Style, Wanted, print};
use super::output::Output;
use super::situation::Situation;
use crate::clock::Timestamp;
use crate::service::Service;
use crate::store::LogRow;
use crate::task::file::TaskFile;
use crate::task::id::{TaskId, TaskRef};
use crate::task::log::LineKind;

/// Print a task's log lines as its containers wrote them
#[derive(Debug, Args)]
pub(super) struct LogsArgs {
    /// The task: its id, or dag_id/task_id/run_id[/map_index]
    task: TaskRef,
    /// Go on until the task has ended
    #[arg(short, long)]
    follow: bool,
    /// Only lines younger than this, for example 10m
    #[arg(long, value_name = "DURATION", value_parser = super::args::duration, conflicts_with = "since_time")]
    since: Option<Duration>,
    /// Only lines from this moment on, for example 2026-11-24T08:00:00Z
    #[arg(long, value_name = "RFC3339", value_parser = moment)]
    since_time: Option<Timestamp>,
    /// Only the last lines, this many
    #[arg(long, value_name = "LINES")]
    tail: Option<usize>,
    /// Tell when each line was written
    #[arg(long)]
    timestamps: bool,
    /// Name each line's container
    #[arg(long)]
    prefix: bool,
    /// Only lines of this container
    #[arg(short, long, value_name = "NAME")]
    container: Option<String>,
}

fn moment(text: &str) -> Result<Timestamp, String> {
    chrono::DateTime::parse_from_rfc3339(text)
        .map(|moment| moment.to_utc())
        .map_err(|_| "must be a moment such as 2026-11-24T08:00:00Z".to_owned())
}

pub(super) async fn run(args: LogsArgs, situation: &Situation) -> Result<u8, CliError> {
    let service = situation.needed_service().await?;
    let id = service.resolve(&args.task).await?;
    let row = service.store().task(id).await?;
    let file = serde_json::from_str::<TaskFile>(&row.definition).ok();
    let mut style = Style::of(file.as_ref(), args.prefix, false);
    style.timestamps = args.timestamps;
    if args.container.is_some() && !args.prefix {
        style.container = false;
    }
    let since = args
        .since
        .map(|since| situation.clock.now() - since)
        .or(args.since_time);
    let wanted = Wanted {
        container: args.container,
        since_ns: since.and_then(|moment| moment.timestamp_nanos_opt()),
    };
    let mut output = Output::stdout();
    let after = match args.tail {
        Some(lines) => tail(&service, id, lines, &style, &wanted, &mut output).await?,
        None => all(&service, id, &style, &wanted, &mut output).await?,
    };
    if args.follow {
        let mut follower = Follower {
            service: &service,
            tasks: vec![Followed::new(id, after, style)],
            wanted,
            output,
            clock: situation.clock.clone(),
        };
        follower.follow().await?;
    }
    Ok(exit::SUCCESS)
}

/// Prints what is there; answers the number of the last line.
async fn all(
    service: &Service,
    id: TaskId,
    style: &Style,
    wanted: &Wanted,
    output: &mut Output,
) -> Result<i64, CliError> {
    let mut after = 0;
    loop {
        let rows = service.log(id, after, PAGE).await?;
        let Some(last) = rows.last() else {
            return Ok(after);
        };
        after = last.seq;
        print(&rows, style, wanted, output).await?;
    }
}

/// Prints the last of what is there; answers the number of the last line. Remarks of ours do not
/// count, but are told where they stand.
async fn tail(
    service: &Service,
    id: TaskId,
    lines: usize,
    style: &Style,
    wanted: &Wanted,
    output: &mut Output,
) -> Result<i64, CliError> {
    let newest = service.task(id).await?.log_lines;
    let mut window = i64::try_from(lines).unwrap_or(i64::MAX);
    loop {
        let after = newest.saturating_sub(window).max(0);
        let (mut kept, last) = last_lines(service, id, after, lines, wanted).await?;
        if after > 0 && written(&kept) < lines {
            // Too much of it was not wanted: look further back.
            window = window.saturating_mul(2);
            continue;
        }
        print(kept.make_contiguous(), style, wanted, output).await?;
        return Ok(last);
    }
}

/// The last `lines` wanted lines behind number `after`, and the number of the very last.
async fn last_lines(
    service: &Service,
    id: TaskId,
    mut after: i64,
    lines: usize,
    wanted: &Wanted,
) -> Result<(VecDeque<LogRow>, i64), CliError> {
    let mut kept: VecDeque<LogRow> = VecDeque::new();
    let mut count = 0;
    loop {
        let rows = service.log(id, after, PAGE).await?;
        let Some(last) = rows.last() else {
            return Ok((kept, after));
        };
        after = last.seq;
        for row in rows.into_iter().filter(|row| wanted.takes(row)) {
            count += usize::from(row.line.kind == LineKind::Output);
            kept.push_back(row);
            while count > lines {
                let Some(dropped) = kept.pop_front() else {
                    break;
                };
                count -= usize::from(dropped.line.kind == LineKind::Output);
            }
        }
    }
}

fn written(rows: &VecDeque<LogRow>) -> usize {
    rows.iter()
        .filter(|row| row.line.kind == LineKind::Output)
        .count()
}
