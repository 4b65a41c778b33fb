//! What is counted.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::tasks::{Service, ServiceError};
use crate::clock::Timestamp;
use crate::store::{EngineKind, Scope};

/// A process that works on the tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EngineView {
    /// `serve` or `run`.
    pub kind: String,
    /// Its name in the database: machine, process and when that began.
    #[serde(default)]
    pub owner: String,
    /// How many waiting tasks it watches.
    #[serde(default)]
    pub triggers: u64,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// Until when it is taken to be alive; it renews that.
    #[schema(value_type = String, format = DateTime)]
    pub alive_until: Timestamp,
    /// Whether it is.
    pub alive: bool,
}

/// What there is, counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stats {
    /// How many tasks are in each state.
    pub tasks: BTreeMap<String, u64>,
    /// How many pods count as active.
    pub active_pods: u64,
    /// How many pods are still to be deleted or stopped.
    pub open_disposals: u64,
    /// When the oldest look that a waiting task should have had by now was due; none when none is
    /// late.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub oldest_overdue_trigger: Option<Timestamp>,
    /// The processes that work on the tasks.
    pub engines: Vec<EngineView>,
}

impl Service {
    /// How many seconds ago that was; 0 for what never was.
    #[must_use]
    pub fn seconds_since(&self, moment: Option<Timestamp>) -> f64 {
        let since = moment.and_then(|moment| (self.clock.now() - moment).to_std().ok());
        since.map_or(0.0, |since| since.as_secs_f64())
    }

    /// How often each event has led to which state, since this was asked first.
    ///
    /// # Errors
    /// What the store says.
    pub async fn transitions(&self) -> Result<BTreeMap<(String, String), u64>, ServiceError> {
        Ok(self.store.transitions().await?)
    }

    /// How late the oldest look at a waiting task is; none when none is late.
    ///
    /// # Errors
    /// What the store says.
    pub async fn overdue(&self) -> Result<Option<Duration>, ServiceError> {
        let now = self.clock.now();
        let oldest = self.store.oldest_overdue(now).await?;
        Ok(oldest.and_then(|oldest| (now - oldest).to_std().ok()))
    }

    /// Counts what there is, without walking through the tasks that have ended.
    ///
    /// # Errors
    /// What the store says.
    pub async fn stats(&self) -> Result<Stats, ServiceError> {
        let now = self.clock.now();
        let counts = self.store.state_counts().await?;
        let engines = self.store.engines().await?;
        let owners: Vec<String> = engines.iter().map(|engine| engine.owner.clone()).collect();
        let watched = self.store.watched_by(&owners).await?;
        let watched = |owner: &str| {
            let found = watched.iter().find(|(one, _)| one == owner);
            found.map_or(0, |(_, count)| *count)
        };
        Ok(Stats {
            tasks: counts
                .into_iter()
                .map(|(state, count)| (state.to_owned(), count))
                .collect(),
            active_pods: self.store.active_pods().await?,
            open_disposals: self.store.open_disposals(&Scope::All).await?.0,
            oldest_overdue_trigger: self.store.oldest_overdue(now).await?,
            engines: engines
                .into_iter()
                .map(|engine| EngineView {
                    kind: match engine.kind {
                        EngineKind::Serve => "serve",
                        EngineKind::Run => "run",
                    }
                    .to_owned(),
                    triggers: watched(&engine.owner),
                    owner: engine.owner,
                    started_at: engine.started_at,
                    alive_until: engine.alive_until,
                    alive: engine.alive_until > now,
                })
                .collect(),
        })
    }
}
