//! `adjourn get`, also `list`: tasks, a line each.

use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::args::Format;
use super::error::CliError;
use super::exit;
use super::moments::{age, moment};
use super::output::{answer, print_list, say};
use super::situation::Situation;
use super::table::{layout, or_dash};
use super::tasks::Tasks;
use crate::clock::Timestamp;
use crate::service::TaskView;
use crate::service::words::took;
use crate::store::TaskFilter;
use crate::task::id::TaskRef;
use crate::task::state::STATE_NAMES;

/// List tasks, newest first
#[derive(Debug, Args)]
#[command(visible_alias = "list")]
pub(super) struct GetArgs {
    /// These tasks only: ids, or dag_id/task_id/run_id[/map_index]
    tasks: Vec<TaskRef>,
    /// Only tasks in these states
    #[arg(long, value_delimiter = ',', value_parser = PossibleValuesParser::new(STATE_NAMES))]
    state: Vec<String>,
    /// Only tasks of this DAG
    #[arg(long, value_name = "DAG_ID")]
    dag: Option<String>,
    /// Only tasks of this name
    #[arg(long, value_name = "TASK_ID")]
    task: Option<String>,
    /// Only tasks of this run
    #[arg(long, value_name = "RUN_ID")]
    run: Option<String>,
    /// At most this many; 0 for all
    #[arg(long, default_value_t = 500)]
    limit: u32,
}

pub(super) async fn run(args: GetArgs, situation: &Situation) -> Result<u8, CliError> {
    let found = match situation.existing_tasks().await? {
        Some(tasks) => find(&args, &tasks).await?,
        None if args.tasks.is_empty() => Vec::new(),
        None => {
            situation.needed_tasks().await?;
            Vec::new()
        }
    };
    let format = situation.format();
    if print_list(format, &found).await? {
        return Ok(exit::SUCCESS);
    }
    if format == Format::Name {
        let ids: String = found.iter().map(|task| format!("{}\n", task.id)).collect();
        answer(&ids).await?;
        return Ok(exit::SUCCESS);
    }
    if found.is_empty() {
        say("no tasks found");
        return Ok(exit::SUCCESS);
    }
    answer(&table(
        &found,
        format == Format::Wide,
        situation.clock.now(),
    ))
    .await?;
    if args.limit != 0 && found.len() == args.limit as usize {
        say(format!(
            "only the newest {} are shown; --limit 0 shows all",
            args.limit
        ));
    }
    Ok(exit::SUCCESS)
}

async fn find(args: &GetArgs, tasks: &Tasks) -> Result<Vec<TaskView>, CliError> {
    let ids = tasks.resolve_all(&args.tasks).await?;
    let filter = TaskFilter {
        ids,
        states: args.state.clone(),
        dag_id: args.dag.clone(),
        task_id: args.task.clone(),
        run_id: args.run.clone(),
        before: None,
        limit: (args.limit != 0).then_some(args.limit),
    };
    tasks.list(&filter).await
}

fn table(tasks: &[TaskView], wide: bool, now: Timestamp) -> String {
    let mut header = vec![
        "ID", "DAG", "TASK", "STATE", "TRY", "RESUMES", "AGE", "TOOK", "REASON",
    ];
    if wide {
        header.extend(["RUN", "MAP", "EXIT", "LOG LINES", "LAST LOG", "DEADLINE"]);
    }
    let rows = tasks.iter().map(|task| {
        let mut row = vec![
            task.id.to_string(),
            task.dag_id.clone(),
            task.task_id.clone(),
            task.state.to_owned(),
            format!("{}/{}", task.try_number, task.max_tries),
            task.resumes.to_string(),
            age(task.submitted_at, now),
            or_dash(length(task, now).map(took)),
            reason(task, wide),
        ];
        if wide {
            row.extend([
                task.run_id.clone(),
                or_dash((task.map_index >= 0).then_some(task.map_index)),
                or_dash(task.exit_code),
                task.log_lines.to_string(),
                or_dash(task.last_log_at.map(|at| age(at, now))),
                or_dash(task.deadline.map(moment)),
            ]);
        }
        row
    });
    layout(header, rows)
}

/// How long the task has been at it, waits included.
pub(super) fn length(task: &TaskView, now: Timestamp) -> Option<Duration> {
    let end = task.finished_at.unwrap_or(now);
    task.started_at
        .map(|start| (end - start).to_std().unwrap_or_default())
}

/// The reason, cut where a table would become hard to read.
fn reason(task: &TaskView, wide: bool) -> String {
    const LONGEST: usize = 60;
    let reason = task.reason.as_deref().unwrap_or("-");
    if wide || reason.chars().count() <= LONGEST {
        return reason.to_owned();
    }
    let cut: String = reason.chars().take(LONGEST - 1).collect();
    format!("{}…", cut.trim_end())
}
