//! The file that everything is moved from: held alone, and only read.
//!
//! No statement writes to it. What a program that was killed left in the write-ahead log may go
//! into the file when it is let go of, as whenever the database is opened.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnection, SqliteLockingMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use super::super::backup::faults;
use super::super::connections::options;
use super::super::error::StoreError;
use super::super::file::{MIGRATIONS, newest};
use super::super::open::place;
use super::error::MoveError;
use super::table::{Column, Kind, NAMES, Table};

/// The database that is moved.
pub(super) struct Source {
    pub connection: SqliteConnection,
    pub path: PathBuf,
    pub installation: String,
    pub created_at: i64,
}

impl Source {
    /// Opens the file, if it is one of ours, whole, of this program's schema and nobody else's at
    /// the moment. Nobody else can open it until it is closed.
    pub(super) async fn open(path: &Path) -> Result<Self, MoveError> {
        usable(path)?;
        let mut connection = alone(path).await?;
        let told = |error| StoreError::from_sql(path, error);
        let ours: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM sqlite_schema WHERE name IN ('_sqlx_migrations', 'installation')",
        )
        .fetch_one(&mut connection)
        .await
        .map_err(told)?;
        if ours != 2 {
            return Err(StoreError::Foreign {
                path: path.to_owned(),
            }
            .into());
        }
        of_this_schema(&mut connection, path).await?;
        if let Some(detail) = faults(&mut connection, path).await? {
            return Err(MoveError::Damaged {
                path: path.to_owned(),
                detail,
            });
        }
        let (installation, created_at) = sqlx::query_as("SELECT id, created_at FROM installation")
            .fetch_one(&mut connection)
            .await
            .map_err(told)?;
        Ok(Self {
            connection,
            path: path.to_owned(),
            installation,
            created_at,
        })
    }

    /// Each table that is moved, as it is here.
    pub(super) async fn tables(&mut self) -> Result<Vec<Table>, MoveError> {
        let mut tables = Vec::new();
        for name in NAMES {
            let table = describe(&mut self.connection, name).await;
            tables.push(table.map_err(|error| self.told(error))?);
        }
        Ok(tables)
    }

    pub(super) fn told(&self, error: sqlx::Error) -> MoveError {
        StoreError::from_sql(&self.path, error).into()
    }

    pub(super) async fn close(self) -> Result<(), MoveError> {
        let closed = self.connection.close().await;
        closed.map_err(|error| StoreError::from_sql(&self.path, error).into())
    }
}

fn usable(path: &Path) -> Result<(), MoveError> {
    let metadata = std::fs::metadata(path).map_err(|source| {
        if matches!(
            source.kind(),
            ErrorKind::NotFound | ErrorKind::NotADirectory
        ) {
            MoveError::NoSource(path.to_owned())
        } else {
            place(path, source).into()
        }
    })?;
    if !metadata.is_file() {
        return Err(StoreError::Damaged {
            path: path.to_owned(),
            detail: "it is not a file".to_owned(),
        }
        .into());
    }
    // Who cannot write cannot keep others away either.
    let writable = OpenOptions::new().write(true).open(path);
    if writable.is_err() || metadata.permissions().readonly() {
        return Err(StoreError::ReadOnly {
            path: path.to_owned(),
        }
        .into());
    }
    Ok(())
}

/// Has the file for itself; nothing can be written through this connection.
async fn alone(path: &Path) -> Result<SqliteConnection, MoveError> {
    let told = |error| {
        let error = StoreError::from_sql(path, error);
        if matches!(error, StoreError::Busy { .. }) {
            MoveError::InUse(path.to_owned())
        } else {
            MoveError::Store(error)
        }
    };
    let mut connection = options(path)
        .locking_mode(SqliteLockingMode::Exclusive)
        // Who has it open has it open for long: there is nothing to wait for.
        .busy_timeout(Duration::from_secs(1))
        .connect()
        .await
        .map_err(told)?;
    for statement in ["BEGIN EXCLUSIVE", "PRAGMA query_only = ON"] {
        sqlx::query(statement)
            .execute(&mut connection)
            .await
            .map_err(told)?;
    }
    Ok(connection)
}

async fn of_this_schema(connection: &mut SqliteConnection, path: &Path) -> Result<(), MoveError> {
    let found: Option<i64> = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations")
        .fetch_one(connection)
        .await
        .map_err(|error| StoreError::from_sql(path, error))?;
    newest(&MIGRATIONS, found, path)?;
    let known = MIGRATIONS.iter().map(|migration| migration.version).max();
    let (found, known) = (found.unwrap_or(0), known.unwrap_or(0));
    if found < known {
        return Err(MoveError::OlderSchema {
            path: path.to_owned(),
            found,
            known,
        });
    }
    Ok(())
}

async fn describe(
    connection: &mut SqliteConnection,
    name: &'static str,
) -> Result<Table, sqlx::Error> {
    let found: Vec<(String, String, i64)> =
        sqlx::query_as("SELECT name, type, pk FROM pragma_table_info(?) ORDER BY cid")
            .bind(name)
            .fetch_all(&mut *connection)
            .await?;
    let mut key: Vec<(i64, usize)> = Vec::new();
    let mut columns = Vec::new();
    for (place, (name, kind, of_key)) in found.into_iter().enumerate() {
        if of_key > 0 {
            key.push((of_key, place));
        }
        let kind = match kind.as_str() {
            "INTEGER" => Kind::Number,
            "BLOB" => Kind::Bytes,
            _ => Kind::Text,
        };
        columns.push(Column { name, kind });
    }
    key.sort_unstable();
    // The table's name is a constant.
    let count = format!("SELECT count(*) FROM {name}");
    let rows: i64 = sqlx::query_scalar(AssertSqlSafe(count))
        .fetch_one(&mut *connection)
        .await?;
    let highest = if columns.first().is_some_and(|column| column.name == "id") {
        // Ids of rows that are gone are not given again, where SQLite remembers them.
        let highest = format!(
            "SELECT max(coalesce((SELECT max(id) FROM {name}), 0),
                        coalesce((SELECT seq FROM sqlite_sequence WHERE name = '{name}'), 0))"
        );
        let highest = sqlx::query_scalar(AssertSqlSafe(highest));
        Some(highest.fetch_one(connection).await?)
    } else {
        None
    };
    Ok(Table {
        name,
        columns,
        key: key.into_iter().map(|(_, place)| place).collect(),
        rows: u64::try_from(rows).unwrap_or(0),
        highest,
    })
}
