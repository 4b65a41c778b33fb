//! Removes tasks that ended long ago: a few rows at a time, so that nobody waits for it.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;

use super::running::Shared;
use crate::clock::Timestamp;
use crate::store::EngineKind;

/// How many rows one transaction removes.
const ROWS: u32 = 1000;

/// The pause between two transactions.
const PAUSE: Duration = Duration::from_millis(100);

/// How often it is looked for tasks whose time has come.
const LOOK: Duration = Duration::from_secs(600);

/// Runs until the engine stops. A `run` works on its own tasks and removes none.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut settings = shared.settings.subscribe();
    match shared.kind {
        EngineKind::Serve => {}
        EngineKind::Run => return,
    }
    loop {
        let retention = settings.borrow_and_update().retention;
        let ended_before = retention
            .and_then(|retention| chrono::TimeDelta::from_std(retention).ok())
            .and_then(|kept| shared.clock.now().checked_sub_signed(kept));
        let more = match ended_before {
            Some(ended_before) => prune(&shared, ended_before).await,
            None => false,
        };
        let pause = if more { PAUSE } else { LOOK };
        let pause = pause.mul_f64(rand::rng().random_range(0.75..1.25));
        tokio::select! {
            () = shared.stopping.cancelled() => return,
            _ = settings.changed() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Removes a few; answers whether there are more.
async fn prune(shared: &Shared, ended_before: Timestamp) -> bool {
    match shared.store.prune_step(ended_before, ROWS).await {
        Ok(step) => {
            if !step.tasks.is_empty() {
                tracing::info!(
                    tasks = step.tasks.len(),
                    "removed tasks that ended long ago"
                );
            }
            step.more
        }
        Err(error) => {
            tracing::warn!(%error, "tasks that ended long ago could not be removed");
            false
        }
    }
}
