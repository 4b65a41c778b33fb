//! Which processes work on this database.

use super::error::StoreError;
use super::open::Store;
use super::rows::{from_ms, to_ms};
use super::sql::{Row, query};
use crate::clock::Timestamp;

/// What kind of process works on the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    /// The daemon: works on everything.
    Serve,
    /// A `run`: works on its own tasks.
    Run,
}

impl EngineKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Run => "run",
        }
    }
}

/// A process that works on the database, or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineRow {
    /// Its owner id.
    pub owner: String,
    /// Its kind.
    pub kind: EngineKind,
    /// When it began.
    pub started_at: Timestamp,
    /// Until when it is taken to be alive.
    pub alive_until: Timestamp,
    /// What it holds starts back for.
    pub limits: EngineLimits,
}

/// What an engine holds starts back for, to be told to whoever waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EngineLimits {
    /// How many pods may be active at once; no bound when absent.
    pub max_active_pods: Option<u32>,
    /// How many pods may be created in a second; no bound when absent.
    pub pods_per_second: Option<u32>,
}

impl Store {
    /// A sign of life of an engine.
    ///
    /// # Errors
    /// What the database says.
    pub async fn engine_alive(
        &self,
        owner: &str,
        kind: EngineKind,
        limits: EngineLimits,
        alive_until: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let owner = owner.to_owned();
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    query(
                        "INSERT INTO engines (owner, kind, started_at, alive_until,
                                              max_active_pods, pods_per_second)
                         VALUES (?, ?, ?, ?, ?, ?)
                         ON CONFLICT (owner) DO UPDATE SET alive_until = excluded.alive_until",
                    )
                    .bind(owner)
                    .bind(kind.as_str())
                    .bind(to_ms(now))
                    .bind(to_ms(alive_until))
                    .bind(limits.max_active_pods.unwrap_or(0))
                    .bind(limits.pods_per_second.unwrap_or(0))
                    .execute(connection)
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    /// An engine is gone: its row goes.
    ///
    /// # Errors
    /// What the database says.
    pub async fn engine_gone(&self, owner: &str) -> Result<(), StoreError> {
        let owner = owner.to_owned();
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    query("DELETE FROM engines WHERE owner = ?")
                        .bind(owner)
                        .execute(connection)
                        .await?;
                    Ok(())
                })
            })
            .await
    }

    /// Every engine that has not said that it is gone.
    ///
    /// # Errors
    /// What the database says.
    pub async fn engines(&self) -> Result<Vec<EngineRow>, StoreError> {
        let rows = query("SELECT * FROM engines ORDER BY started_at, owner")
            .fetch_all(&self.reader)
            .await
            .map_err(|error| self.told(error))?;
        rows.iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map_err(|error| self.told(error))
    }
}

fn read(row: &Row) -> Result<EngineRow, sqlx::Error> {
    let kind: String = row.try_get("kind")?;
    let bound = |column: &str| -> Result<Option<u32>, sqlx::Error> {
        Ok(Some(row.try_get(column)?).filter(|most| *most > 0))
    };
    Ok(EngineRow {
        owner: row.try_get("owner")?,
        kind: if kind == "serve" {
            EngineKind::Serve
        } else {
            EngineKind::Run
        },
        started_at: from_ms(row.try_get("started_at")?),
        alive_until: from_ms(row.try_get("alive_until")?),
        limits: EngineLimits {
            max_active_pods: bound("max_active_pods")?,
            pods_per_second: bound("pods_per_second")?,
        },
    })
}
