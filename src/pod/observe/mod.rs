//! What a pod looks like, reduced to what decides a task: pure, and small enough to be kept for
//! ten thousand pods and stored with an event.
//!
//! [`observe`] never fails and never panics, whatever is missing or null. [`judge`] turns an
//! observation into a verdict, and keeps these promises:
//!
//! - a success has an exit code of 0 of the base container behind it, never a phase alone;
//! - an exit code other than 0 is never a success;
//! - exit code 0 is a failure only if the container was made to end: its pod was deleted, evicted
//!   or past its deadline while it ran. Sidecars have no say;
//! - once reached, a verdict does not change, whichever events are seen, missed or repeated.

mod cause;
mod judge;
mod lookup;
mod observation;
mod start;
mod verdict;
mod view;

pub use judge::{base_state, judge};
pub use lookup::{
    ContainerPhase, container_is_completed, container_is_running, container_is_succeeded,
    container_is_terminated, container_is_waiting, container_phase, node_is_silent,
    termination_message,
};
pub use observation::{
    ContainerKind, ContainerObservation, ContainerState, Deletion, Disruption, Fate,
    OBSERVATION_VERSION, PodObservation, PodPhase, RestartPolicy, Terminated,
};
pub use start::{HopelessStart, hopeless_start};
pub use verdict::{BaseState, FailureCause, Pending, PodFailure, PodVerdict, StartStage};
pub use view::observe;
pub(crate) use view::{PodView, moment};

#[cfg(test)]
mod tests;
