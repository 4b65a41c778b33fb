//! The janitor: gives the engine's sign of life, takes over what dead engines held, queues due
//! retries, and carries out what is wished for pods.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use tokio::task::JoinSet;

use super::balance::take_share;
use super::clock_step::ClockSteps;
use super::disposal::{Disposal, Disposer};
use super::owner::is_provably_dead;
use super::running::Shared;
use crate::clock;
use crate::store::{DueDisposal, StoreError};

/// The longest wait before a wish that could not be carried out is tried again.
const LONGEST_PUT_OFF: Duration = Duration::from_secs(60);

pub(super) async fn run(shared: Arc<Shared>) {
    let mut last_sign = tokio::time::Instant::now();
    let mut tidied: Option<tokio::time::Instant> = None;
    let mut disposing = Disposing::default();
    let mut clock = ClockSteps::new(shared.clock.now());
    while !shared.stopping.is_cancelled() {
        let look = shared.settings().look;
        if last_sign.elapsed() >= shared.settings().heartbeat() {
            last_sign = tokio::time::Instant::now();
            note("give a sign of life", sign_of_life(&shared).await);
            note("take a share", take_share(&shared).await);
        }
        if !shared.yields().await {
            // Wishes come fast; what only time or another process brings about is looked for now
            // and then.
            if tidied.is_none_or(|tidied| tidied.elapsed() >= look) {
                tidied = Some(tokio::time::Instant::now());
                disposing.ask = true;
                note("begin waits again", clock.look(&shared).await);
                note("take over what dead engines held", take_over(&shared).await);
                let now = shared.clock.now();
                let queued = shared.store.queue_due_retries(&shared.scope, now).await;
                note("queue due retries", queued.map(|_| ()));
            }
            if disposing.ask {
                note("dispose of pods", disposing.start_due(&shared).await);
            }
        }
        tokio::select! {
            () = shared.stopping.cancelled() => {}
            () = shared.wished.notified() => disposing.ask = true,
            () = tokio::time::sleep(look) => {}
            Some(ended) = disposing.set.join_next() => disposing.reap(ended),
        }
    }
}

fn note(what: &str, result: Result<(), StoreError>) {
    if let Err(error) = result {
        tracing::warn!(%error, "could not {what}");
    }
}

/// Says that this engine is alive.
pub(super) async fn sign_of_life(shared: &Shared) -> Result<(), StoreError> {
    let now = shared.clock.now();
    let alive_until = clock::after(now, shared.settings().lease);
    shared
        .store
        .engine_alive(
            shared.owner.as_str(),
            shared.kind,
            shared.settings().limits,
            alive_until,
            now,
        )
        .await
}

/// Takes over the triggers and the claims of engines that are gone.
///
/// A claim of an engine that is provably dead is taken at once, any other when its lease ends.
/// Triggers carry no lease of their own: their engine's sign of life is it.
pub(super) async fn take_over(shared: &Shared) -> Result<(), StoreError> {
    let now = shared.clock.now();
    let engines = shared.store.engines().await?;
    let mut watchers = shared.store.watchers(&shared.scope).await?;
    let mut holders = shared.store.holders(&shared.scope).await?;
    watchers.remove(shared.owner.as_str());
    holders.remove(shared.owner.as_str());
    let dead: HashSet<String> = watchers
        .iter()
        .chain(&holders)
        .chain(engines.iter().map(|engine| &engine.owner))
        .filter(|owner| is_provably_dead(owner))
        .cloned()
        .collect();
    let silent = watchers.into_iter().filter(|owner| {
        engines
            .iter()
            .find(|engine| engine.owner == *owner)
            .is_none_or(|engine| engine.alive_until <= now)
    });
    let orphaned: HashSet<String> = silent.chain(dead.iter().cloned()).collect();
    let owner = shared.owner.as_str();
    let adopted = shared
        .store
        .adopt_triggers(owner, &shared.scope, &orphaned)
        .await?;
    if adopted > 0 {
        shared.adopted.notify_one();
    }
    for lapsed in shared.store.reclaim(&shared.scope, &dead, now).await? {
        tracing::info!(task = %lapsed.task, owner = lapsed.owner, "taken over from a worker that is gone");
    }
    for engine in engines {
        let forgotten = engine.alive_until + shared.settings().lease * 10 <= now;
        if dead.contains(&engine.owner) || forgotten {
            shared.store.engine_gone(&engine.owner).await?;
        }
    }
    Ok(())
}

/// Wishes that are being carried out right now.
#[derive(Default)]
struct Disposing {
    set: JoinSet<i64>,
    under_way: HashSet<i64>,
    /// Whether the store may hold wishes that are due and not under way.
    ask: bool,
    /// Whether it held more than could be begun.
    more: bool,
}

impl Disposing {
    async fn start_due(&mut self, shared: &Arc<Shared>) -> Result<(), StoreError> {
        self.ask = false;
        let free = shared.settings().disposals.saturating_sub(self.set.len());
        if free == 0 {
            self.more = true;
            return Ok(());
        }
        let now = shared.clock.now();
        // No more than those under way, and as many as are free.
        let at_most = u32::try_from(shared.settings().disposals).unwrap_or(u32::MAX);
        let due = shared
            .store
            .due_disposals(&shared.scope, at_most, now)
            .await?;
        self.more = due.len() >= shared.settings().disposals;
        let fresh = due
            .into_iter()
            .filter(|due| !self.under_way.contains(&due.id));
        for due in fresh.take(free).collect::<Vec<_>>() {
            self.under_way.insert(due.id);
            let shared = shared.clone();
            self.set.spawn(async move {
                let id = due.id;
                carry_out(&shared, due).await;
                id
            });
        }
        Ok(())
    }

    fn reap(&mut self, ended: Result<i64, tokio::task::JoinError>) {
        self.ask |= self.more;
        match ended {
            Ok(id) => {
                self.under_way.remove(&id);
            }
            Err(error) => {
                tracing::error!(%error, "disposing of a pod broke; it will be tried again");
                self.under_way.clear();
            }
        }
    }
}

async fn carry_out(shared: &Shared, due: DueDisposal) {
    let disposer: &Disposer = &shared.disposer;
    let pod = format!("{}/{}", due.disposal.namespace, due.disposal.name);
    crate::failpoint::reach!("disposal.before");
    let disposed = disposer.dispose(&due.disposal, due.attempts).await;
    crate::failpoint::reach!("disposal.carried_out");
    let stored = match disposed {
        Disposal::Done => {
            tracing::info!(task = %due.task, pod, action = due.disposal.action.as_str(), "pod disposed of");
            shared.store.disposal_done(due.id).await
        }
        Disposal::NotYet { why, retry_after } => {
            tracing::warn!(task = %due.task, pod, why, "the pod could not be disposed of yet");
            let doubled = Duration::from_secs(1 << due.attempts.min(6)).min(LONGEST_PUT_OFF);
            let wait = doubled
                .mul_f64(rand::rng().random_range(0.5..1.0))
                .max(retry_after.unwrap_or_default());
            let until = clock::after(shared.clock.now(), wait);
            shared.store.disposal_put_off(due.id, until, why).await
        }
    };
    crate::failpoint::reach!("disposal.after");
    note("store that a pod was disposed of", stored);
}
