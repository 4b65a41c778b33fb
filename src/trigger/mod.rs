//! Triggers: what a deferred task waits for.
//!
//! A trigger is built from its stored row, waits at next to no cost, and answers exactly one
//! event. It decides nothing about its task: the event goes to the operator's `trigger_reentry`.

mod registry;

pub mod pod;
pub mod time;

use async_trait::async_trait;
use tokio::time::Instant;

pub use registry::{TriggerKind, TriggerUnusable, Triggers};

use crate::task::deferral::TriggerEvent;

/// Something that a task waits for.
#[async_trait]
pub trait Trigger: Send {
    /// Waits until there is something to tell, and tells it. Deadlines of the task itself are
    /// not the trigger's business: the engine fires those.
    async fn wait(self: Box<Self>) -> TriggerEvent;

    /// As [`Trigger::wait`], with when the report arrived that called for the event: how soon it
    /// is acted upon is measured from there. None where nothing but time called for it, and from
    /// triggers that do not tell.
    async fn wait_since(self: Box<Self>) -> (TriggerEvent, Option<Instant>) {
        (self.wait().await, None)
    }
}
