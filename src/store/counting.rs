//! Counts that are asked for all the time, beside any number of tasks that have ended.
//!
//! The tasks are counted once; after that only the changes since the last question are read. What
//! another process removed is noticed when all is counted again, [`RECOUNT`] later at the most.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::error::StoreError;
use super::open::Store;
use super::rows::{from_ms, to_ms};
use super::sql::{query_as, query_scalar};
use crate::clock::Timestamp;
use crate::task::state::STATE_NAMES;

/// How long a count is carried forward.
const RECOUNT: Duration = Duration::from_secs(600);

/// A question that costs more the more tasks wait is asked again only after so many times as long
/// as it took.
const REST: u32 = 50;

pub(super) const COUNT_ALL: &str = "SELECT state, count(*) FROM tasks GROUP BY state";

pub(super) const MOVED: &str = "
    SELECT from_state, to_state, count(*) FROM history WHERE id > ?1 GROUP BY from_state, to_state";

const OVERDUE: &str = "SELECT min(next_log_at) FROM triggers WHERE next_log_at < ?1";

/// What was counted last.
#[derive(Default)]
pub(super) struct Counts {
    states: Option<StatesCounted>,
    moved: Option<Moved>,
    overdue: Option<(Instant, Duration, Option<i64>)>,
}

struct StatesCounted {
    at: Instant,
    /// The newest change that is in it.
    change: i64,
    states: BTreeMap<&'static str, i64>,
}

/// How often what happened to tasks, by the event and the state that it led to.
#[derive(Default)]
struct Moved {
    change: i64,
    totals: BTreeMap<(String, String), u64>,
}

pub(super) const HAPPENED: &str = "
    SELECT event, to_state, count(*) FROM history
    WHERE id > ?1 AND id <= ?2 GROUP BY event, to_state";

impl Store {
    /// How often each event has led to which state, since this was asked first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn transitions(&self) -> Result<BTreeMap<(String, String), u64>, StoreError> {
        let mut held = self.counted().lock().await;
        let newest = self.newest_change().await?;
        let moved = held.moved.get_or_insert_with(|| Moved {
            change: newest,
            totals: BTreeMap::new(),
        });
        if newest > moved.change {
            let rows: Vec<(String, String, i64)> = query_as(HAPPENED)
                .bind(moved.change)
                .bind(newest)
                .fetch_all(&self.reader)
                .await
                .map_err(|error| self.told(error))?;
            for (event, state, count) in rows {
                *moved.totals.entry((event, state)).or_default() += count.unsigned_abs();
            }
            moved.change = newest;
        }
        Ok(moved.totals.clone())
    }

    /// How many tasks are in each state. Costs what has changed since it was asked last.
    ///
    /// # Errors
    /// What the database says.
    pub async fn state_counts(&self) -> Result<BTreeMap<&'static str, u64>, StoreError> {
        let mut held = self.counted().lock().await;
        let before = held
            .states
            .take()
            .filter(|counted| counted.at.elapsed() < RECOUNT);
        let counted = self
            .count_states(before)
            .await
            .map_err(|error| self.told(error))?;
        let answer = counted
            .states
            .iter()
            .map(|(state, count)| (*state, u64::try_from(*count).unwrap_or(0)))
            .collect();
        held.states = Some(counted);
        Ok(answer)
    }

    /// One transaction, so that the counts and the number of the newest change belong together.
    async fn count_states(
        &self,
        before: Option<StatesCounted>,
    ) -> Result<StatesCounted, sqlx::Error> {
        let mut view = self.reader.view().await?;
        let change: Option<i64> = query_scalar(super::feed::NEWEST_CHANGE)
            .fetch_one(&mut view)
            .await?;
        let change = change.unwrap_or(0);
        let counted = match before {
            Some(mut counted) => {
                let moved: Vec<(Option<String>, String, i64)> = query_as(MOVED)
                    .bind(counted.change)
                    .fetch_all(&mut view)
                    .await?;
                for (from, to, count) in moved {
                    if let Some(from) = from
                        && let Some(left) = counted.states.get_mut(from.as_str())
                    {
                        *left -= count;
                    }
                    if let Some(entered) = counted.states.get_mut(to.as_str()) {
                        *entered += count;
                    }
                }
                StatesCounted { change, ..counted }
            }
            None => {
                let rows: Vec<(String, i64)> = query_as(COUNT_ALL).fetch_all(&mut view).await?;
                let count = |name: &str| {
                    let found = rows.iter().find(|(state, _)| state == name);
                    found.map_or(0, |(_, count)| *count)
                };
                StatesCounted {
                    at: Instant::now(),
                    change,
                    states: STATE_NAMES
                        .iter()
                        .map(|name| (*name, count(name)))
                        .collect(),
                }
            }
        };
        view.close().await?;
        Ok(counted)
    }

    /// Tasks were removed: what was counted holds no more.
    pub(super) async fn forget_counts(&self) {
        self.counted().lock().await.states = None;
    }

    /// When the oldest look that a waiting task should have had by now was due. Where very many
    /// wait, the answer may be some seconds old.
    ///
    /// # Errors
    /// What the database says.
    pub async fn oldest_overdue(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let mut held = self.counted().lock().await;
        if let Some((at, took, oldest)) = held.overdue
            && at.elapsed() < took * REST
        {
            return Ok(oldest.map(from_ms));
        }
        let begun = Instant::now();
        let oldest: Option<i64> = query_scalar(OVERDUE)
            .bind(to_ms(now))
            .fetch_one(&self.reader)
            .await
            .map_err(|error| self.told(error))?;
        held.overdue = Some((Instant::now(), begun.elapsed(), oldest));
        Ok(oldest.map(from_ms))
    }
}
