//! The worker pool: takes tasks whose time has come, as many as there are free slots.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::attempt;
use super::pace::Pace;
use super::running::{Shared, woken};
use crate::store::StartLimits;

pub(super) async fn run(shared: Arc<Shared>) {
    let slots = Arc::new(Semaphore::new(shared.settings.slots));
    let mut attempts = JoinSet::new();
    let mut changes = shared.store.changes();
    let per_second = shared.settings.limits.pods_per_second;
    let mut pace = per_second.map(|pods| Pace::new(pods, Instant::now()));
    while !shared.stopping.is_cancelled() {
        reap(&mut attempts);
        let busy = fill(&shared, &slots, &mut attempts, pace.as_mut()).await;
        let next_start = pace.as_ref().map(Pace::wait).filter(|wait| !wait.is_zero());
        tokio::select! {
            () = shared.stopping.cancelled() => {}
            // With every slot taken there is nothing to look for until one is free.
            _ = slots.acquire(), if busy => {}
            () = woken(&mut changes, &shared), if !busy => {}
            () = tokio::time::sleep(next_start.unwrap_or_default()), if !busy && next_start.is_some() => {}
        }
    }
    // Each attempt sees that the engine stops and lets go by itself.
    let grace = tokio::time::sleep(shared.settings.shutdown_grace);
    tokio::pin!(grace);
    loop {
        tokio::select! {
            ended = attempts.join_next() => match ended {
                Some(_) => {}
                None => return,
            },
            () = &mut grace => {
                tracing::warn!(
                    "{} steps did not let go in time; their leases will end",
                    attempts.len()
                );
                return;
            }
        }
    }
}

/// Fills the free slots; answers whether all are taken.
async fn fill(
    shared: &Arc<Shared>,
    slots: &Arc<Semaphore>,
    attempts: &mut JoinSet<()>,
    mut pace: Option<&mut Pace>,
) -> bool {
    let free = slots.available_permits();
    if free == 0 {
        return true;
    }
    if shared.yields().await {
        return false;
    }
    let now = shared.clock.now();
    let limits = StartLimits {
        active_pods: shared.settings.limits.max_active_pods,
        starts: pace.as_mut().map(|pace| pace.allowed(Instant::now())),
    };
    let begun = Instant::now();
    let claimed = shared
        .store
        .claim_within(
            shared.owner.as_str(),
            &shared.scope,
            free,
            limits,
            now + shared.settings.lease,
            now,
        )
        .await;
    let claimed = match claimed {
        Ok(claimed) => claimed,
        Err(error) => {
            tracing::warn!(%error, "no task could be claimed");
            return false;
        }
    };
    if !claimed.is_empty() {
        let took = begun.elapsed().as_secs_f64();
        shared.store.metrics().claims.observe(took);
    }
    if let Some(pace) = pace {
        let starts = claimed.iter().filter(|task| task.row.starts_a_pod());
        pace.take(u32::try_from(starts.count()).unwrap_or(u32::MAX));
    }
    for task in claimed {
        let Ok(slot) = slots.clone().try_acquire_owned() else {
            // Only this loop takes slots, so those that were free a moment ago still are.
            tracing::error!(task = %task.row.id, "claimed without a slot");
            continue;
        };
        let shared = shared.clone();
        attempts.spawn(async move {
            attempt::run(&shared, task.row).await;
            drop(slot);
        });
    }
    slots.available_permits() == 0
}

fn reap(attempts: &mut JoinSet<()>) {
    while let Some(ended) = attempts.try_join_next() {
        if let Err(error) = ended {
            tracing::error!(%error, "a step broke; its lease will end and it will be taken up again");
        }
    }
}
