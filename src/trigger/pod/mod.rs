//! The pod trigger: wakes its task when the pod has ended, cannot start, is late, or has new
//! logs worth fetching.
//!
//! `kwargs` is the stored form, `decide` the pure decision, `wait` the waiting.

mod decide;
mod kwargs;
mod wait;

pub use decide::{FirstSeen, NODE_GRACE, decide, next_moment};
pub use kwargs::{KIND, PodTerms, PodTriggerKwargs, VERSION};
pub use wait::{PodTriggers, errors_before};
