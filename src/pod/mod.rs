//! Everything that speaks Kubernetes: building a pod, creating and removing it, watching it,
//! reading its logs.
//!
//! Knows the vocabulary in `task` and nothing else of this crate: not the store, not the engine.
//!
//! - [`client`] connects to a cluster and sends one request at a time, with a deadline each.
//! - [`observe`] turns a pod into a small observation and judges it: pure.
//! - [`lifecycle`] creates, finds, stops and deletes pods; every change names the pod by its uid.
//! - [`logs`] reads a container's log from a cursor on, each line once.
//! - [`watch`] shares one watch per namespace among all who wait for a pod.

pub mod client;
pub mod intent;
pub mod lifecycle;
pub mod log_line;
pub mod logs;
pub mod observe;
pub mod spec;
pub mod watch;
