//! Opening a database that is a file: made whole or not at all, migrated under a lock, refused when
//! it is not ours; other processes' changes are looked for.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection as _};
use tokio::sync::watch;
use uuid::Uuid;

use super::connections::{options, writing};
use super::error::StoreError;
use super::open::place;
use super::rows::to_ms;
use crate::clock::Timestamp;

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/sqlite");

/// How soon a change made by another process is noticed.
const LOOK_AT_OTHERS: Duration = Duration::from_millis(100);

pub(super) fn make_directory(path: &Path) -> Result<(), StoreError> {
    let Some(directory) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    else {
        return Ok(());
    };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|source| place(directory, source))
}

/// Answers a connection to a database that is there, ours, and of this program's schema.
pub(super) async fn prepare(path: &Path, now: Timestamp) -> Result<SqliteConnection, StoreError> {
    let _lock = lock(path)?;
    if !path.exists() {
        create(path, now).await?;
    }
    check(path).await?;
    let mut connection = writing(path)
        .connect()
        .await
        .map_err(|error| StoreError::from_sql(path, error))?;
    migrate(&mut connection, path).await?;
    Ok(connection)
}

/// Holds other processes off while the schema is being looked at or changed.
pub(super) fn lock(path: &Path) -> Result<File, StoreError> {
    let name = with_suffix(path, ".lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&name);
    let file = match file {
        Ok(file) => file,
        // Where not even a lock file can be made, the database cannot be written either.
        Err(error) if path.exists() && error.kind() != std::io::ErrorKind::NotFound => {
            return Err(StoreError::ReadOnly {
                path: path.to_owned(),
            });
        }
        Err(error) => return Err(place(path, error)),
    };
    file.lock().map_err(|source| place(&name, source))?;
    Ok(file)
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes the database beside its place and moves it there when it is whole.
async fn create(path: &Path, now: Timestamp) -> Result<(), StoreError> {
    let fresh = with_suffix(path, ".new");
    for leftover in [&fresh, &with_suffix(&fresh, "-journal")] {
        match std::fs::remove_file(leftover) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(place(leftover, error));
            }
            _ => {}
        }
    }
    // SQLite would make the file readable for everybody.
    OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&fresh)
        .map_err(|source| place(&fresh, source))?;
    let told = |error| StoreError::from_sql(path, error);
    let mut connection = options(&fresh)
        .journal_mode(SqliteJournalMode::Delete)
        .synchronous(SqliteSynchronous::Full)
        .connect()
        .await
        .map_err(told)?;
    migrate(&mut connection, path).await?;
    sqlx::query("INSERT INTO installation (only_row, id, created_at) VALUES (1, ?, ?)")
        .bind(Uuid::new_v4().simple().to_string())
        .bind(to_ms(now))
        .execute(&mut connection)
        .await
        .map_err(told)?;
    connection.close().await.map_err(told)?;
    std::fs::rename(&fresh, path).map_err(|source| place(path, source))
}

/// Refuses a file that is not ours before anything is written to it.
async fn check(path: &Path) -> Result<(), StoreError> {
    let told = |error| StoreError::from_sql(path, error);
    let metadata = std::fs::metadata(path).map_err(|source| place(path, source))?;
    if !metadata.is_file() {
        return Err(StoreError::Damaged {
            path: path.to_owned(),
            detail: "it is not a file".to_owned(),
        });
    }
    let writable = OpenOptions::new().write(true).open(path);
    if writable.is_err() || metadata.permissions().readonly() {
        return Err(StoreError::ReadOnly {
            path: path.to_owned(),
        });
    }
    let connection = open_plainly(path).await?;
    connection.close().await.map_err(told)
}

/// Opens a database as it is, if it is one of ours and of a schema that this program knows.
pub(super) async fn open_plainly(path: &Path) -> Result<SqliteConnection, StoreError> {
    let told = |error| StoreError::from_sql(path, error);
    let mut connection = options(path).connect().await.map_err(told)?;
    let known: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_schema WHERE name IN ('_sqlx_migrations', 'installation')",
    )
    .fetch_all(&mut connection)
    .await
    .map_err(told)?;
    if known.len() != 2 {
        return Err(StoreError::Foreign {
            path: path.to_owned(),
        });
    }
    let found: Option<i64> = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations")
        .fetch_one(&mut connection)
        .await
        .map_err(told)?;
    newest(&MIGRATIONS, found, path)?;
    Ok(connection)
}

/// The newest schema that `migrations` lead to; refuses one beyond it.
pub(super) fn newest(
    migrations: &Migrator,
    found: Option<i64>,
    path: &Path,
) -> Result<i64, StoreError> {
    let versions = migrations.iter().map(|migration| migration.version);
    let known = versions.max().unwrap_or(0);
    match found {
        Some(found) if found > known => Err(StoreError::NewerSchema {
            path: path.to_owned(),
            found,
            known,
        }),
        Some(_) | None => Ok(known),
    }
}

async fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    let migrated = MIGRATIONS.run(connection).await;
    migrated.map_err(|error| migration_error(error, path))
}

pub(super) fn migration_error(error: MigrateError, path: &Path) -> StoreError {
    let detail = error.to_string();
    if let MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) = error {
        return StoreError::from_sql(path, source);
    }
    StoreError::Damaged {
        path: path.to_owned(),
        detail,
    }
}

/// Notices the commits of other processes, which nobody in this one tells about.
pub(super) async fn watch_others(path: PathBuf, changed: watch::Sender<u64>) {
    let mut seen: Option<i64> = None;
    let mut connection: Option<SqliteConnection> = None;
    loop {
        tokio::time::sleep(LOOK_AT_OTHERS).await;
        let open = match connection.take() {
            Some(open) => Ok(open),
            None => options(&path).read_only(true).connect().await,
        };
        let Ok(mut open) = open else { continue };
        let version: Result<i64, _> = sqlx::query_scalar("PRAGMA data_version")
            .fetch_one(&mut open)
            .await;
        let Ok(version) = version else { continue };
        if seen
            .replace(version)
            .is_some_and(|before| before != version)
        {
            changed.send_modify(|count| *count += 1);
        }
        connection = Some(open);
    }
}
