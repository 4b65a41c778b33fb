//! Removes tasks that ended long ago: a few rows at a time, so that nobody waits for it.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;

use super::running::Shared;
use crate::store::EngineKind;

/// How many rows one transaction removes.
const ROWS: u32 = 1000;

/// The pause between two transactions.
const PAUSE: Duration = Duration::from_millis(100);

/// How often it is looked for tasks whose time has come.
const LOOK: Duration = Duration::from_secs(600);

/// Runs until the engine stops. A `run` works on its own tasks and removes none.
pub(super) async fn run(shared: Arc<Shared>) {
    let Some(retention) = shared.settings.retention else {
        return;
    };
    match shared.kind {
        EngineKind::Serve => {}
        EngineKind::Run => return,
    }
    loop {
        let ended_before = chrono::TimeDelta::from_std(retention)
            .ok()
            .and_then(|kept| shared.clock.now().checked_sub_signed(kept));
        let Some(ended_before) = ended_before else {
            return;
        };
        let more = match shared.store.prune_step(ended_before, ROWS).await {
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
        };
        let pause = if more { PAUSE } else { LOOK };
        let pause = pause.mul_f64(rand::rng().random_range(0.75..1.25));
        tokio::select! {
            () = shared.stopping.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}
