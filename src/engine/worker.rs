//! The worker pool: takes tasks whose time has come, as many as there are free slots.

use std::sync::Arc;

use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::attempt;
use super::pace::Pace;
use super::running::{Shared, woken};
use crate::clock;
use crate::store::StartLimits;

pub(super) async fn run(shared: Arc<Shared>) {
    let mut settings = shared.settings.subscribe();
    let mut attempts = JoinSet::new();
    let mut changes = shared.store.changes();
    let mut per_second = shared.settings().limits.pods_per_second;
    let mut sharing = shared.sharing.subscribe();
    let mut share = *sharing.borrow_and_update();
    let paced = |per_second: Option<u32>, share| {
        per_second.map(|pods| Pace::shared(pods, share, Instant::now()))
    };
    let mut pace = paced(per_second, share);
    while !shared.stopping.is_cancelled() {
        let wanted = settings.borrow_and_update().limits.pods_per_second;
        let among = *sharing.borrow_and_update();
        if (wanted, among) != (per_second, share) {
            (per_second, share) = (wanted, among);
            pace = paced(per_second, share);
        }
        while let Some(ended) = attempts.try_join_next() {
            note(ended);
        }
        let busy = fill(&shared, &mut attempts, pace.as_mut()).await;
        let next_start = pace.as_ref().map(Pace::wait).filter(|wait| !wait.is_zero());
        tokio::select! {
            () = shared.stopping.cancelled() => {}
            // With every slot taken there is nothing to look for until one is free.
            Some(ended) = attempts.join_next(), if busy => note(ended),
            _ = settings.changed() => {}
            _ = sharing.changed() => {}
            () = woken(&mut changes, &shared), if !busy => {}
            () = tokio::time::sleep(next_start.unwrap_or_default()), if !busy && next_start.is_some() => {}
        }
    }
    // Each attempt sees that the engine stops and lets go by itself.
    let grace = tokio::time::sleep(shared.settings().shutdown_grace);
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
    attempts: &mut JoinSet<()>,
    mut pace: Option<&mut Pace>,
) -> bool {
    let settings = shared.settings();
    // More may run than there are slots now, if there were more when they began.
    let free = settings.slots.saturating_sub(attempts.len());
    if free == 0 {
        return true;
    }
    if shared.yields().await {
        return false;
    }
    let now = shared.clock.now();
    let limits = StartLimits {
        active_pods: settings.limits.max_active_pods,
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
            clock::after(now, settings.lease),
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
        let shared = shared.clone();
        attempts.spawn(async move { attempt::run(&shared, task.row).await });
    }
    attempts.len() >= settings.slots
}

fn note(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a step broke; its lease will end and it will be taken up again");
    }
}
