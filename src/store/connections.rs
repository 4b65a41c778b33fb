//! How connections to the database are made: those that read, and the one that writes.

use std::path::Path;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

/// How long SQLite itself waits for another process's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How many connections read beside the writer.
const READERS: u32 = 4;

/// How many statements the writer keeps prepared.
const PREPARED: usize = 200;

/// How many rows SQLite's thread hands over before it waits for the writer to take them.
const ROWS_ON_THE_WAY: usize = 512;

/// Connections that read, made when they are needed.
pub(super) fn readers(path: &Path) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .min_connections(0)
        // A file does not hang up: asking each time whether it is there costs a question more.
        .test_before_acquire(false)
        .connect_lazy_with(options(path).read_only(true))
}

pub(super) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .disable_statement_logging()
}

pub(super) fn writing(path: &Path) -> SqliteConnectOptions {
    options(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        // Statements about many rows come in several lengths each.
        .statement_cache_capacity(PREPARED)
        .row_buffer_size(ROWS_ON_THE_WAY)
}
