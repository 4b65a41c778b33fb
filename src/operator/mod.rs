//! Operators: what a task does when a worker holds it.
//!
//! An operator is entered at `execute`, at `trigger_reentry` or at `on_kill`, does a short piece
//! of work, and answers a [`Step`]. Waiting is such a value, not an error: the worker is free as
//! soon as [`Step::Defer`] is stored. An operator never sees the store; it gets a
//! [`TaskContext`] with narrow handles.

mod context;
mod registry;
mod step;

pub mod callbacks;
pub mod pod;
pub mod verdict;

use async_trait::async_trait;

pub use context::{Journal, JournalError, TaskContext};
pub use registry::Operators;
pub use step::{Failure, Refused, Step, WIND_UP};

use crate::clock::Timestamp;
use crate::task::deferral::TriggerEvent;
use crate::task::id::TaskKey;
use crate::task::outcome::Ending;

/// What a kind of task does.
///
/// A future of an operator may be dropped at any await point (the process is stopping, the task
/// was cancelled, its deadline passed); whatever it does must be right when it is begun again.
#[async_trait]
pub trait Operator: Send + Sync {
    /// Looks at a definition before it is stored: what could never run is refused at once.
    ///
    /// # Errors
    /// [`Refused`] with all that is wrong.
    fn check(&self, key: &TaskKey, definition: &str, now: Timestamp) -> Result<(), Refused>;

    /// Begins an attempt, or begins it again after its worker died.
    ///
    /// # Errors
    /// [`Failure`]: something outside is unwell, or the attempt failed.
    async fn execute(&self, context: &TaskContext) -> Result<Step, Failure>;

    /// Goes on after a trigger fired.
    ///
    /// # Errors
    /// As [`Operator::execute`].
    async fn trigger_reentry(
        &self,
        context: &TaskContext,
        event: TriggerEvent,
    ) -> Result<Step, Failure>;

    /// Ends what the attempt has begun, in any state: the task was cancelled or its time is up.
    ///
    /// # Errors
    /// [`Failure::Transient`] to be called again later.
    async fn on_kill(&self, context: &TaskContext) -> Result<Ending, Failure>;
}
