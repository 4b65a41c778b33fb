//! How a piece of an operator's work comes out.

use std::time::Duration;

use crate::task::deferral::TriggerSpec;
use crate::task::outcome::{Ending, FailureKind};

/// How long a step may go on after the task's deadline when all that is left to do is to collect
/// the last logs and give the verdict.
pub const WIND_UP: Duration = Duration::from_secs(60);

/// What follows a piece of work that did not fail.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// The task is done.
    Complete(Ending),
    /// There was nothing to do.
    Skip(Ending),
    /// The task waits for a trigger.
    Defer {
        /// What will wake it.
        trigger: TriggerSpec,
        /// Why, in words for a person.
        reason: String,
    },
}

/// Why a piece of work failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Something outside is unwell; the same piece is tried again later and no attempt is spent.
    #[error("{reason}")]
    Transient {
        /// What is unwell, in words for a person.
        reason: String,
        /// How long the other side asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// The attempt failed.
    #[error("{}", ending.reason)]
    Attempt {
        /// How, as far as an exit code tells.
        kind: FailureKind,
        /// Whether another attempt could help.
        retryable: bool,
        /// What it leaves behind.
        ending: Box<Ending>,
    },
    /// Somebody else holds the task now: whatever this worker does counts no more.
    #[error("the task has been taken over")]
    FenceLost,
}

impl Failure {
    /// A failed attempt that left nothing behind.
    #[must_use]
    pub fn attempt(kind: FailureKind, retryable: bool, reason: impl Into<String>) -> Self {
        Self::Attempt {
            kind,
            retryable,
            ending: Box::new(Ending {
                reason: reason.into(),
                ..Ending::default()
            }),
        }
    }

    /// Something outside is unwell.
    #[must_use]
    pub fn transient(reason: impl Into<String>) -> Self {
        Self::Transient {
            reason: reason.into(),
            retry_after: None,
        }
    }
}

/// A definition that could never run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Refused(
    /// What is wrong with it: a sentence each.
    pub Vec<String>,
);
