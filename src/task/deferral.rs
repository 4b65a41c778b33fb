//! What is stored while a task waits: the trigger that will wake it, and the event that did.
//!
//! Plain data. The behaviour behind a kind lives in `trigger`; the rows live in `store`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Timestamp;

/// A trigger as it is stored: enough to build it again after a restart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TriggerSpec {
    /// Which registered trigger, for example `pod`.
    pub kind: String,
    /// The version of `kwargs`, so that a newer binary can read an older row.
    pub version: u32,
    /// What the trigger was built from. Never a credential.
    pub kwargs: Value,
    /// When the trigger will fire at the latest for the newest logs, for inspection.
    pub next_log_at: Option<Timestamp>,
}

/// What a trigger saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventStatus {
    /// The work ended well.
    Success,
    /// The work ended badly.
    Failed,
    /// A deadline passed first; `reason` says which.
    Timeout,
    /// The trigger could not go on looking.
    Error,
    /// The work goes on, and it is time to fetch its newest logs.
    Running,
}

impl EventStatus {
    /// The word that is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Timeout => "timeout",
            Self::Error => "error",
            Self::Running => "running",
        }
    }
}

/// The one event that a trigger fires.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TriggerEvent {
    /// What happened.
    pub status: EventStatus,
    /// Why, in words for a person.
    pub reason: String,
    /// When the trigger saw it.
    pub at: Timestamp,
    /// What the trigger's own operator needs to go on, for example the pod's last status.
    pub payload: Value,
}
