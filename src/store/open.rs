//! Opening a database, whichever engine has it, and what all who work with it share.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use sqlx::sqlite::SqliteConnection;
use tokio::sync::{Mutex, watch};

use super::connections::readers;
use super::counting::Counts;
use super::error::StoreError;
use super::file::{make_directory, prepare, watch_others};
use super::server;
use super::sql::{Connection, Pool, Server, query_scalar};
use super::writer::Writer;
use crate::clock::Timestamp;
use crate::metrics::Metrics;

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
