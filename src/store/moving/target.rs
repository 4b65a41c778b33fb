//! The database on a server that everything is moved to: held alone, and marked until all is there.
//!
//! The mark is in the id of the installation, which pods are known by: no program may work under it.

use std::path::{Path, PathBuf};

use sqlx::Executor;
use sqlx::postgres::PgConnection;

use super::super::error::StoreError;
use super::super::open::place;
use super::super::rows::to_ms;
use super::super::server;
use super::super::sql::{query, query_scalar};
use super::super::transaction::TURN;
use super::error::MoveError;
use super::route::Route;
use super::source::Source;
use super::table::Table;
use crate::clock::Timestamp;

/// Stands before the id of an installation that is not moved whole.
const MARK: &str = "moving:";

/// The database that is moved to.
pub(super) struct Target {
    pub connection: PgConnection,
    pub name: PathBuf,
    pub stand: Stand,
}

/// How much of the source's installation is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    /// Nothing, or a beginning.
    Beginning,
    /// All of it was moved before.
    Whole,
}

/// Refuses a database that holds a part of an installation.
pub(in crate::store) async fn refuse_half(
    connection: &mut PgConnection,
    name: &Path,
) -> Result<(), StoreError> {
    let id: Option<String> = query_scalar("SELECT id FROM installation")
        .fetch_optional(connection)
        .await
        .map_err(|error| StoreError::from_sql(name, error))?;
    if id.is_some_and(|id| id.starts_with(MARK)) {
        let why = "it holds a part of what adjourn migrate moves there; run that to its end first";
        return Err(place(name, std::io::Error::other(why)));
    }
    Ok(())
}

impl Target {
    /// Takes the database for this move, if nobody works on it and nothing else is in it.
    pub(super) async fn open(
        route: &Route,
        installation: &str,
        now: Timestamp,
    ) -> Result<Self, MoveError> {
        let name = &route.name;
        let connection = server::with_schema(&route.to, name, true, now).await;
        let connection = connection.map_err(|error| {
            if let StoreError::Place { source, .. } = error {
                let detail = source.to_string();
                let name = name.clone();
                return MoveError::NoTarget { name, detail };
            }
            MoveError::Store(error)
        })?;
        let mut target = Self {
            connection,
            name: name.clone(),
            stand: Stand::Beginning,
        };
        target.hold().await?;
        let engines = "SELECT count(*) FROM engines WHERE alive_until >= ?";
        let engines: i64 = query_scalar(engines)
            .bind(to_ms(now))
            .fetch_one(&mut target.connection)
            .await
            .map_err(|error| target.told(error))?;
        if engines > 0 {
            return Err(MoveError::Works(target.name));
        }
        target.take(installation).await?;
        Ok(target)
    }

    /// Has every writer's turn for itself, for as long as this connection lasts.
    async fn hold(&mut self) -> Result<(), MoveError> {
        let told = |error| {
            let error = StoreError::from_sql(&self.name, error);
            if matches!(error, StoreError::Busy { .. }) {
                MoveError::TargetHeld(self.name.clone())
            } else {
                MoveError::Store(error)
            }
        };
        let connection = &mut self.connection;
        connection
            .execute("SET lock_timeout = '10s'")
            .await
            .map_err(told)?;
        query("SELECT pg_advisory_lock(?)")
            .bind(TURN)
            .execute(&mut *connection)
            .await
            .map_err(told)?;
        // What else is locked is waited for.
        let reset = connection.execute("SET lock_timeout = 0").await;
        reset.map(|_| ()).map_err(told)
    }

    /// Marks the database as this installation's.
    async fn take(&mut self, installation: &str) -> Result<(), MoveError> {
        let found: String = query_scalar("SELECT id FROM installation")
            .fetch_one(&mut self.connection)
            .await
            .map_err(|error| self.told(error))?;
        if found == installation {
            self.stand = Stand::Whole;
            return Ok(());
        }
        if found.strip_prefix(MARK) == Some(installation) {
            return Ok(());
        }
        let tasks: i64 = query_scalar("SELECT count(*) FROM (SELECT 1 FROM tasks LIMIT 1) AS one")
            .fetch_one(&mut self.connection)
            .await
            .map_err(|error| self.told(error))?;
        if tasks > 0 {
            return Err(MoveError::Taken(self.name.clone()));
        }
        query("UPDATE installation SET id = ?")
            .bind(format!("{MARK}{installation}"))
            .execute(&mut self.connection)
            .await
            .map_err(|error| self.told(error))?;
        Ok(())
    }

    /// How many rows of a table are there.
    pub(super) async fn count(&mut self, table: &Table) -> Result<u64, MoveError> {
        let count: i64 = query_scalar(format!("SELECT count(*) FROM {}", table.name))
            .fetch_one(&mut self.connection)
            .await
            .map_err(|error| self.told(error))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// The server learns what it now holds, before anybody asks for it.
    pub(super) async fn analyze(&mut self) -> Result<(), MoveError> {
        for name in super::table::NAMES {
            query(format!("ANALYZE {name}"))
                .execute(&mut self.connection)
                .await
                .map_err(|error| self.told(error))?;
        }
        Ok(())
    }

    /// Takes the mark away: all is there. Ids go on behind those that the source has given.
    pub(super) async fn finish(
        &mut self,
        tables: &[Table],
        source: &Source,
    ) -> Result<(), MoveError> {
        for table in tables {
            let Some(highest) = table.highest else {
                continue;
            };
            let set = format!(
                "SELECT setval(pg_get_serial_sequence('{}', 'id'), ?, ? > 0)",
                table.name
            );
            query(set)
                .bind(highest.max(1))
                .bind(highest)
                .execute(&mut self.connection)
                .await
                .map_err(|error| self.told(error))?;
        }
        query("UPDATE installation SET id = ?, created_at = ?")
            .bind(&source.installation)
            .bind(source.created_at)
            .execute(&mut self.connection)
            .await
            .map_err(|error| self.told(error))?;
        Ok(())
    }

    pub(super) fn told(&self, error: sqlx::Error) -> MoveError {
        MoveError::of_target(&self.name, error)
    }
}
