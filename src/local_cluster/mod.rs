//! A small Kubernetes-compatible API server and node that runs containers as local processes.
//!
//! Knows nothing of the engine: it is a cluster like any other, reached through a kubeconfig.
//!
//! ```text
//!  process ── starts, finds and stops the server: this program, detached, one for a directory
//!     │
//!     ├─▶ api ──────▶ objects ◀────── node ──▶ containers as local processes
//!     │   requests    one versioned    schedules pods, runs them, writes their status
//!     └───────────▶   store, watches   and events
//! ```
//!
//! `objects` imports none of the others, `node` only `objects`, `api` both, `process` all.

pub mod api;
pub mod node;
pub mod objects;
pub mod process;
