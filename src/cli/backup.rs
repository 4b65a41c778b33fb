//! `adjourn backup`: a copy of the database, made while it is in use.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::error::CliError;
use super::exit;
use super::output::{print_one, say};
use super::situation::Situation;

/// Copy the database to a file, while everything goes on
///
/// The copy is one moment of the database. It is checked before it gets its name, and nothing is
/// ever overwritten. `adjourn restore FILE` puts it back.
#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// The file to make; only its owner can read it
    file: PathBuf,
}

#[derive(Serialize)]
struct Made {
    file: PathBuf,
    bytes: u64,
}

pub(super) async fn run(args: BackupArgs, situation: &Situation) -> Result<u8, CliError> {
    let service = situation.needed_service().await?;
    let bytes = service.store().backup(&args.file).await?;
    let made = Made {
        file: args.file,
        bytes,
    };
    if !print_one(situation.format(), &made).await? {
        say(format!(
            "{} holds a copy of {} ({bytes} bytes)",
            made.file.display(),
            service.store().path().display()
        ));
    }
    Ok(exit::SUCCESS)
}
