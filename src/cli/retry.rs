//! `adjourn retry`: another attempt.

use clap::Args;

use super::args::Format;
use super::error::CliError;
use super::exit;
use super::output::{answer, print_list, print_one, say};
use super::situation::Situation;
use crate::task::id::TaskRef;

/// Give ended tasks another attempt, or end the wait before the next one
#[derive(Debug, Args)]
pub(super) struct RetryArgs {
    /// The tasks: ids, or dag_id/task_id/run_id[/map_index]
    #[arg(required = true)]
    tasks: Vec<TaskRef>,
    /// Why, for the task's history
    #[arg(long, default_value = "retried by hand")]
    reason: String,
}

pub(super) async fn run(args: RetryArgs, situation: &Situation) -> Result<u8, CliError> {
    let tasks = situation.needed_tasks().await?;
    let ids = tasks.resolve_all(&args.tasks).await?;
    let mut retried = Vec::with_capacity(ids.len());
    for id in ids {
        let task = tasks.retry(id, &args.reason).await?;
        say(format!("task {id} is queued for try {}", task.try_number));
        retried.push(task);
    }
    let format = situation.format();
    match retried.as_slice() {
        [task] => print_one(format, task).await?,
        tasks => print_list(format, tasks).await?,
    };
    if format == Format::Name {
        let ids: String = retried
            .iter()
            .map(|task| format!("{}\n", task.id))
            .collect();
        answer(&ids).await?;
    }
    Ok(exit::SUCCESS)
}
