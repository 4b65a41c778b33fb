//! The triggerer: one light waiter for each deferred task of this engine.
//!
//! A waiter is started when a task is deferred here, or when the store shows a trigger that this
//! engine watches and nobody waits for (at the start, and after a dead engine's triggers were
//! taken over). It fires at most once: what fires late or twice is refused by the store's fence.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::attempt::deadline_event;
use super::running::Shared;
use crate::store::{StoreError, StoredTrigger};
use crate::task::deferral::TriggerEvent;
use crate::task::id::{Fence, TaskId};

/// How often the waiters are held against the store, for what nobody told.
const RECONCILE: Duration = Duration::from_secs(10);

/// How long a waiter that could not store its event waits before it tries again, at the most.
const LONGEST_RETRY: Duration = Duration::from_secs(10);

struct Waiters {
    running: HashMap<TaskId, (Fence, AbortHandle)>,
    set: JoinSet<(TaskId, Fence)>,
}

pub(super) async fn run(shared: Arc<Shared>, mut deferred: mpsc::UnboundedReceiver<StoredTrigger>) {
    let mut waiters = Waiters {
        running: HashMap::new(),
        set: JoinSet::new(),
    };
    let mut reconcile = tokio::time::interval(RECONCILE);
    loop {
        tokio::select! {
            // Waiters are dropped with the set: their triggers stay in the store.
            () = shared.stopping.cancelled() => return,
            Some(trigger) = deferred.recv() => waiters.start(&shared, trigger),
            _ = reconcile.tick() => waiters.reconcile(&shared).await,
            Some(ended) = waiters.set.join_next() => waiters.reap(ended),
        }
    }
}

impl Waiters {
    fn start(&mut self, shared: &Arc<Shared>, trigger: StoredTrigger) {
        let (task, fence) = (trigger.task, trigger.fence);
        let slot = self.running.entry(task);
        if let Entry::Occupied(taken) = &slot {
            if taken.get().0 == fence {
                return;
            }
            taken.get().1.abort();
        }
        let shared = shared.clone();
        let handle = self.set.spawn(async move {
            wait(&shared, trigger).await;
            (task, fence)
        });
        slot.insert_entry((fence, handle));
    }

    /// Starts waiters for triggers that have none, and ends those whose trigger is gone.
    async fn reconcile(&mut self, shared: &Arc<Shared>) {
        let owner = shared.owner.as_str();
        let stored = match shared.store.watched_triggers(owner, &shared.scope).await {
            Ok(stored) => stored,
            Err(error) => {
                tracing::warn!(%error, "the triggers could not be read");
                return;
            }
        };
        let wanted: HashMap<TaskId, Fence> = stored
            .iter()
            .map(|trigger| (trigger.task, trigger.fence))
            .collect();
        self.running.retain(|task, (fence, handle)| {
            let keep = wanted.get(task) == Some(fence);
            if !keep {
                handle.abort();
            }
            keep
        });
        for trigger in stored {
            self.start(shared, trigger);
        }
    }

    fn reap(&mut self, ended: Result<(TaskId, Fence), tokio::task::JoinError>) {
        match ended {
            Ok((task, fence)) => {
                if self
                    .running
                    .get(&task)
                    .is_some_and(|(running, _)| *running == fence)
                {
                    self.running.remove(&task);
                }
            }
            Err(error) if error.is_cancelled() => {}
            Err(error) => {
                // Its entry stays until the next reconcile finds it finished.
                tracing::error!(%error, "a trigger broke; it will be watched again");
                self.running.retain(|_, (_, handle)| !handle.is_finished());
            }
        }
    }
}

async fn wait(shared: &Arc<Shared>, stored: StoredTrigger) {
    let trigger = match shared.triggers.build(&stored.spec, &shared.clock) {
        Ok(trigger) => trigger,
        Err(unusable) => {
            tracing::error!(task = %stored.task, error = %unusable, "a trigger cannot be watched");
            // The deadline still holds, so that the task is not stuck if it has one.
            until_deadline(shared, &stored).await;
            return;
        }
    };
    tokio::select! {
        event = trigger.wait() => fire(shared, &stored, event).await,
        () = until_deadline(shared, &stored) => {}
    }
}

/// Fires the timeout once the attempt's deadline has passed; waits for ever without one.
async fn until_deadline(shared: &Arc<Shared>, stored: &StoredTrigger) {
    let Some(deadline) = stored.deadline else {
        return std::future::pending().await;
    };
    loop {
        let now = shared.clock.now();
        let Ok(left) = (deadline - now).to_std() else {
            break;
        };
        if left.is_zero() {
            break;
        }
        // The wall clock may be set: look again now and then.
        tokio::time::sleep(left.min(Duration::from_secs(30))).await;
    }
    match shared.store.task(stored.task).await {
        Ok(row) => {
            let event = deadline_event(&row, shared.clock.now());
            fire(shared, stored, event).await;
        }
        Err(error) => {
            tracing::warn!(task = %stored.task, %error, "the deadline passed, but the task cannot be read");
        }
    }
}

/// Stores the event; a store that is unwell is waited for, since the event must not be lost.
async fn fire(shared: &Arc<Shared>, stored: &StoredTrigger, event: TriggerEvent) {
    let mut delay = Duration::from_millis(100);
    loop {
        let now = shared.clock.now();
        let fired = shared
            .store
            .fire(stored.task, stored.fence, event.clone(), now)
            .await;
        match fired {
            Ok(_) => {
                tracing::debug!(task = %stored.task, status = event.status.as_str(), reason = event.reason, "trigger fired");
                return;
            }
            Err(StoreError::FenceLost { .. } | StoreError::NotFound(_)) => {
                tracing::debug!(task = %stored.task, "an event came too late and was dropped");
                return;
            }
            Err(StoreError::Closed) => return,
            Err(error) => {
                tracing::warn!(task = %stored.task, %error, "the event could not be stored yet");
                let jittered = delay.mul_f64(rand::rng().random_range(0.5..1.0));
                tokio::time::sleep(jittered).await;
                delay = (delay * 2).min(LONGEST_RETRY);
            }
        }
    }
}
