//! The time trigger: wakes its task at a moment.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Trigger, TriggerKind, TriggerUnusable};
use crate::clock::{Clock, Timestamp};
use crate::task::deferral::{EventStatus, TriggerEvent, TriggerSpec};

/// The name of this kind of trigger.
pub const KIND: &str = "time";

/// The version of the stored form that this program writes.
pub const VERSION: u32 = 1;

/// The longest sleep between two looks at the clock, which may be set meanwhile.
const LOOK: Duration = Duration::from_secs(30);

/// What a time trigger is built from. The moment is absolute: a restart does not move it, and one
/// that has passed fires at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeTriggerKwargs {
    /// When it fires.
    pub at: Timestamp,
}

impl TimeTriggerKwargs {
    /// Fires at `at`.
    #[must_use]
    pub fn at(at: Timestamp) -> Self {
        Self { at }
    }

    /// Fires `delay` after `now`.
    #[must_use]
    pub fn after(now: Timestamp, delay: Duration) -> Self {
        let at = chrono::TimeDelta::from_std(delay)
            .ok()
            .and_then(|delay| now.checked_add_signed(delay))
            .unwrap_or(Timestamp::MAX_UTC);
        Self { at }
    }

    /// The trigger as it is stored.
    #[must_use]
    pub fn to_spec(self) -> TriggerSpec {
        TriggerSpec {
            kind: KIND.to_owned(),
            version: VERSION,
            kwargs: json!({ "at": self.at }),
            next_log_at: None,
        }
    }

    /// Reads a stored trigger.
    ///
    /// # Errors
    /// [`TriggerUnusable`] for a row of a newer program, or one that makes no sense.
    pub fn from_spec(spec: &TriggerSpec) -> Result<Self, TriggerUnusable> {
        if spec.version > VERSION {
            return Err(TriggerUnusable::NewerVersion {
                kind: KIND.to_owned(),
                found: spec.version,
                known: VERSION,
            });
        }
        serde_json::from_value(spec.kwargs.clone()).map_err(|error| TriggerUnusable::BadKwargs {
            kind: KIND.to_owned(),
            detail: error.to_string(),
        })
    }

    /// How long it still waits; nothing once its moment has come.
    fn left(self, now: Timestamp) -> Option<Duration> {
        (self.at - now).to_std().ok().filter(|left| !left.is_zero())
    }
}

/// Builds time triggers.
#[derive(Debug, Clone, Copy, Default)]
pub struct TimeTriggers;

impl TriggerKind for TimeTriggers {
    fn build(
        &self,
        spec: &TriggerSpec,
        clock: &Clock,
    ) -> Result<Box<dyn Trigger>, TriggerUnusable> {
        Ok(Box::new(TimeTrigger {
            kwargs: TimeTriggerKwargs::from_spec(spec)?,
            clock: clock.clone(),
        }))
    }
}

struct TimeTrigger {
    kwargs: TimeTriggerKwargs,
    clock: Clock,
}

#[async_trait]
impl Trigger for TimeTrigger {
    async fn wait(self: Box<Self>) -> TriggerEvent {
        loop {
            let now = self.clock.now();
            let Some(left) = self.kwargs.left(now) else {
                return TriggerEvent {
                    status: EventStatus::Success,
                    reason: "its moment has come".to_owned(),
                    at: now,
                    payload: json!({ "at": self.kwargs.at }),
                };
            };
            tokio::time::sleep(left.min(LOOK)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    /// A row as version 1 wrote it. It must stay readable.
    const YESTERDAY: &str = r#"{"at": "2026-11-24T08:00:30Z"}"#;

    fn stored(version: u32, kwargs: &str) -> TriggerSpec {
        TriggerSpec {
            kind: KIND.to_owned(),
            version,
            kwargs: serde_json::from_str(kwargs).unwrap(),
            next_log_at: None,
        }
    }

    #[test]
    fn yesterdays_row_is_read_and_written_back_the_same() {
        let kwargs = TimeTriggerKwargs::from_spec(&stored(1, YESTERDAY)).unwrap();
        assert_eq!(kwargs.to_spec(), stored(1, YESTERDAY));
    }

    #[test]
    fn rows_that_are_not_understood_are_told_apart() {
        let newer = TimeTriggerKwargs::from_spec(&stored(2, YESTERDAY));
        assert!(matches!(
            newer,
            Err(TriggerUnusable::NewerVersion {
                found: 2,
                known: 1,
                ..
            })
        ));
        let broken = TimeTriggerKwargs::from_spec(&stored(1, r#"{"at": "soon"}"#));
        assert!(matches!(broken, Err(TriggerUnusable::BadKwargs { .. })));
    }

    #[test]
    fn a_delay_beyond_all_time_is_the_end_of_time() {
        let now = "2026-11-24T08:00:00Z".parse().unwrap();
        let kwargs = TimeTriggerKwargs::after(now, Duration::MAX);
        assert_eq!(kwargs.at, Timestamp::MAX_UTC);
    }

    #[tokio::test]
    async fn it_fires_by_the_clock_and_not_by_what_it_slept() {
        // A clock that is set back at each of its first looks.
        let start: Timestamp = "2026-11-24T08:00:00Z".parse().unwrap();
        let looks = Arc::new(AtomicI64::new(0));
        let clock = Clock::from_fn({
            let looks = looks.clone();
            move || match looks.fetch_add(1, Ordering::Relaxed) {
                ..4 => start,
                look => start + Duration::from_secs(look.unsigned_abs()),
            }
        });
        let spec = TimeTriggerKwargs::after(start, Duration::from_millis(10)).to_spec();
        let event = TimeTriggers.build(&spec, &clock).unwrap().wait().await;
        assert_eq!(event.status, EventStatus::Success);
        assert_eq!(event.at, start + Duration::from_secs(4));
        assert_eq!(looks.load(Ordering::Relaxed), 5);
    }

    #[tokio::test]
    async fn a_moment_that_has_passed_fires_at_once() {
        let spec = stored(1, r#"{"at": "2001-01-01T00:00:00Z"}"#);
        let trigger = TimeTriggers.build(&spec, &Clock::system()).unwrap();
        let event = trigger.wait().await;
        assert_eq!(event.payload["at"], "2001-01-01T00:00:00Z");
    }
}
