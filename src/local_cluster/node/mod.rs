//! The cluster's one node: it runs the containers of pods as local processes.
//!
//! It reads pods from the object store and writes their status back, and knows nothing of HTTP.
//!
//! ```text
//!  object store ──watch──▶ service ──▶ scheduler          binds a pod to the node
//!        ▲                     └─────▶ kubelet::worker     one task a pod: state, status, events
//!        │                        or   kubelet::simulation all pods that are made up
//!        └───────status, events───────────┘ │
//!                                           ▼
//!                      runtime ──spawns──▶ shim ──spawns──▶ first process = the command
//!                         ▲                 │ (outlives the server; pipes, log, exit code)
//!                         └─ files, pipes ──┘
//! ```
//!
//! Invariant: a container has one shim; a shim that ends has stored how its container ended, or
//! the container ends with it and its exit code is told as unknown.

mod config;
mod entry;
mod exec;
mod kubelet;
mod lease;
mod logs;
mod loss;
mod machine;
mod made_up;
mod mishaps;
mod probe;
mod quantity;
mod registration;
mod runtime;
mod scheduler;
mod service;
mod shim;

pub use config::{IsolationChoice, NodeConfig};
pub use entry::entry;
pub use exec::{ExecRefusal, ExecRequest, ExecSession, Terminal};
pub use logs::{LogOptions, LogRefusal, LogStream, RotationError};
pub use loss::Loss;
pub use made_up::Story;
pub use service::Node;
pub use shim::exec::ExecEnd;
