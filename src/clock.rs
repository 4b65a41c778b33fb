//! The one room that reads the wall clock.
//!
//! Everything else is handed a [`Clock`] (or a moment read from one), so that state logic can be
//! tested without waiting and so that `now` is bound into SQL instead of being asked of SQLite.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

/// A moment in UTC. Stored as whole milliseconds since the Unix epoch.
pub type Timestamp = DateTime<Utc>;

/// `wait` after `moment`, or the last moment that there is: no wait is so long that it panics.
#[must_use]
pub fn after(moment: Timestamp, wait: Duration) -> Timestamp {
    TimeDelta::from_std(wait)
        .ok()
        .and_then(|wait| moment.checked_add_signed(wait))
        .unwrap_or(Timestamp::MAX_UTC)
        .trunc_subsecs(3)
}

/// Where "now" comes from.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The machine's own clock.
    #[must_use]
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the one place that may read the wall clock"
    )]
    pub fn system() -> Self {
        Self(Arc::new(Utc::now))
    }

    /// A clock that asks `source` each time: for tests, and for programs that replay.
    #[must_use]
    pub fn from_fn(source: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(source))
    }

    /// The current moment, cut to the milliseconds that the store keeps, so that a value read
    /// back from the store equals the one that was written.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.0)().trunc_subsecs(3)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
