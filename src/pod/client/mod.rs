//! How a cluster is reached: settings, credentials, one request at a time, and what went wrong.
//!
//! A [`ClusterClient`] is cheap to clone and belongs to one connection; [`Clients`] hands out the
//! same one to everybody who names the same connection, so that ten thousand tasks share a
//! handful of TCP connections. Every request has a deadline, errors know whether trying again can
//! help, and expired credentials are read again instead of failing a task.

mod backoff;
mod connect;
mod connections;
mod error;
mod pool;
mod request;

pub use backoff::Backoff;
pub use connect::{ClusterClient, ConnectError};
pub use connections::{ConnectionError, Connections, DEFAULT_CONNECTION};
pub use error::{ApiError, Cause, Refusal};
pub use pool::Clients;
/// Plain data that a person writes: it lives with the other settings.
pub use crate::config::ConnectionSettings;
pub use crate::task::pods::ConnectionOverrides;
