//! Writing how a step came out.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;

use super::running::Shared;
use crate::clock;
use crate::store::{StepCommit, StoreError, StoredTrigger, TaskRow};
use crate::task::state::TaskState;

/// The longest wait before a step that was put off is tried again.
const LONGEST_PUT_OFF: Duration = Duration::from_secs(60);

/// The step is tried again later; never later than the deadline, which then decides.
pub(super) fn put_off(
    shared: &Shared,
    row: &TaskRow,
    reason: String,
    at_least: Option<Duration>,
) -> StepCommit {
    let now = shared.clock.now();
    let doubled = Duration::from_secs(1 << row.postponed.min(6)).min(LONGEST_PUT_OFF);
    let jittered = doubled.mul_f64(rand::rng().random_range(0.5..1.0));
    let wait = jittered.max(at_least.unwrap_or_default());
    let until = match row.deadline {
        Some(deadline) if deadline > now => deadline.min(clock::after(now, wait)),
        Some(_) | None => clock::after(now, wait),
    };
    StepCommit::Postpone { until, reason }
}

/// Writes how the step came out; waits out a store that is unwell for a moment.
pub(super) async fn commit(shared: &Arc<Shared>, row: &TaskRow, step: StepCommit) {
    let mut tries = 0;
    loop {
        let owner = shared.owner.as_str();
        crate::failpoint::reach!("step.before");
        let written = shared
            .store
            .commit_step(row.id, row.fence, owner, step.clone(), shared.clock.now())
            .await;
        crate::failpoint::reach!("step.after");
        match written {
            Ok(after) => {
                tracing::info!(
                    task = %row.id,
                    key = %row.key,
                    state = after.state.as_str(),
                    reason = after.reason.as_deref().unwrap_or_default(),
                    "step done"
                );
                announce(shared, &after, step);
                return;
            }
            Err(StoreError::FenceLost { .. }) => {
                tracing::info!(task = %row.id, "taken over by another engine; this step was dropped");
                return;
            }
            // A server that is lost has been waited for already. It is worth more waiting: the step
            // was done.
            Err(error) if error.is_lost() && !shared.stopping.is_cancelled() => {
                tracing::warn!(task = %row.id, %error, "the step could not be stored yet");
            }
            Err(error) if error.retryable() && tries < 5 => {
                tries += 1;
                tracing::warn!(task = %row.id, %error, "the step could not be stored yet");
                tokio::time::sleep(Duration::from_millis(200 << tries)).await;
            }
            Err(error) => {
                tracing::error!(task = %row.id, %error, "the step could not be stored; it will be done again when the lease ends");
                return;
            }
        }
    }
}

/// Hands what the step left to this engine's own triggerer or janitor, which need not look for it
/// in the store.
fn announce(shared: &Shared, after: &TaskRow, step: StepCommit) {
    let StepCommit::Defer { trigger, .. } = step else {
        shared.wished.notify_one();
        return;
    };
    if after.state != TaskState::Deferred {
        return;
    }
    // A triggerer that is gone means that the engine stops; the next one reads the store.
    let _ = shared.deferred.send(StoredTrigger {
        task: after.id,
        fence: after.fence,
        spec: trigger,
        deadline: after.deadline,
    });
}
