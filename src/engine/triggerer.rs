//! The triggerer: one light waiter for each deferred task of this engine.
//!
//! A waiter is started when a task is deferred here, or when the store shows a trigger that this
//! engine watches and nobody waits for (at the start, and after a dead engine's triggers were
//! taken over). It fires at most once: what fires late or twice is refused by the store's fence.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::attempt::deadline_event;
use super::running::Shared;
use crate::clock::{Clock, Timestamp};
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
        let handle = self.set.spawn(wait(shared.clone(), Box::new(trigger)));
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

/// Waits for a trigger and stores what comes of it.
///
/// There are as many of these as tasks that wait: the trigger's row is dropped once the trigger
/// is built, and what takes more room than waiting is boxed.
async fn wait(shared: Arc<Shared>, stored: Box<StoredTrigger>) -> (TaskId, Fence) {
    let (task, fence) = (stored.task, stored.fence);
    let built = shared.triggers.build(&stored.spec, &shared.clock);
    let deadline = until_deadline(shared.clock.clone(), stored.deadline);
    drop(stored);
    let event = match built {
        Ok(trigger) => tokio::select! {
            event = trigger.wait() => Some(event),
            () = deadline => None,
        },
        Err(unusable) => {
            tracing::error!(%task, error = %unusable, "a trigger cannot be watched");
            // The deadline still holds, so that the task is not stuck if it has one.
            deadline.await;
            None
        }
    };
    match event {
        Some(event) => Box::pin(fire(&shared, task, fence, event)).await,
        None => Box::pin(time_is_up(&shared, task, fence)).await,
    }
    (task, fence)
}

/// Waits until the attempt's deadline has passed; for ever, and for next to nothing, without one.
fn until_deadline(
    clock: Clock,
    deadline: Option<Timestamp>,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let Some(deadline) = deadline else {
        return Box::pin(std::future::pending());
    };
    Box::pin(async move {
        loop {
            let Ok(left) = (deadline - clock.now()).to_std() else {
                return;
            };
            if left.is_zero() {
                return;
            }
            // The wall clock may be set: look again now and then.
            tokio::time::sleep(left.min(Duration::from_secs(30))).await;
        }
    })
}

/// Fires the timeout of the attempt.
async fn time_is_up(shared: &Shared, task: TaskId, fence: Fence) {
    match shared.store.task(task).await {
        Ok(row) => {
            let event = deadline_event(&row, shared.clock.now());
            fire(shared, task, fence, event).await;
        }
        Err(error) => {
            tracing::warn!(%task, %error, "the deadline passed, but the task cannot be read");
        }
    }
}

/// Stores the event; a store that is unwell is waited for, since the event must not be lost.
async fn fire(shared: &Shared, task: TaskId, fence: Fence, event: TriggerEvent) {
    let mut delay = Duration::from_millis(100);
    loop {
        let now = shared.clock.now();
        let fired = shared.store.fire(task, fence, event.clone(), now).await;
        match fired {
            Ok(_) => {
                tracing::debug!(%task, status = event.status.as_str(), reason = event.reason, "trigger fired");
                return;
            }
            Err(StoreError::FenceLost { .. } | StoreError::NotFound(_)) => {
                tracing::debug!(%task, "an event came too late and was dropped");
                return;
            }
            Err(StoreError::Closed) => return,
            Err(error) => {
                tracing::warn!(%task, %error, "the event could not be stored yet");
                let jittered = delay.mul_f64(rand::rng().random_range(0.5..1.0));
                tokio::time::sleep(jittered).await;
                delay = (delay * 2).min(LONGEST_RETRY);
            }
        }
    }
}
