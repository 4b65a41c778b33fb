//! `adjourn man`: the manual pages, from the same words as `--help`.

use std::path::PathBuf;

use clap::{Args, CommandFactory};

use super::args::Cli;
use super::error::CliError;
use super::exit;
use super::output::{Output, say};

/// Write the manual pages to a directory, or adjourn(1) to stdout
#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// The directory, which is made if it is not there; `man -M` wants its pages in a directory man1
    directory: Option<PathBuf>,
}

pub(super) async fn run(args: &ManArgs) -> Result<u8, CliError> {
    let Some(directory) = &args.directory else {
        let mut page = Vec::new();
        // Into memory nothing can fail.
        clap_mangen::Man::new(Cli::command())
            .render(&mut page)
            .map_err(CliError::Output)?;
        Output::stdout().write(&page).await?;
        return Ok(exit::SUCCESS);
    };
    let written = std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), directory));
    written.map_err(|error| {
        CliError::Failed(format!(
            "cannot write manual pages to {}: {error}",
            directory.display()
        ))
    })?;
    say(format!("the manual pages are in {}", directory.display()));
    Ok(exit::SUCCESS)
}
