//! `adjourn cancel`: ends tasks before they end by themselves.

use std::time::Duration;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use super::args::Format;
use super::error::CliError;
use super::output::{answer, print_list, print_one, say};
use super::run::{let_go, pods_disposed_of};
use super::signals::Signals;
use super::situation::Situation;
use super::tasks::Tasks;
use super::wait::ended;
use super::{engine_room, exit, local};
use crate::remote::Remote;
use crate::service::TaskView;
use crate::service::words::verdict;
use crate::store::{EngineKind, Scope};
use crate::task::id::{TaskId, TaskRef};

/// Cancel tasks: end their pods, then the tasks
///
/// Waits until they have ended. Where no `adjourn serve` is alive it does the work itself.
#[derive(Debug, Args)]
pub(super) struct CancelArgs {
    /// The tasks: ids, or dag_id/task_id/run_id[/map_index]
    #[arg(required = true, add = ArgValueCompleter::new(super::completions::tasks))]
    tasks: Vec<TaskRef>,
    /// Ask for the end and do not wait for it
    #[arg(long)]
    no_wait: bool,
    /// Give up waiting after this long, for example 10m
    #[arg(long, value_name = "DURATION", value_parser = super::args::duration)]
    timeout: Option<Duration>,
    /// Why, for the task's history
    #[arg(long, default_value = "cancelled")]
    reason: String,
}

pub(super) async fn run(args: CancelArgs, situation: &mut Situation) -> Result<u8, CliError> {
    let source = situation.needed_tasks().await?;
    let ids = source.resolve_all(&args.tasks).await?;
    let mut asked = Vec::with_capacity(ids.len());
    for id in &ids {
        asked.push(source.ask_for_end(*id, &args.reason).await?);
    }
    let tasks = if args.no_wait {
        asked
    } else {
        see_it_done(&args, &source, &ids, situation).await?
    };
    report(&args, &tasks, situation.format()).await
}

/// Waits until the tasks have ended and their pods are gone; works on it unless a daemon does.
async fn see_it_done(
    args: &CancelArgs,
    source: &Tasks,
    ids: &[TaskId],
    situation: &mut Situation,
) -> Result<Vec<TaskView>, CliError> {
    let mut signals = Signals::listen()?;
    let engine = match source {
        Tasks::Here(service) => {
            if engine_room::daemon(situation, service).await?.is_none() {
                local::use_if_asked(situation).await?;
            }
            let scope = Scope::Tasks(ids.to_vec());
            let (engine, _) =
                engine_room::start(situation, service, EngineKind::Run, scope).await?;
            Some(engine)
        }
        // The daemon works on it.
        Tasks::There(_) => None,
    };
    let work = async {
        let tasks = ended(source, ids, situation).await?;
        match (&engine, source) {
            (Some(engine), _) => pods_disposed_of(engine).await?,
            (None, Tasks::There(remote)) => disposed_of_there(remote, ids).await?,
            (None, Tasks::Here(_)) => {}
        }
        Ok(tasks)
    };
    let timeout = async {
        match args.timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    let result = tokio::select! {
        result = work => result,
        () = timeout => Err(CliError::TimedOut(
            "the tasks have not ended in time; their end stays asked for".to_owned(),
        )),
        () = signals.next() => Err(CliError::Interrupted),
    };
    if let Some(engine) = engine {
        let_go(engine, &mut signals).await;
    }
    result
}

/// Waits until the pods of a daemon's tasks are as they are to be.
async fn disposed_of_there(remote: &Remote, ids: &[TaskId]) -> Result<(), CliError> {
    let mut known = remote.commits(None, 0).await?;
    while remote.open_disposals(ids).await? > 0 {
        known = remote.commits(Some(known), 1).await?;
    }
    Ok(())
}

async fn report(args: &CancelArgs, tasks: &[TaskView], format: Format) -> Result<u8, CliError> {
    match tasks {
        [task] => print_one(format, task).await?,
        tasks => print_list(format, tasks).await?,
    };
    if format == Format::Name {
        let ids: String = tasks.iter().map(|task| format!("{}\n", task.id)).collect();
        answer(&ids).await?;
    }
    for task in tasks {
        if task.is_final {
            say(verdict(task));
        } else {
            say(format!("task {} will be cancelled", task.id));
        }
    }
    let as_asked = |task: &TaskView| task.state == "cancelled" || args.no_wait;
    Ok(if tasks.iter().all(as_asked) {
        exit::SUCCESS
    } else {
        exit::FAILED
    })
}
