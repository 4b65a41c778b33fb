//! `adjourn wait`: until tasks have ended.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use super::error::CliError;
use super::follow::{Followed, Follower};
use super::lines::Style;
use super::output::{Output, print_list, print_one, say};
use super::situation::Situation;
use super::tasks::Tasks;
use super::{engine_room, exit};
use crate::service::words::{took, verdict};
use crate::service::{LogFilter, Service, TaskView};
use crate::task::id::{TaskId, TaskRef};

/// Wait until tasks have ended; ends with the task's own verdict as exit code
#[derive(Debug, Args)]
pub(super) struct WaitArgs {
    /// The tasks: ids, or dag_id/task_id/run_id[/map_index]
    #[arg(required = true, add = ArgValueCompleter::new(super::completions::tasks))]
    tasks: Vec<TaskRef>,
    /// Give up after this long, for example 10m
    #[arg(long, value_name = "DURATION", value_parser = super::args::duration)]
    timeout: Option<Duration>,
}

pub(super) async fn run(args: WaitArgs, situation: &Situation) -> Result<u8, CliError> {
    let source = situation.needed_tasks().await?;
    let ids = source.resolve_all(&args.tasks).await?;
    // A daemon that answers works.
    if let Tasks::Here(service) = &source {
        tell_if_nobody_works(service, &ids, situation).await?;
    }
    let ended = ended(&source, &ids, situation);
    let ended = match args.timeout {
        None => ended.await?,
        Some(timeout) => tokio::time::timeout(timeout, ended).await.map_err(|_| {
            CliError::TimedOut(format!(
                "not every task has ended within {}; they go on",
                took(timeout)
            ))
        })??,
    };
    let format = situation.format();
    match ended.as_slice() {
        [task] => print_one(format, task).await?,
        tasks => print_list(format, tasks).await?,
    };
    for task in &ended {
        say(verdict(task));
    }
    Ok(exit::of_tasks(&ended))
}

/// Waits until each of `ids` has ended.
pub(super) async fn ended(
    source: &Tasks,
    ids: &[TaskId],
    situation: &Situation,
) -> Result<Vec<TaskView>, CliError> {
    let mut follower = Follower {
        source,
        tasks: ids
            .iter()
            // Nobody wants to see the lines.
            .map(|id| Followed::new(*id, i64::MAX, Style::default()))
            .collect(),
        wanted: LogFilter::default(),
        output: Output::stdout(),
        clock: situation.clock.clone(),
        live: None,
        phases: None,
        events: BTreeMap::new(),
    };
    follower.follow().await
}

/// A person may wait long for tasks that no process works on.
async fn tell_if_nobody_works(
    service: &Service,
    ids: &[TaskId],
    situation: &Situation,
) -> Result<(), CliError> {
    if engine_room::somebody_works(service, situation).await? {
        return Ok(());
    }
    for id in ids {
        if !service.task(*id).await?.is_final {
            say(
                "note: no adjourn serve and no adjourn run works on this database now; waiting all the same",
            );
            return Ok(());
        }
    }
    Ok(())
}
