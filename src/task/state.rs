//! The state machine of a task: one pure, total function, used live and on recovery.
//!
//! ```text
//!  queued ──claim──▶ running ──defer──▶ deferred ──fire──▶ queued ──claim──▶ running ──▶ ...
//!     ▲                 │
//!     └─ up_for_retry ◀─┴─▶ success · failed · skipped · cancelled
//! ```
//!
//! Who moves a task out of each state that is not final (so that none can be stuck):
//!
//! | state | moved on by |
//! |---|---|
//! | `queued` | a worker, once `not_before` has come |
//! | `running` | its worker, or the janitor when the lease ends or the owner is dead |
//! | `deferred` | the triggerer: its trigger fires, at the latest at a deadline |
//! | `up_for_retry` | the janitor, once `retry_at` has come |

mod apply;

use serde::{Deserialize, Serialize};

pub use apply::apply;

use crate::clock::Timestamp;

/// Where a worker enters the operator when it claims a queued task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// `execute`: an attempt begins (or begins again after its worker died).
    Execute,
    /// `trigger_reentry`: a trigger fired.
    Reentry,
    /// `on_kill`: somebody cancelled the task.
    Kill,
}

impl Entry {
    /// The word that is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Execute => "execute",
            Self::Reentry => "reentry",
            Self::Kill => "kill",
        }
    }

    /// The entry that `word` names.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "execute" => Some(Self::Execute),
            "reentry" => Some(Self::Reentry),
            "kill" => Some(Self::Kill),
            _ => None,
        }
    }
}

/// Where a task is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskState {
    /// Waiting for a worker.
    Queued {
        /// Where the worker will enter.
        entry: Entry,
        /// No worker takes it before this moment.
        not_before: Timestamp,
    },
    /// In a worker's hands.
    Running {
        /// Where the worker entered.
        entry: Entry,
        /// When the claim ends unless it is renewed.
        lease_until: Timestamp,
        /// Somebody cancelled it meanwhile; the worker is to stop and call `on_kill`.
        cancelling: bool,
    },
    /// Waiting for its trigger; no worker is held.
    Deferred,
    /// An attempt failed and another one follows.
    UpForRetry {
        /// When the next attempt may begin.
        retry_at: Timestamp,
    },
    /// Ended well.
    Success,
    /// Ended badly.
    Failed,
    /// Ended without having had to do anything.
    Skipped,
    /// Ended because somebody asked for it.
    Cancelled,
}

impl TaskState {
    /// The word that is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued { .. } => "queued",
            Self::Running { .. } => "running",
            Self::Deferred => "deferred",
            Self::UpForRetry { .. } => "up_for_retry",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the task has ended.
    #[must_use]
    pub fn is_final(self) -> bool {
        match self {
            Self::Queued { .. }
            | Self::Running { .. }
            | Self::Deferred
            | Self::UpForRetry { .. } => false,
            Self::Success | Self::Failed | Self::Skipped | Self::Cancelled => true,
        }
    }
}

/// Every word of [`TaskState::as_str`], in the order of a task's life.
pub const STATE_NAMES: [&str; 8] = [
    "queued",
    "running",
    "deferred",
    "up_for_retry",
    "success",
    "failed",
    "skipped",
    "cancelled",
];

/// The states in which a task has not ended, and so can be cancelled.
pub const OPEN_STATES: [&str; 4] = ["queued", "running", "deferred", "up_for_retry"];

/// The states in which a task has ended.
pub const FINAL_STATES: [&str; 4] = ["success", "failed", "skipped", "cancelled"];

/// The states in which a task can be given another attempt.
pub const RETRYABLE_STATES: [&str; 4] = ["failed", "skipped", "cancelled", "up_for_retry"];

/// What can happen to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskEvent {
    /// A worker takes it.
    Claim {
        /// When the claim ends.
        lease_until: Timestamp,
    },
    /// Its worker is still at it.
    Renew {
        /// When the claim now ends.
        lease_until: Timestamp,
    },
    /// The operator waits for a trigger.
    Defer,
    /// The trigger fired.
    Fire,
    /// The operator is done.
    Complete,
    /// The operator had nothing to do.
    Skip,
    /// The attempt failed; the retry policy has already been asked.
    Fail {
        /// When the next attempt may begin, if there is one.
        retry_at: Option<Timestamp>,
    },
    /// `on_kill` has done its work.
    Killed,
    /// Something outside is unwell: the same step is tried again later, at no cost in attempts.
    Postpone {
        /// When to try again.
        until: Timestamp,
    },
    /// The worker lets go in good order.
    Release,
    /// The worker is gone.
    Reclaim {
        /// Whether that is proven; otherwise the lease must have ended.
        owner_dead: bool,
    },
    /// Somebody wants it stopped.
    Cancel,
    /// The wait before the next attempt is over.
    RetryDue,
    /// Somebody wants another attempt now.
    Retry,
}

impl TaskEvent {
    /// The word for the history.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claim { .. } => "claim",
            Self::Renew { .. } => "renew",
            Self::Defer => "defer",
            Self::Fire => "fire",
            Self::Complete => "complete",
            Self::Skip => "skip",
            Self::Fail { .. } => "fail",
            Self::Killed => "killed",
            Self::Postpone { .. } => "postpone",
            Self::Release => "release",
            Self::Reclaim { .. } => "reclaim",
            Self::Cancel => "cancel",
            Self::RetryDue => "retry_due",
            Self::Retry => "retry",
        }
    }
}

/// What must be written in the same transaction as the new state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Raise the fence: whoever held the task before can write no more.
    RaiseFence,
    /// Count a new attempt and forget the deadline of the former one.
    RaiseTry,
    /// The attempt begins: note when, and fix its deadline if it has none yet.
    BeginAttempt,
    /// Store the trigger.
    ArmTrigger,
    /// Remove the trigger.
    DisarmTrigger,
    /// Keep the event for `trigger_reentry`.
    KeepEvent,
    /// The event has been dealt with.
    ForgetEvent,
    /// Count a resume.
    CountResume,
    /// The task is over: note when.
    Finish,
    /// The task is open again: forget how it ended.
    Reopen,
}

/// A new state and what goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The state after the event.
    pub state: TaskState,
    /// What to write beside it.
    pub effects: &'static [Effect],
}

/// The event cannot happen in this state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a task that is {} cannot {}", state.as_str(), event.as_str())]
pub struct IllegalTransition {
    /// Where the task was.
    pub state: TaskState,
    /// What was tried.
    pub event: TaskEvent,
}

#[cfg(test)]
mod tests;
