//! A copy of the database, made while it is in use.
//!
//! The copy is one moment of the database, whole: SQLite writes it from one read transaction, so
//! that neither the writer nor anybody else waits. It appears under its name only once it has been
//! checked and is on the disk; until then it is `NAME.partial`, which the next backup may use again.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use super::error::StoreError;
use super::file::{open_plainly, with_suffix};
use super::open::Store;
use super::sql::Pool;

/// Why there is no backup, or why one was not restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Something is there already.
    #[error("{} is there already; give a name that is free, a backup overwrites nothing", .0.display())]
    Exists(PathBuf),
    /// Another backup is being written under this name.
    #[error("another backup to {} is under way", .0.display())]
    UnderWay(PathBuf),
    /// A file cannot be made, read or moved.
    #[error("cannot {what} {}: {source}", path.display())]
    File {
        /// What was to be done.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it does not go.
        #[source]
        source: std::io::Error,
    },
    /// The copy is damaged.
    #[error("{} is damaged: {detail}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite found.
        detail: String,
    },
    /// Somebody works with the database that is to be replaced.
    #[error(
        "another program has the database {} open; stop adjourn serve and every adjourn run on it first",
        .0.display()
    )]
    InUse(PathBuf),
    /// The database is on a server, which has tools of its own.
    #[error(
        "{} is on a PostgreSQL server: back it up and restore it with pg_dump and pg_restore",
        .0.display()
    )]
    OnServer(PathBuf),
    /// The store says no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub(super) fn file_error(
    what: &'static str,
    path: &Path,
) -> impl FnOnce(std::io::Error) -> BackupError {
    move |source| BackupError::File {
        what,
        path: path.to_owned(),
        source,
    }
}

impl Store {
    /// Writes a copy of the database to `path`, readable for its owner alone; answers its size in
    /// bytes.
    ///
    /// # Errors
    /// [`BackupError::Exists`] when there is something at `path`; else what stood in the way.
    pub async fn backup(&self, path: &Path) -> Result<u64, BackupError> {
        let Pool::Sqlite(reader) = &self.reader else {
            return Err(BackupError::OnServer(self.path().to_owned()));
        };
        if path.symlink_metadata().is_ok() {
            return Err(BackupError::Exists(path.to_owned()));
        }
        let partial = with_suffix(path, ".partial");
        let file = claimed(&partial, path)?;
        let name = partial.to_string_lossy().into_owned();
        sqlx::query("VACUUM INTO ?")
            .bind(name)
            .execute(reader)
            .await
            .map_err(|error| StoreError::from_sql(&partial, error))?;
        examine(&partial).await?;
        file.sync_all().map_err(file_error("write", &partial))?;
        // A link fails where a rename would overwrite what came there meanwhile.
        std::fs::hard_link(&partial, path).map_err(|source| {
            if source.kind() == std::io::ErrorKind::AlreadyExists {
                BackupError::Exists(path.to_owned())
            } else {
                file_error("make", path)(source)
            }
        })?;
        std::fs::remove_file(&partial).map_err(file_error("remove", &partial))?;
        sync_directory(path)?;
        let metadata = file.metadata().map_err(file_error("read", path))?;
        Ok(metadata.len())
    }
}

/// The unfinished copy's file, empty, and ours for as long as it is held.
fn claimed(partial: &Path, path: &Path) -> Result<File, BackupError> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(partial)
        .map_err(file_error("make", partial))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(BackupError::UnderWay(path.to_owned())),
        Err(TryLockError::Error(source)) => return Err(file_error("lock", partial)(source)),
    }
    file.set_len(0).map_err(file_error("empty", partial))?;
    Ok(file)
}

/// Makes sure that a file is a whole database of ours, of a schema that this program knows.
pub(super) async fn examine(path: &Path) -> Result<(), BackupError> {
    let mut connection = open_plainly(path).await?;
    let found = faults(&mut connection, path).await;
    connection
        .close()
        .await
        .map_err(|error| StoreError::from_sql(path, error))?;
    match found? {
        None => Ok(()),
        Some(detail) => Err(BackupError::Damaged {
            path: path.to_owned(),
            detail,
        }),
    }
}

/// What SQLite finds wrong with a database.
pub(super) async fn faults(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<Option<String>, StoreError> {
    let told = |error| StoreError::from_sql(path, error);
    let words: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check(1)")
        .fetch_all(&mut *connection)
        .await
        .map_err(told)?;
    if let Some(fault) = words.into_iter().find(|word| word != "ok") {
        return Ok(Some(fault.replace('\n', " ")));
    }
    let strays = sqlx::query("PRAGMA foreign_key_check")
        .fetch_all(connection)
        .await
        .map_err(told)?;
    let words = |count| format!("{count} rows belong to tasks that are not there");
    Ok(Some(strays.len()).filter(|count| *count > 0).map(words))
}

/// Sees to it that a new name is on the disk, too.
pub(super) fn sync_directory(path: &Path) -> Result<(), BackupError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(file_error("write", directory))
}
