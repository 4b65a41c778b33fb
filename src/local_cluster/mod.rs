//! A small Kubernetes-compatible API server and node that runs containers as local processes.
//!
//! Knows nothing of the engine: it is a cluster like any other, reached through a kubeconfig.

pub mod api;
pub mod node;
pub mod objects;
pub mod process;
