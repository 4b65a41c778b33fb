//! Everything that speaks Kubernetes: building a pod, creating and removing it, watching it,
//! reading its logs.
//!
//! Knows the vocabulary in `task` and nothing else of this crate: not the store, not the engine.

pub mod client;
pub mod lifecycle;
pub mod logs;
pub mod observe;
pub mod spec;
pub mod watch;
