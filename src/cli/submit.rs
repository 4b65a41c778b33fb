//! `adjourn submit`: takes tasks in and leaves the work to a daemon.

use std::path::PathBuf;

use clap::Args;

use super::error::CliError;
use super::output::{answer, print_list};
use super::situation::Situation;
use super::{exit, input};

/// Store the tasks of a file for a daemon to run; prints their ids
///
/// Submitting the same task with the same run_id again answers the id that it has already.
#[derive(Debug, Args)]
pub(super) struct SubmitArgs {
    /// The task file, or - for stdin
    file: PathBuf,
}

pub(super) async fn run(args: SubmitArgs, situation: &Situation) -> Result<u8, CliError> {
    let tasks = input::tasks(&args.file, situation).await?;
    let submitted = situation.tasks().await?.take_in(tasks).await?;
    if !print_list(situation.format(), &submitted).await? {
        let ids: String = submitted
            .iter()
            .map(|task| format!("{}\n", task.id))
            .collect();
        answer(&ids).await?;
    }
    Ok(exit::SUCCESS)
}
