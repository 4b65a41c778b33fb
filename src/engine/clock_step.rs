//! Noticing that the clock was set back.
//!
//! Waits are kept as moments, so that a restart moves none. Moments that were computed before the
//! clock was set back would be waited for by as much as it was set.

use std::time::Duration;

use tokio::time::Instant;

use super::running::Shared;
use crate::clock::Timestamp;
use crate::store::StoreError;

/// How far two looks at the clock may go back: less is no step.
const JITTER: chrono::TimeDelta = chrono::TimeDelta::seconds(1);

/// For how long after a step writes may still come from before it.
const LATE_WRITES: Duration = Duration::from_secs(30);

/// What is known of the clock.
pub(super) struct ClockSteps {
    last: Timestamp,
    /// Until when rows may be ahead. At the start nothing is known of those who wrote them.
    suspect_until: Instant,
}

impl ClockSteps {
    pub fn new(now: Timestamp) -> Self {
        Self {
            last: now,
            suspect_until: Instant::now() + LATE_WRITES,
        }
    }

    /// Sees to it that nothing waits for a moment of a clock that has been set back since.
    pub async fn look(&mut self, shared: &Shared) -> Result<(), StoreError> {
        let now = shared.clock.now();
        if now < self.last - JITTER {
            tracing::warn!(from = %self.last, to = %now, "the clock was set back");
            self.suspect_until = Instant::now() + LATE_WRITES;
        }
        self.last = now;
        if Instant::now() < self.suspect_until {
            let moved = shared.store.begin_waits_again(&shared.scope, now).await?;
            if moved > 0 {
                tracing::warn!(moved, "waits that were begun in the future begin now");
            }
        }
        Ok(())
    }
}
