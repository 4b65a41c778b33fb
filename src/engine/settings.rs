//! How an engine paces itself.

use std::time::Duration;

use crate::store::EngineLimits;

/// The engine's settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EngineSettings {
    /// How many steps run at once.
    pub slots: usize,
    /// How long a claim lasts without a sign of life. The worker renews it three times as often.
    pub lease: Duration,
    /// The longest that anything waits for a look at the store when nobody woke it.
    pub look: Duration,
    /// How long steps may take to let go when the engine stops.
    pub shutdown_grace: Duration,
    /// How many pods are disposed of at once.
    pub disposals: usize,
    /// What holds new pods back.
    pub limits: EngineLimits,
    /// After how long a task that has ended is removed; never when absent. Only a daemon does it.
    pub retention: Option<Duration>,
    /// How many bytes of one task's log are kept; all of it when absent.
    pub log_bytes: Option<u64>,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            slots: 8,
            lease: Duration::from_secs(10),
            look: Duration::from_millis(500),
            shutdown_grace: Duration::from_secs(5),
            disposals: 8,
            limits: EngineLimits::default(),
            retention: Some(Duration::from_secs(30 * 24 * 60 * 60)),
            log_bytes: Some(1 << 30),
        }
    }
}

impl EngineSettings {
    /// How often a sign of life is given.
    pub(super) fn heartbeat(&self) -> Duration {
        self.lease / 3
    }
}
