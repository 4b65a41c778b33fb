//! `adjourn prune`: removes tasks that ended long ago.

use std::time::Duration;

use chrono::TimeDelta;
use clap::Args;
use serde::Serialize;

use super::args::{Format, duration};
use super::error::CliError;
use super::output::{answer, print_one};
use super::situation::Situation;
use super::{engine_room, exit};
use crate::clock::Timestamp;
use crate::service::Service;
use crate::task::id::TaskId;

/// The pause between two transactions, so that others can write.
const PAUSE: Duration = Duration::from_millis(20);

/// Remove tasks that have ended, with their logs, results and history
///
/// Tasks that have not ended are left alone, and so are those with a pod that is still to be
/// deleted or stopped. `serve` does the same by itself; see retention_days in [janitor].
#[derive(Debug, Args)]
pub(super) struct PruneArgs {
    /// Only tasks that ended so long ago: seconds, or a text such as 12h or 7d; the default is
    /// what the settings keep them for
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    older_than: Option<Duration>,
    /// Say what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct Pruned {
    tasks: usize,
    ended_before: Timestamp,
    dry_run: bool,
}

pub(super) async fn run(args: PruneArgs, situation: &Situation) -> Result<u8, CliError> {
    let older = args
        .older_than
        .or_else(|| engine_room::retention(&situation.config))
        .ok_or_else(|| {
            CliError::Usage(
                "the settings keep tasks for ever; say which are to be removed with --older-than DURATION"
                    .to_owned(),
            )
        })?;
    let ended_before = TimeDelta::from_std(older)
        .ok()
        .and_then(|older| situation.clock.now().checked_sub_signed(older))
        .ok_or_else(|| CliError::Usage("--older-than reaches back before all time".to_owned()))?;
    let tasks = match situation.existing_service().await? {
        Some(service) if args.dry_run => service.prunable(ended_before).await?,
        Some(service) => prune(&service, ended_before).await?,
        None => Vec::new(),
    };
    let format = situation.format();
    let pruned = Pruned {
        tasks: tasks.len(),
        ended_before,
        dry_run: args.dry_run,
    };
    if print_one(format, &pruned).await? {
        return Ok(exit::SUCCESS);
    }
    let text = if format == Format::Name {
        tasks.iter().map(|task| format!("{task}\n")).collect()
    } else {
        let would = if args.dry_run { "would be " } else { "" };
        let plural = if tasks.len() == 1 { "" } else { "s" };
        format!("{} task{plural} {would}removed\n", tasks.len())
    };
    answer(&text).await?;
    Ok(exit::SUCCESS)
}

async fn prune(service: &Service, ended_before: Timestamp) -> Result<Vec<TaskId>, CliError> {
    let mut tasks = Vec::new();
    loop {
        let step = service.prune_step(ended_before).await?;
        tasks.extend(step.tasks);
        if !step.more {
            return Ok(tasks);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
