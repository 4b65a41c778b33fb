//! Connections to either engine, and statements on their way through one.

use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnection, PgPool};
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqlitePool};
use sqlx::{AssertSqlSafe, Connection as _, Error, Executor as _, Postgres, Sqlite, Transaction};

use super::dialect::postgres_text;
use super::postgres::{Patience, Server, answered, is_lost};
use super::row::Row;
use super::statement::Query;

/// Connections that read, made when they are needed.
#[derive(Clone)]
pub enum Pool {
    /// To a file.
    Sqlite(SqlitePool),
    /// To a server.
    Postgres(PgPool),
}

/// One connection.
pub enum Connection {
    /// To a file.
    Sqlite(SqliteConnection),
    /// To a file, of a pool.
    SqliteOfPool(PoolConnection<Sqlite>),
    /// To a file, with one view of it.
    SqliteView(Transaction<'static, Sqlite>),
    /// To a server.
    Postgres(PgConnection, Server),
    /// To a server, of a pool.
    PostgresOfPool(PoolConnection<Postgres>),
    /// To a server, with one view of what it holds.
    PostgresView(Transaction<'static, Postgres>),
}

/// A connection as its engine's own.
pub enum Plain<'c> {
    /// SQLite's.
    Sqlite(&'c mut SqliteConnection),
    /// PostgreSQL's.
    Postgres(&'c mut PgConnection),
}

/// What a statement is sent through.
pub enum Via<'c> {
    /// Any connection of a pool.
    Pool(&'c Pool),
    /// This one.
    Connection(Plain<'c>),
}

impl<'c> From<&'c Pool> for Via<'c> {
    fn from(pool: &'c Pool) -> Self {
        Self::Pool(pool)
    }
}

impl<'c> From<&'c mut Connection> for Via<'c> {
    fn from(connection: &'c mut Connection) -> Self {
        Self::Connection(connection.plain())
    }
}

impl<'c> From<&'c mut SqliteConnection> for Via<'c> {
    fn from(connection: &'c mut SqliteConnection) -> Self {
        Self::Connection(Plain::Sqlite(connection))
    }
}

impl<'c> From<&'c mut PgConnection> for Via<'c> {
    fn from(connection: &'c mut PgConnection) -> Self {
        Self::Connection(Plain::Postgres(connection))
    }
}

impl Pool {
    /// One of its connections, for several statements.
    pub(in crate::store) async fn acquire(&self) -> Result<Connection, Error> {
        match self {
            Self::Sqlite(pool) => pool.acquire().await.map(Connection::SqliteOfPool),
            Self::Postgres(pool) => pool.acquire().await.map(Connection::PostgresOfPool),
        }
    }

    /// One of its connections, which sees one moment of the database until it is dropped.
    pub(in crate::store) async fn view(&self) -> Result<Connection, Error> {
        match self {
            Self::Sqlite(pool) => pool.begin().await.map(Connection::SqliteView),
            Self::Postgres(pool) => pool
                .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                .await
                .map(Connection::PostgresView),
        }
    }

    pub(in crate::store) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl Connection {
    pub(in crate::store) fn plain(&mut self) -> Plain<'_> {
        match self {
            Self::Sqlite(connection) => Plain::Sqlite(connection),
            Self::SqliteOfPool(connection) => Plain::Sqlite(connection),
            Self::SqliteView(connection) => Plain::Sqlite(connection),
            Self::Postgres(connection, _) => Plain::Postgres(connection),
            Self::PostgresOfPool(connection) => Plain::Postgres(connection),
            Self::PostgresView(connection) => Plain::Postgres(connection),
        }
    }

    /// Whether several statements with values may be sent as one: SQLite takes them so.
    pub(in crate::store) fn takes_scripts(&self) -> bool {
        match self {
            Self::Sqlite(_) | Self::SqliteOfPool(_) | Self::SqliteView(_) => true,
            Self::Postgres(..) | Self::PostgresOfPool(_) | Self::PostgresView(_) => false,
        }
    }

    /// Whether what it reads in order to change it is locked row by row.
    pub(in crate::store) fn locks_rows(&self) -> bool {
        matches!(self, Self::Postgres(..))
    }

    /// Runs statements without values.
    pub(in crate::store) async fn run(&mut self, script: &'static str) -> Result<(), Error> {
        match self.plain() {
            Plain::Sqlite(connection) => connection.execute(script).await.map(|_| ()),
            Plain::Postgres(connection) => {
                let run = sqlx::raw_sql(script).execute(connection);
                answered(run).await.map(|_| ())
            }
        }
    }

    pub(in crate::store) async fn close(self) -> Result<(), Error> {
        match self {
            Self::Sqlite(connection) => connection.close().await,
            Self::Postgres(connection, _) => connection.close().await,
            Self::SqliteOfPool(_)
            | Self::SqliteView(_)
            | Self::PostgresOfPool(_)
            | Self::PostgresView(_) => Ok(()),
        }
    }
}

type Asked<'q, E, A> = sqlx::query::Query<'q, E, A>;

/// The statement with its values, in SQLite's words.
fn to_sqlite(query: Query) -> Result<Asked<'static, Sqlite, SqliteArguments>, Error> {
    let mut arguments = SqliteArguments::default();
    for value in query.values {
        value.add_to_sqlite(&mut arguments)?;
    }
    // Constants of this crate, or put together from such; every value is bound.
    Ok(sqlx::query_with(AssertSqlSafe(query.text), arguments))
}

/// The statement with its values, in PostgreSQL's words.
fn to_postgres(query: Query) -> Result<Asked<'static, Postgres, PgArguments>, Error> {
    let mut arguments = PgArguments::default();
    for value in query.values {
        value.add_to_postgres(&mut arguments)?;
    }
    // As above.
    let text = AssertSqlSafe(postgres_text(&query.text));
    Ok(sqlx::query_with(text, arguments))
}

impl<'c> Via<'c> {
    pub(super) async fn execute(self, query: Query) -> Result<u64, Error> {
        Ok(match self {
            Self::Pool(Pool::Sqlite(pool)) => {
                to_sqlite(query)?.execute(pool).await?.rows_affected()
            }
            Self::Pool(Pool::Postgres(pool)) => {
                to_postgres(query)?.execute(pool).await?.rows_affected()
            }
            Self::Connection(Plain::Sqlite(connection)) => {
                to_sqlite(query)?.execute(connection).await?.rows_affected()
            }
            Self::Connection(Plain::Postgres(connection)) => {
                let run = to_postgres(query)?.execute(connection);
                answered(run).await?.rows_affected()
            }
        })
    }

    pub(super) async fn fetch_all(self, query: Query) -> Result<Vec<Row>, Error> {
        match self {
            Self::Pool(Pool::Sqlite(pool)) => {
                let rows = to_sqlite(query)?.fetch_all(pool).await?;
                Ok(rows.into_iter().map(Row::Sqlite).collect())
            }
            Self::Connection(Plain::Sqlite(connection)) => {
                let rows = to_sqlite(query)?.fetch_all(connection).await?;
                Ok(rows.into_iter().map(Row::Sqlite).collect())
            }
            Self::Pool(Pool::Postgres(pool)) => ask_again(query, pool).await,
            Self::Connection(Plain::Postgres(connection)) => {
                rows_of_server(query, connection).await
            }
        }
    }

    pub(super) async fn fetch_optional(self, query: Query) -> Result<Option<Row>, Error> {
        match self {
            Self::Pool(Pool::Sqlite(pool)) => {
                let row = to_sqlite(query)?.fetch_optional(pool).await?;
                Ok(row.map(Row::Sqlite))
            }
            Self::Connection(Plain::Sqlite(connection)) => {
                let row = to_sqlite(query)?.fetch_optional(connection).await?;
                Ok(row.map(Row::Sqlite))
            }
            Self::Pool(Pool::Postgres(pool)) => {
                Ok(ask_again(query, pool).await?.into_iter().next())
            }
            Self::Connection(Plain::Postgres(connection)) => {
                let row = answered(to_postgres(query)?.fetch_optional(connection)).await?;
                Ok(row.map(Row::Postgres))
            }
        }
    }

    pub(super) fn fetch(self, query: Query) -> BoxStream<'c, Result<Row, Error>> {
        let stream = match self {
            Self::Pool(Pool::Sqlite(pool)) => {
                to_sqlite(query).map(|query| query.fetch(pool).map_ok(Row::Sqlite).boxed())
            }
            Self::Connection(Plain::Sqlite(connection)) => {
                to_sqlite(query).map(|query| query.fetch(connection).map_ok(Row::Sqlite).boxed())
            }
            Self::Pool(Pool::Postgres(pool)) => {
                to_postgres(query).map(|query| query.fetch(pool).map_ok(Row::Postgres).boxed())
            }
            Self::Connection(Plain::Postgres(connection)) => to_postgres(query)
                .map(|query| query.fetch(connection).map_ok(Row::Postgres).boxed()),
        };
        stream.unwrap_or_else(|error| std::future::ready(Err(error)).into_stream().boxed())
    }
}

/// However many rows there are, each must come before the server counts as lost.
async fn rows_of_server(query: Query, connection: &mut PgConnection) -> Result<Vec<Row>, Error> {
    let mut coming = to_postgres(query)?.fetch(connection);
    let mut rows = Vec::new();
    while let Some(row) = answered(coming.try_next()).await? {
        rows.push(Row::Postgres(row));
    }
    Ok(rows)
}

/// Asks through a connection that does not go back to the pool if it breaks or says nothing.
async fn ask(query: Query, pool: &PgPool) -> Result<Vec<Row>, Error> {
    let mut connection = pool.acquire().await?;
    let rows = rows_of_server(query, &mut connection).await;
    if rows.as_ref().is_err_and(is_lost) {
        drop(connection.detach());
    }
    rows
}

/// A question may be asked again: a server that is lost is waited for, for a while.
async fn ask_again(query: Query, pool: &PgPool) -> Result<Vec<Row>, Error> {
    let mut patience = Patience::new();
    loop {
        let again = Query {
            text: query.text.clone(),
            values: query.values.clone(),
        };
        match ask(again, pool).await {
            Ok(rows) => return Ok(rows),
            Err(error) if is_lost(&error) && patience.wait().await => {}
            Err(error) => return Err(error),
        }
    }
}
