//! Opening the database: made whole or not at all, migrated under a lock, refused when it is not
//! ours.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection as _};
use tokio::sync::{Mutex, watch};
use uuid::Uuid;

use super::connections::{options, readers, writing};
use super::counting::Counts;
use super::error::StoreError;
use super::rows::to_ms;
use super::server;
use super::sql::{Connection, Pool, Server, query_scalar};
use super::writer::Writer;
use crate::clock::Timestamp;
use crate::metrics::Metrics;

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/sqlite");

/// How soon a change made by another process is noticed.
const LOOK_AT_OTHERS: Duration = Duration::from_millis(100);

/// The store of one installation.
#[derive(Clone)]
pub struct Store {
    pub(super) reader: Pool,
    // Before `shared`, which is dropped behind it and then waits for the writer's end.
    pub(super) writer: Writer,
    shared: Arc<Shared>,
}

/// How more connections that read are made.
enum Readers {
    File,
    Server(Server),
}

impl Readers {
    fn pool(&self, path: &Path) -> Pool {
        match self {
            Self::File => Pool::Sqlite(readers(path)),
            Self::Server(server) => Pool::Postgres(server.readers()),
        }
    }
}

struct Shared {
    path: PathBuf,
    readers: Readers,
    installation: String,
    changed: watch::Receiver<u64>,
    watching_others: tokio::task::AbortHandle,
    counted: Mutex<Counts>,
    writing: Option<JoinHandle<()>>,
}

impl Drop for Shared {
    /// The last handle is gone, and with it the last who could hand the writer something: it
    /// finishes what it has and closes the database in good order, so that no write-ahead log is
    /// left beside it.
    fn drop(&mut self) {
        self.watching_others.abort();
        if let Some(writing) = self.writing.take()
            && writing.join().is_err()
        {
            tracing::error!("the store's writer broke; what was not answered was not stored");
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.shared.path)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database at `path`, making it first if there is none. A `path` that is a URL as
    /// `postgres://user@host/database` names one on a PostgreSQL server, which is there already and
    /// may be empty.
    ///
    /// # Errors
    /// Says what is wrong with the place, the file or its schema, and what to do about it.
    pub async fn open(path: &Path, now: Timestamp) -> Result<Self, StoreError> {
        if let Some(server) = server::named_by(path) {
            return Self::open_server(server?, true, now).await;
        }
        make_directory(path)?;
        let connection = prepare(path, now).await?;
        Self::start(path, connection).await
    }

    /// Opens the database at `path` only if there is one.
    ///
    /// # Errors
    /// As [`Store::open`]; [`StoreError::Place`] when there is no such file, or nothing of ours on
    /// the server.
    pub async fn open_existing(path: &Path, now: Timestamp) -> Result<Self, StoreError> {
        if let Some(server) = server::named_by(path) {
            return Self::open_server(server?, false, now).await;
        }
        std::fs::metadata(path).map_err(|source| place(path, source))?;
        let connection = prepare(path, now).await?;
        Self::start(path, connection).await
    }

    async fn start(path: &Path, connection: SqliteConnection) -> Result<Self, StoreError> {
        let (changed, receiver) = watch::channel(0);
        let others = watch_others(path.to_owned(), changed.clone());
        Self::assemble(
            path.to_owned(),
            Connection::Sqlite(connection),
            Readers::File,
            (changed, receiver),
            Metrics::default(),
            others,
        )
        .await
    }

    async fn open_server(server: Server, make: bool, now: Timestamp) -> Result<Self, StoreError> {
        let name = server::name_of(&server);
        let connection = server::prepare(&server, &name, make, now).await?;
        let (changed, receiver) = watch::channel(0);
        let metrics = Metrics::default();
        let others = server::watch_others(server.clone(), changed.clone(), metrics.clone());
        Self::assemble(
            name,
            Connection::Postgres(connection, server.clone()),
            Readers::Server(server),
            (changed, receiver),
            metrics,
            others,
        )
        .await
    }

    async fn assemble(
        path: PathBuf,
        mut connection: Connection,
        readers: Readers,
        (changed, receiver): (watch::Sender<u64>, watch::Receiver<u64>),
        metrics: Metrics,
        others: impl Future<Output = ()> + Send + 'static,
    ) -> Result<Self, StoreError> {
        let installation = query_scalar("SELECT id FROM installation")
            .fetch_one(&mut connection)
            .await
            .map_err(|error| StoreError::from_sql(&path, error))?;
        let reader = readers.pool(&path);
        #[allow(
            clippy::disallowed_methods,
            reason = "aborted when the last handle of the store is dropped"
        )]
        let watching_others = tokio::spawn(others);
        let (writer, writing) =
            Writer::start(connection, reader.clone(), path.clone(), changed, metrics)
                .map_err(|source| place(&path, source))?;
        Ok(Self {
            reader,
            writer,
            shared: Arc::new(Shared {
                path,
                readers,
                installation,
                changed: receiver,
                watching_others: watching_others.abort_handle(),
                counted: Mutex::default(),
                writing: Some(writing),
            }),
        })
    }

    /// The same store with readers of its own: whoever asks through it, however much, keeps
    /// nobody else from reading.
    #[must_use]
    pub fn with_own_readers(&self) -> Self {
        Self {
            reader: self.shared.readers.pool(self.path()),
            ..self.clone()
        }
    }

    /// Where the store records, and whoever works with it.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.writer.metrics
    }

    pub(super) fn counted(&self) -> &Mutex<Counts> {
        &self.shared.counted
    }

    /// Where the database is; of one on a server its URL, without the password.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Which installation this is; stamped on its pods.
    #[must_use]
    pub fn installation(&self) -> &str {
        &self.shared.installation
    }

    /// Changes its value after each commit, of this process or, a little later, of another.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        let mut receiver = self.shared.changed.clone();
        receiver.mark_changed();
        receiver
    }

    /// Waits until all that was handed in to be written before this has been, or was refused.
    ///
    /// # Errors
    /// What the database says.
    pub async fn settled(&self) -> Result<(), StoreError> {
        self.writer.write(|_| Box::pin(async { Ok(()) })).await
    }

    pub(super) fn told(&self, error: sqlx::Error) -> StoreError {
        StoreError::from_sql(&self.shared.path, error)
    }
}

pub(super) fn place(path: &Path, source: std::io::Error) -> StoreError {
    StoreError::Place {
        path: path.to_owned(),
        source: Arc::new(source),
    }
}

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
async fn prepare(path: &Path, now: Timestamp) -> Result<SqliteConnection, StoreError> {
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
async fn watch_others(path: PathBuf, changed: watch::Sender<u64>) {
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
