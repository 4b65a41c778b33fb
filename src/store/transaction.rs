//! The transaction of a group: its beginning, its savepoints, and its end for certain.
//!
//! One process writes at a time, on either engine: SQLite has one write lock, and on PostgreSQL
//! replicas take turns by an advisory lock that the transaction holds. So what a group reads stays
//! as it is until the group is committed, limits hold over all replicas, and the order of the
//! history's numbers is the order of the commits, which those who follow it rely on.

use std::path::Path;
use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{Error, Row as _};

use super::error::StoreError;
use super::sql::{Connection, Patience, Row, Server, answered, is_lost, query, query_scalar};
use crate::metrics::Metrics;
use crate::task::id::TaskId;

/// How often the write lock is asked for before a job is told that the database is busy. Each
/// time the database itself waits for some seconds.
const LOCK_TRIES: u32 = 5;

/// A transaction that was begun.
pub(super) struct Begun {
    /// Its number on a server, by which its end can be asked for.
    id: Option<String>,
}

/// Takes the write lock at once: a transaction that reads first and writes later could be
/// refused half-way by another process's write. A server that is lost is waited for, for a while.
pub(super) async fn begin(
    connection: &mut Connection,
    path: &Path,
    metrics: &Metrics,
) -> Result<Begun, StoreError> {
    let mut tries = 0;
    loop {
        let begun = match connection {
            Connection::Postgres(connection, server) => {
                begin_on_server(connection, server, metrics).await
            }
            Connection::Sqlite(_)
            | Connection::SqliteOfPool(_)
            | Connection::SqliteView(_)
            | Connection::PostgresOfPool(_)
            | Connection::PostgresView(_) => connection
                .run("BEGIN IMMEDIATE")
                .await
                .map(|()| Begun { id: None }),
        };
        let error = match begun {
            Ok(begun) => return Ok(begun),
            Err(error) => StoreError::from_sql(path, error),
        };
        tries += 1;
        if !matches!(error, StoreError::Busy { .. }) || tries >= LOCK_TRIES {
            return Err(error);
        }
        tokio::time::sleep(Duration::from_millis(20 * u64::from(tries))).await;
    }
}

/// The number of the lock by which processes take turns: "adjourn" as bytes. Who holds it for long
/// has a server's database alone.
pub(super) const TURN: i64 = 27_413_453_166_965_358;

/// Waits for its turn, and gives way should this process be stopped in the middle.
const BEGIN: &str = "BEGIN; SET LOCAL lock_timeout = '10s'; \
    SET LOCAL idle_in_transaction_session_timeout = '3s'; \
    SELECT pg_advisory_xact_lock(27413453166965358); \
    SELECT pg_current_xact_id()::text";

async fn begin_on_server(
    connection: &mut PgConnection,
    server: &Server,
    metrics: &Metrics,
) -> Result<Begun, Error> {
    let mut patience = Patience::new();
    loop {
        let begun = sqlx::raw_sql(BEGIN).fetch_all(&mut *connection);
        let error = match answered(begun).await {
            Ok(rows) => {
                let row = rows.last().ok_or(Error::RowNotFound)?;
                return Ok(Begun {
                    id: Some(row.try_get(0)?),
                });
            }
            Err(error) => error,
        };
        if !is_lost(&error) {
            let _ = answered(sqlx::raw_sql("ROLLBACK").execute(&mut *connection)).await;
            return Err(error);
        }
        metrics.store_waits.inc();
        if !patience.wait().await {
            return Err(error);
        }
        // A connection that broke is of no use any more.
        if let Ok(fresh) = server.connect().await {
            *connection = fresh;
        }
    }
}

/// Commits. Whether it was committed is known in the end, even if the server was lost meanwhile.
pub(super) async fn commit(
    connection: &mut Connection,
    begun: Begun,
    path: &Path,
) -> Result<(), StoreError> {
    let committed = match (&mut *connection, begun.id) {
        (Connection::Postgres(connection, server), Some(id)) => {
            let text = "NOTIFY adjourn_changed; COMMIT";
            match answered(sqlx::raw_sql(text).execute(&mut *connection)).await {
                Ok(_) => return Ok(()),
                Err(error) if is_lost(&error) => settle(connection, server, &id, error).await,
                Err(error) => Err(error),
            }
        }
        (connection, _) => connection.run("COMMIT").await,
    };
    let Err(error) = committed else { return Ok(()) };
    let why = StoreError::from_sql(path, error);
    // A commit that failed, on a full disk for example, leaves the transaction open.
    give_up(connection, &why).await;
    Err(why)
}

/// Asks what became of a transaction whose commit was not answered.
async fn settle(
    connection: &mut PgConnection,
    server: &Server,
    id: &str,
    lost: Error,
) -> Result<(), Error> {
    let mut patience = Patience::new();
    while patience.wait().await {
        let Ok(mut fresh) = server.connect().await else {
            continue;
        };
        let status = query_scalar::<Option<String>>("SELECT pg_xact_status(CAST(? AS xid8))")
            .bind(id)
            .fetch_one(&mut fresh)
            .await;
        *connection = fresh;
        match status {
            Ok(Some(status)) if status == "committed" => return Ok(()),
            // Its session may not have noticed yet that nobody is there.
            Ok(Some(status)) if status == "in progress" => {}
            Err(error) if is_lost(&error) => {}
            // Rolled back; or nobody knows of it, as after a failover to a server that lacks it.
            Ok(_) | Err(_) => return Err(lost),
        }
    }
    Err(lost)
}

/// Leaves the transaction without a trace. Of one on a connection that broke nothing is left, and
/// another connection takes its place.
pub(super) async fn give_up(connection: &mut Connection, why: &StoreError) {
    if let Connection::Postgres(connection, server) = connection
        && why.is_lost()
    {
        if let Ok(fresh) = server.connect().await {
            *connection = fresh;
        }
        return;
    }
    let _ = connection.run("ROLLBACK").await;
}

/// What lies between two jobs of a group.
#[derive(Debug, Clone, Copy)]
pub(super) enum Between {
    /// The first one begins.
    Begin,
    /// What the one before it did is kept.
    Keep,
    /// What the one before it did is undone.
    Undo,
}

impl Between {
    /// Each call to SQLite's thread costs as much as a small statement does, so the end of one
    /// job's savepoint, the beginning of the next one's and the first row that it needs are one.
    fn statement(self, with_row: bool) -> &'static str {
        match (self, with_row) {
            (Self::Begin, false) => "SAVEPOINT job",
            (Self::Begin, true) => "SAVEPOINT job; SELECT * FROM tasks WHERE id = ?",
            (Self::Keep, false) => "RELEASE job; SAVEPOINT job",
            (Self::Keep, true) => "RELEASE job; SAVEPOINT job; SELECT * FROM tasks WHERE id = ?",
            (Self::Undo, false) => "ROLLBACK TO job; RELEASE job; SAVEPOINT job",
            (Self::Undo, true) => {
                "ROLLBACK TO job; RELEASE job; SAVEPOINT job; SELECT * FROM tasks WHERE id = ?"
            }
        }
    }
}

/// Begins a job's savepoint and reads the row of its task, if it has one.
pub(super) async fn enter(
    connection: &mut Connection,
    between: Between,
    task: Option<TaskId>,
) -> Result<Option<Row>, sqlx::Error> {
    if !connection.takes_scripts() {
        connection.run(between.statement(false)).await?;
        let Some(task) = task else { return Ok(None) };
        let row = query("SELECT * FROM tasks WHERE id = ?").bind(task.0);
        return row.fetch_optional(connection).await;
    }
    let statement = between.statement(task.is_some());
    // Queries, not bare texts, so that they are prepared once.
    match task {
        Some(task) => {
            let query = query(statement).bind(task.0);
            query.fetch_optional(connection).await
        }
        None => query(statement).execute(connection).await.map(|_| None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_waits_for_the_turn_that_others_take() {
        assert!(BEGIN.contains(&format!("pg_advisory_xact_lock({TURN})")));
    }
}
