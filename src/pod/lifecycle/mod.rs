//! Creating, finding, stopping and deleting pods, and what the cluster remarks about them.
//!
//! Every change to a pod that exists carries its uid as a precondition, so that a pod of the same
//! name that somebody made meanwhile is never touched. A pod that is gone already is never an
//! error. Each function repeats a request that failed in a way that can pass; that is safe here,
//! because each is the same the second time (a create that was answered with silence is met again
//! as [`Creation::AlreadyExists`], and the pod's own marks tell whose it is).

mod change;
mod create;
mod events;
mod find;

pub use change::{Deletion, Stopping, delete, patch_labels, stop};
pub use create::{Creation, create};
pub use events::{PodEvent, events_of};
pub use find::{find_by_labels, get, get_same};
