//! The triggerer: one light waiter for each deferred task of this engine.
//!
//! A waiter is started when a task is deferred here, or when the store shows a trigger that this
//! engine watches and nobody waits for (at the start, and after a dead engine's triggers were
//! taken over). It fires at most once: what fires late or twice is refused by the store's fence.
//!
//! There may be a hundred thousand of them. A waiter has one timer, its trigger's own; the
//! deadlines of attempts are one ordered set with one timer for all. Triggers are read a page at a
//! time, and only those that nobody waits for.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tracing::Instrument;

use super::attempt::deadline_event;
use super::running::Shared;
use super::spans;
use crate::clock::{Clock, Timestamp};
use crate::store::{StoreError, StoredTrigger};
use crate::task::deferral::TriggerEvent;
use crate::task::id::{Fence, TaskId};

/// How often the waiters are held against the store, for what nobody told.
const RECONCILE: Duration = Duration::from_secs(10);

/// How long a waiter that could not store its event waits before it tries again, at the most.
const LONGEST_RETRY: Duration = Duration::from_secs(10);

/// The longest sleep until a deadline: the wall clock may be set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// How many triggers are read at once.
const PAGE: usize = 500;

/// One task that waits.
struct Waiting {
    fence: Fence,
    handle: AbortHandle,
    /// When its attempt must have ended.
    deadline: Option<Timestamp>,
}

struct Waiters {
    running: HashMap<TaskId, Waiting>,
    set: JoinSet<(TaskId, Fence)>,
    /// The deadlines of those in `running` that have one.
    deadlines: BTreeSet<(Timestamp, TaskId)>,
}

pub(super) async fn run(shared: Arc<Shared>, mut deferred: mpsc::UnboundedReceiver<StoredTrigger>) {
    let mut waiters = Waiters {
        running: HashMap::new(),
        set: JoinSet::new(),
        deadlines: BTreeSet::new(),
    };
    let mut reconcile = tokio::time::interval(RECONCILE);
    loop {
        tokio::select! {
            // Waiters are dropped with the set: their triggers stay in the store.
            () = shared.stopping.cancelled() => return,
            Some(trigger) = deferred.recv() => waiters.start(&shared, trigger),
            _ = reconcile.tick() => waiters.reconcile(&shared).await,
            () = shared.adopted.notified() => waiters.reconcile(&shared).await,
            () = until(&shared.clock, waiters.deadlines.first()) => waiters.time_is_up(&shared),
            Some(ended) = waiters.set.join_next() => waiters.reap(ended),
        }
    }
}

impl Waiters {
    fn start(&mut self, shared: &Arc<Shared>, trigger: StoredTrigger) {
        let (task, fence, deadline) = (trigger.task, trigger.fence, trigger.deadline);
        if let Some(taken) = self.running.get(&task) {
            if taken.fence == fence {
                return;
            }
            taken.handle.abort();
            self.forget(task);
        }
        let handle = self.set.spawn(wait(shared.clone(), Box::new(trigger)));
        let waiting = Waiting {
            fence,
            handle,
            deadline,
        };
        self.running.insert(task, waiting);
        self.deadlines
            .extend(deadline.map(|deadline| (deadline, task)));
    }

    fn forget(&mut self, task: TaskId) {
        let waiting = self.running.remove(&task);
        if let Some(deadline) = waiting.and_then(|waiting| waiting.deadline) {
            self.deadlines.remove(&(deadline, task));
        }
    }

    /// Fires the timeouts of those attempts whose deadline has passed.
    fn time_is_up(&mut self, shared: &Arc<Shared>) {
        let now = shared.clock.now();
        while let Some((deadline, task)) = self.deadlines.first().copied() {
            if deadline > now {
                return;
            }
            self.deadlines.pop_first();
            if let Some(waiting) = self.running.get_mut(&task) {
                waiting.handle.abort();
                waiting.deadline = None;
                let late = time_is_up(shared.clone(), task, waiting.fence);
                waiting.handle = self.set.spawn(late);
            }
        }
    }

    /// Starts waiters for triggers that have none, and ends those whose trigger is gone.
    async fn reconcile(&mut self, shared: &Arc<Shared>) {
        if let Err(error) = self.hold_against_the_store(shared).await {
            tracing::warn!(%error, "the triggers could not be read");
        }
    }

    async fn hold_against_the_store(&mut self, shared: &Arc<Shared>) -> Result<(), StoreError> {
        let owner = shared.owner.as_str();
        let stored = shared.store.watched_fences(owner, &shared.scope).await?;
        let waits = |task: &TaskId, fence: &Fence| {
            let waiting = self.running.get(task);
            waiting.is_some_and(|waiting| waiting.fence == *fence)
        };
        let missing: Vec<TaskId> = stored
            .iter()
            .filter(|(task, fence)| !waits(task, fence))
            .map(|(task, _)| *task)
            .collect();
        if self.running.len() + missing.len() > stored.len() {
            let wanted: HashMap<TaskId, Fence> = stored.into_iter().collect();
            let over: Vec<TaskId> = self
                .running
                .iter()
                .filter(|(task, waiting)| wanted.get(task) != Some(&waiting.fence))
                .map(|(task, _)| *task)
                .collect();
            for task in over {
                if let Some(waiting) = self.running.get(&task) {
                    waiting.handle.abort();
                }
                self.forget(task);
            }
        }
        for page in missing.chunks(PAGE) {
            for trigger in shared.store.triggers_of(owner, page).await? {
                self.start(shared, trigger);
            }
        }
        Ok(())
    }

    fn reap(&mut self, ended: Result<(TaskId, Fence), tokio::task::JoinError>) {
        match ended {
            Ok((task, fence)) => {
                let waiting = self.running.get(&task);
                if waiting.is_some_and(|waiting| waiting.fence == fence) {
                    self.forget(task);
                }
            }
            Err(error) if error.is_cancelled() => {}
            Err(error) => {
                tracing::error!(%error, "a trigger broke; it will be watched again");
                let broken: Vec<TaskId> = self
                    .running
                    .iter()
                    .filter(|(_, waiting)| waiting.handle.is_finished())
                    .map(|(task, _)| *task)
                    .collect();
                for task in broken {
                    self.forget(task);
                }
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
    drop(stored);
    match built {
        Ok(trigger) => {
            let (event, arrived) = trigger.wait_since().await;
            let fired = Box::pin(fire(&shared, task, fence, event)).await;
            if let Some(arrived) = arrived
                && fired
            {
                shared.store.metrics().detected(arrived.elapsed());
            }
        }
        Err(unusable) => {
            tracing::error!(%task, error = %unusable, "a trigger cannot be watched");
            // The deadline still holds, so that the task is not stuck if it has one.
            std::future::pending::<()>().await;
        }
    }
    (task, fence)
}

/// Waits until the first of the deadlines has passed; for ever without one.
async fn until(clock: &Clock, first: Option<&(Timestamp, TaskId)>) {
    let Some((deadline, _)) = first else {
        return std::future::pending().await;
    };
    while let Ok(left) = (*deadline - clock.now()).to_std()
        && !left.is_zero()
    {
        tokio::time::sleep(left.min(LONGEST_SLEEP)).await;
    }
}

/// Fires the timeout of the attempt.
async fn time_is_up(shared: Arc<Shared>, task: TaskId, fence: Fence) -> (TaskId, Fence) {
    match shared.store.task(task).await {
        Ok(row) => {
            let event = deadline_event(&row, shared.clock.now());
            fire(&shared, task, fence, event).await;
        }
        Err(error) => {
            tracing::warn!(%task, %error, "the deadline passed, but the task cannot be read");
        }
    }
    (task, fence)
}

/// Stores the event; a store that is unwell is waited for, since the event must not be lost. Says
/// whether it was stored: one that came too late is not.
async fn fire(shared: &Shared, task: TaskId, fence: Fence, event: TriggerEvent) -> bool {
    let span = spans::fire(shared, task, &event);
    store_event(shared, task, fence, event)
        .instrument(span)
        .await
}

async fn store_event(shared: &Shared, task: TaskId, fence: Fence, event: TriggerEvent) -> bool {
    let mut delay = Duration::from_millis(100);
    loop {
        let now = shared.clock.now();
        crate::failpoint::reach!("fire.before");
        let fired = shared.store.fire(task, fence, event.clone(), now).await;
        crate::failpoint::reach!("fire.after");
        match fired {
            Ok(_) => {
                tracing::debug!(%task, status = event.status.as_str(), reason = event.reason, "trigger fired");
                return true;
            }
            Err(StoreError::FenceLost { .. } | StoreError::NotFound(_)) => {
                tracing::debug!(%task, "an event came too late and was dropped");
                return false;
            }
            Err(StoreError::Closed) => return false,
            Err(error) => {
                tracing::warn!(%task, %error, "the event could not be stored yet");
                let jittered = delay.mul_f64(rand::rng().random_range(0.5..1.0));
                tokio::time::sleep(jittered).await;
                delay = (delay * 2).min(LONGEST_RETRY);
            }
        }
    }
}
