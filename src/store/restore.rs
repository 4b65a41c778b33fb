//! A backup put in the database's place.
//!
//! The one that was there is kept beside it. The change is one rename, so that at any moment there
//! is one whole database under the name, and never none: a program that found none would make a
//! new one.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions, Connection};

use super::backup::{BackupError, examine, file_error, sync_directory};
use super::connections::options;
use super::error::StoreError;
use super::file::{lock, make_directory, open_plainly, with_suffix};
use super::server;
use crate::clock::Timestamp;

/// Puts a copy of the backup `from` in the place of the database `path`; answers under which name
/// the one that was there is kept, if there was one.
///
/// # Errors
/// [`BackupError::InUse`] when anybody has the database open; else what is wrong with the backup,
/// or what stood in the way. The database is as it was then.
pub async fn restore(
    from: &Path,
    path: &Path,
    now: Timestamp,
) -> Result<Option<PathBuf>, BackupError> {
    if let Some(server) = server::named_by(path) {
        return Err(BackupError::OnServer(server::name_of(&server?)));
    }
    std::fs::metadata(from).map_err(file_error("read", from))?;
    examine(from).await?;
    make_directory(path)?;
    // Whoever would open the database waits for this until all is done.
    let _lock = lock(path)?;
    let old = if path.exists() {
        Some(alone(path).await?)
    } else {
        None
    };
    let fresh = with_suffix(path, ".restored");
    copy(from, &fresh)?;
    without_engines(&fresh).await?;
    let kept = match old {
        Some(_) => Some(keep(path, now)?),
        None => None,
    };
    std::fs::rename(&fresh, path).map_err(file_error("make", path))?;
    sync_directory(path)?;
    if let Some(connection) = old {
        connection
            .close()
            .await
            .map_err(|error| StoreError::from_sql(path, error))?;
    }
    Ok(kept)
}

/// Has the database for itself, with all that it holds in its one file.
async fn alone(path: &Path) -> Result<SqliteConnection, BackupError> {
    let told = |error| {
        let error = StoreError::from_sql(path, error);
        if matches!(error, StoreError::Busy { .. }) {
            BackupError::InUse(path.to_owned())
        } else {
            BackupError::Store(error)
        }
    };
    let mut connection = options(path)
        // Who has it open has it open for long: there is nothing to wait for.
        .busy_timeout(std::time::Duration::from_secs(1))
        .connect()
        .await
        .map_err(told)?;
    // Leaving the write-ahead log is possible for the only connection there is.
    sqlx::query("PRAGMA journal_mode = DELETE")
        .execute(&mut connection)
        .await
        .map_err(told)?;
    sqlx::query("BEGIN EXCLUSIVE")
        .execute(&mut connection)
        .await
        .map_err(told)?;
    Ok(connection)
}

fn copy(from: &Path, fresh: &Path) -> Result<(), BackupError> {
    let mut source = File::open(from).map_err(file_error("read", from))?;
    let mut target = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(fresh)
        .map_err(file_error("make", fresh))?;
    std::io::copy(&mut source, &mut target)
        .and_then(|_| target.sync_all())
        .map_err(file_error("write", fresh))
}

/// The engines that worked when the backup was made do not work on this copy of it.
async fn without_engines(fresh: &Path) -> Result<(), BackupError> {
    let told = |error| StoreError::from_sql(fresh, error);
    let mut connection = open_plainly(fresh).await?;
    sqlx::query("DELETE FROM engines")
        .execute(&mut connection)
        .await
        .map_err(told)?;
    connection.close().await.map_err(told)?;
    Ok(())
}

/// Gives the database that is there a second name.
fn keep(path: &Path, now: Timestamp) -> Result<PathBuf, BackupError> {
    let stamp = now.format(".before-restore-%Y%m%dT%H%M%S%.3fZ").to_string();
    let kept = with_suffix(path, &stamp);
    std::fs::hard_link(path, &kept).map_err(file_error("make", &kept))?;
    Ok(kept)
}
