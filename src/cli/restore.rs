//! `adjourn restore`: a backup put in the database's place.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::error::{CliError, sentence};
use super::exit;
use super::output::{print_one, say};
use super::situation::Situation;
use crate::store::{BackupError, restore};

/// Put a backup in the place of the database
///
/// The backup is checked first, and must not be from a newer adjourn. The database that was there
/// is kept beside the new one. Nobody may have it open: stop `adjourn serve` first.
#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// The file that `adjourn backup` made
    file: PathBuf,
}

#[derive(Serialize)]
struct Restored {
    database: PathBuf,
    /// Where the one that was there is now.
    kept: Option<PathBuf>,
}

pub(super) async fn run(args: RestoreArgs, situation: &Situation) -> Result<u8, CliError> {
    let (database, _) = situation.database()?;
    let kept = restore(&args.file, &database, situation.clock.now()).await?;
    let restored = Restored { database, kept };
    if !print_one(situation.format(), &restored).await? {
        say(format!(
            "{} holds what {} held",
            restored.database.display(),
            args.file.display()
        ));
        if let Some(kept) = &restored.kept {
            say(format!("what was there is kept as {}", kept.display()));
        }
    }
    Ok(exit::SUCCESS)
}

impl From<BackupError> for CliError {
    fn from(error: BackupError) -> Self {
        let words = sentence(&error);
        match error {
            BackupError::File { ref source, .. }
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                Self::NotFound(words)
            }
            BackupError::Exists(_)
            | BackupError::UnderWay(_)
            | BackupError::Damaged { .. }
            | BackupError::InUse(_)
            | BackupError::OnServer(_) => Self::Usage(words),
            BackupError::File { .. } => Self::Failed(words),
            BackupError::Store(error) => error.into(),
        }
    }
}
