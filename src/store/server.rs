//! Opening a database on a PostgreSQL server: its schema is made or migrated under a lock, and
//! refused when it is not ours; other replicas' changes are listened for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::PgConnection;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::sync::watch;
use uuid::Uuid;

use super::error::StoreError;
use super::file::{migration_error, newest};
use super::moving::refuse_half;
use super::open::place;
use super::rows::to_ms;
use super::sql::{Server, query, query_as, query_scalar};
use crate::clock::Timestamp;
use crate::metrics::Metrics;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/postgres");

/// The channel on which each commit is announced.
pub(super) const CHANNEL: &str = "adjourn_changed";

/// How often others' changes are assumed while nobody can be listened to.
const POLL: Duration = Duration::from_secs(1);

/// For how long changes are gathered before those who wait are woken.
const GATHER: Duration = Duration::from_millis(10);

/// The server that a place names, if it is a URL and no path.
pub(super) fn named_by(path: &Path) -> Option<Result<Server, StoreError>> {
    let text = path.to_str()?;
    if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
        return None;
    }
    Some(Server::parse(text).map_err(|error| {
        let why = std::io::Error::new(std::io::ErrorKind::InvalidInput, error.to_string());
        place(Path::new("the PostgreSQL URL"), why)
    }))
}

/// Whether a place is a URL of a PostgreSQL server and no path of a file.
#[must_use]
pub fn is_on_server(place: &Path) -> bool {
    named_by(place).is_some()
}

/// A place as it may be shown: without the password, if it is a URL that has one.
#[must_use]
pub fn shown(place: &Path) -> PathBuf {
    match named_by(place) {
        Some(Ok(server)) => name_of(&server),
        Some(Err(_)) | None => place.to_owned(),
    }
}

/// A connection to a database with this program's schema, which is made if there is none and
/// `make` says so. Refuses one to which not all was moved.
pub(super) async fn prepare(
    server: &Server,
    name: &Path,
    make: bool,
    now: Timestamp,
) -> Result<PgConnection, StoreError> {
    let mut connection = with_schema(server, name, make, now).await?;
    refuse_half(&mut connection, name).await?;
    Ok(connection)
}

/// The same, whatever was moved there.
pub(super) async fn with_schema(
    server: &Server,
    name: &Path,
    make: bool,
    now: Timestamp,
) -> Result<PgConnection, StoreError> {
    let told = |error| StoreError::from_sql(name, error);
    let connected = server.connect_patiently().await;
    let mut connection = connected.map_err(|error| refused(error, name))?;
    holds_every_text(&mut connection, name).await?;
    match found(&mut connection, name).await? {
        Schema::Newest => return Ok(connection),
        Schema::None if !make => {
            let why = std::io::Error::new(std::io::ErrorKind::NotFound, "it holds no tasks yet");
            return Err(place(name, why));
        }
        Schema::None | Schema::Older => {}
    }
    // Others wait here until the schema is as it must be.
    MIGRATIONS
        .run(&mut connection)
        .await
        .map_err(|error| migration_error(error, name))?;
    query(
        "INSERT INTO installation (only_row, id, created_at) VALUES (1, ?, ?)
         ON CONFLICT (only_row) DO NOTHING",
    )
    .bind(Uuid::new_v4().simple().to_string())
    .bind(to_ms(now))
    .execute(&mut connection)
    .await
    .map_err(told)?;
    Ok(connection)
}

/// A server that lets nobody in has said why: who asks, or which database, is wrong.
fn refused(error: sqlx::Error, name: &Path) -> StoreError {
    let said = error.as_database_error().filter(|said| {
        let code = said.code().unwrap_or_default();
        code.starts_with("28") || code.starts_with("3D") || code == "42501"
    });
    match said {
        Some(said) => place(name, std::io::Error::other(said.message().to_owned())),
        None => StoreError::from_sql(name, error),
    }
}

/// A database of another encoding would refuse what a task says sooner or later.
async fn holds_every_text(connection: &mut PgConnection, name: &Path) -> Result<(), StoreError> {
    let encoding: String = query_scalar("SELECT current_setting('server_encoding')")
        .fetch_one(connection)
        .await
        .map_err(|error| StoreError::from_sql(name, error))?;
    if encoding == "UTF8" {
        return Ok(());
    }
    let why = format!("it has the encoding {encoding}, and UTF8 is needed");
    Err(place(name, std::io::Error::other(why)))
}

/// What of ours there is in a database.
enum Schema {
    None,
    /// One that is to be migrated.
    Older,
    /// This program's own: whoever works with it needs no right to change it.
    Newest,
}

/// Refuses what is not ours, or newer.
async fn found(connection: &mut PgConnection, name: &Path) -> Result<Schema, StoreError> {
    let told = |error| StoreError::from_sql(name, error);
    let known: i64 = query_scalar(
        "SELECT count(*) FROM pg_catalog.pg_tables
         WHERE schemaname = current_schema() AND tablename IN ('_sqlx_migrations', 'installation')",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(told)?;
    match known {
        0 => return Ok(Schema::None),
        2 => {}
        _ => {
            return Err(StoreError::Foreign {
                path: name.to_owned(),
            });
        }
    }
    let (found, installed): (Option<i64>, bool) = query_as(
        "SELECT (SELECT max(version) FROM _sqlx_migrations WHERE success),
                EXISTS (SELECT 1 FROM installation)",
    )
    .fetch_one(connection)
    .await
    .map_err(told)?;
    let known = newest(&MIGRATIONS, found, name)?;
    Ok(if found == Some(known) && installed {
        Schema::Newest
    } else {
        Schema::Older
    })
}

/// Notices what other replicas commit. Each change is announced; while the announcements cannot be
/// heard, a change is assumed now and then.
pub(super) async fn watch_others(server: Server, changed: watch::Sender<u64>, metrics: Metrics) {
    loop {
        if let Err(error) = listen(&server, &changed, &metrics).await {
            tracing::warn!(%error, "the announcements of other replicas cannot be heard; looking now and then");
        }
        metrics.store_up.set(0);
        tokio::time::sleep(POLL).await;
        changed.send_modify(|count| *count += 1);
    }
}

async fn listen(
    server: &Server,
    changed: &watch::Sender<u64>,
    metrics: &Metrics,
) -> Result<(), sqlx::Error> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect_with(server.options())
        .await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen(CHANNEL).await?;
    metrics.store_up.set(1);
    // What was announced before this was not heard.
    changed.send_modify(|count| *count += 1);
    while listener.try_recv().await?.is_some() {
        tokio::time::sleep(GATHER).await;
        while listener.next_buffered().is_some() {}
        changed.send_modify(|count| *count += 1);
    }
    // The connection broke.
    Ok(())
}

/// The name of a server as it stands where a file's path does.
pub(super) fn name_of(server: &Server) -> PathBuf {
    PathBuf::from(server.name())
}
