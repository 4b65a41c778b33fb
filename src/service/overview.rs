//! What happened lately, in slots of time: what the overview draws.

use std::collections::BTreeMap;

use chrono::Duration;

use super::tasks::{Service, ServiceError};
use crate::clock::Timestamp;
use crate::store::{PodMoments, WaitRow};
use crate::task::id::TaskId;
use crate::task::state::{FINAL_STATES, STATE_NAMES};

/// How many of the newest changes are looked at, at the most.
const MOST: u32 = 20_000;

/// One slot of time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Slot {
    /// How many tasks were in each state at its end.
    pub states: BTreeMap<&'static str, i64>,
    /// How many tasks ended in it, by the state that they ended in.
    pub ended: BTreeMap<&'static str, i64>,
    /// How many steps began in it.
    pub steps: i64,
    /// How many steps were put off in it, because the cluster did not answer as it should.
    pub put_off: i64,
    /// How long the tasks that a worker took in it had waited for one, in milliseconds, sorted:
    /// those whose trigger had fired.
    pub resumed_after_ms: Vec<i64>,
    /// The same for those that were to begin.
    pub started_after_ms: Vec<i64>,
}

/// What happened in a stretch of time that ends now.
#[derive(Debug, Clone, PartialEq)]
pub struct Lately {
    /// When it begins.
    pub since: Timestamp,
    /// When it ends.
    pub until: Timestamp,
    /// How long each slot is, in milliseconds.
    pub slot_ms: i64,
    /// Oldest first.
    pub slots: Vec<Slot>,
    /// Whether more was asked for than can be looked at.
    pub shortened: bool,
}

impl Service {
    /// The moment that this service goes by.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// When each of a task's pods came about, oldest first.
    ///
    /// # Errors
    /// What the store says.
    pub async fn pod_moments(&self, task: TaskId) -> Result<Vec<PodMoments>, ServiceError> {
        Ok(self.store.pod_moments(task).await?)
    }

    /// What happened within `length` until now, in `slots` slots; within less where more happened
    /// than is looked at.
    ///
    /// # Errors
    /// What the store says.
    pub async fn lately(&self, length: Duration, slots: u32) -> Result<Lately, ServiceError> {
        let until = self.clock.now();
        let wanted = until - length;
        // What the newest changes reach back to says nothing while they are all there are.
        let reach = self.store.flow_reach(MOST).await?;
        let oldest = self.store.flow_reach(u32::MAX).await?;
        let (since, shortened) = match reach {
            Some(reach) if reach > wanted && oldest < Some(reach) => (reach, true),
            Some(_) | None => (wanted, false),
        };
        let slots = i64::from(slots.max(1));
        let slot_ms = ((until - since).num_milliseconds() / slots + 1).max(1);
        let mut lately = Lately {
            since,
            until,
            slot_ms,
            slots: vec![Slot::default(); usize::try_from(slots).unwrap_or(1)],
            shortened,
        };
        let counts = self.store.state_counts().await?;
        let mut moved: Vec<BTreeMap<&'static str, i64>> = vec![BTreeMap::new(); lately.slots.len()];
        for row in self.store.flow(since, slot_ms, MOST).await? {
            let index = usize::try_from(row.slot).unwrap_or(0);
            // What happened after `until` was asked for belongs to the last slot.
            let index = index.min(lately.slots.len() - 1);
            let (slot, moves) = (&mut lately.slots[index], &mut moved[index]);
            if let Some(from) = row.from_state.as_deref().and_then(state) {
                *moves.entry(from).or_default() -= row.count;
            }
            let Some(to) = state(&row.to_state) else {
                continue;
            };
            *moves.entry(to).or_default() += row.count;
            if FINAL_STATES.contains(&to) {
                *slot.ended.entry(to).or_default() += row.count;
            }
            match row.event.as_str() {
                "claim" => slot.steps += row.count,
                "postpone" => slot.put_off += row.count,
                _ => {}
            }
        }
        // From what there is now back to what there was.
        let mut there: BTreeMap<&'static str, i64> = counts
            .into_iter()
            .map(|(state, count)| (state, i64::try_from(count).unwrap_or(i64::MAX)))
            .collect();
        for (slot, moves) in lately.slots.iter_mut().zip(&moved).rev() {
            slot.states = there
                .iter()
                .map(|(state, count)| (*state, (*count).max(0)))
                .collect();
            for (state, change) in moves {
                *there.entry(state).or_default() -= change;
            }
        }
        for wait in self.store.waits(since, MOST).await? {
            lately.take(&wait);
        }
        for slot in &mut lately.slots {
            slot.resumed_after_ms.sort_unstable();
            slot.started_after_ms.sort_unstable();
        }
        Ok(lately)
    }
}

impl Lately {
    fn take(&mut self, wait: &WaitRow) {
        let index = (wait.at - self.since).num_milliseconds() / self.slot_ms;
        let index = usize::try_from(index).unwrap_or(0);
        let index = index.min(self.slots.len() - 1);
        let slot = &mut self.slots[index];
        if wait.event == "fire" {
            slot.resumed_after_ms.push(wait.waited_ms);
        } else {
            slot.started_after_ms.push(wait.waited_ms);
        }
    }
}

fn state(word: &str) -> Option<&'static str> {
    STATE_NAMES.iter().find(|name| **name == word).copied()
}
