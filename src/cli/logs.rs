//! `adjourn logs`: what a task's containers wrote.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use super::args::Format;
use super::error::CliError;
use super::exit;
use super::follow::{Followed, Follower, PAGE, print};
use super::lines::{Shape, Style};
use super::output::{Output, print_list, say};
use super::situation::Situation;
use super::tasks::Tasks;
use crate::clock::Timestamp;
use crate::service::words::verdict;
use crate::service::{LineView, LogFilter};
use crate::task::id::{TaskId, TaskRef};

/// Print a task's log lines as its containers wrote them
#[derive(Debug, Args)]
pub(super) struct LogsArgs {
    /// The task: its id, or dag_id/task_id/run_id[/map_index]
    #[arg(add = ArgValueCompleter::new(super::completions::tasks))]
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
    let tasks = situation.needed_tasks().await?;
    let id = tasks.resolve(&args.task).await?;
    let mut style = Style::of(&tasks.log_style(id).await?, None, args.prefix);
    style.timestamps = args.timestamps;
    let whole = match situation.global.output {
        Format::Table | Format::Wide | Format::Name => {
            style.shape = Shape::on_stdout();
            false
        }
        Format::Jsonl => {
            style.shape = Shape::Json;
            false
        }
        Format::Json | Format::Yaml if args.follow => {
            let words = "a log that is followed has no end to close a document with: use -o jsonl";
            return Err(CliError::Usage(words.to_owned()));
        }
        Format::Json | Format::Yaml => true,
    };
    if args.container.is_some() && !args.prefix {
        style.container = false;
    }
    let since = args
        .since
        .map(|since| situation.clock.now() - since)
        .or(args.since_time);
    let wanted = LogFilter::new(args.container, since);
    let mut output = Output::stdout();
    let before = match args.tail {
        Some(lines) => {
            let container = wanted.container.as_deref();
            tasks.log_tail(id, container, lines).await?
        }
        None => 0,
    };
    if whole {
        let rows = tasks.log(id, before, u32::MAX).await?;
        let wanted = rows.iter().filter(|row| wanted.takes(row));
        let lines: Vec<LineView> = wanted.map(LineView::of).collect();
        print_list(situation.global.output, &lines).await?;
        return Ok(exit::SUCCESS);
    }
    let after = rest(&tasks, id, before, &style, &wanted, &mut output).await?;
    if args.follow {
        let mut follower = Follower {
            source: &tasks,
            tasks: vec![Followed::new(id, after, style)],
            wanted,
            output,
            clock: situation.clock.clone(),
            live: None,
            phases: None,
            events: BTreeMap::new(),
        };
        for task in follower.follow().await? {
            say(verdict(&task));
        }
    }
    Ok(exit::SUCCESS)
}

/// Prints what is there behind number `after`; answers the number of the last line.
async fn rest(
    tasks: &Tasks,
    id: TaskId,
    mut after: i64,
    style: &Style,
    wanted: &LogFilter,
    output: &mut Output,
) -> Result<i64, CliError> {
    loop {
        let rows = tasks.log(id, after, PAGE).await?;
        let Some(last) = rows.last() else {
            return Ok(after);
        };
        after = last.seq;
        print(&rows, style, wanted, output).await?;
    }
}
