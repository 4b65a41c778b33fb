//! How a cluster is reached: settings, credentials, one request at a time, and what went wrong.
//!
//! A [`ClusterClient`] is cheap to clone and belongs to one connection; [`Clients`] hands out the
//! same one to everybody who names the same connection, so that ten thousand tasks share a
//! handful of TCP connections, and one bound on how much is asked of a cluster at once. Every request has a deadline, errors know whether trying again can
//! help, and expired credentials are read again instead of failing a task.

mod backoff;
mod connect;
mod connect_error;
mod connections;
mod error;
mod limits;
mod pool;
mod proxy;
mod request;
mod source;

pub use backoff::Backoff;
pub use connect::ClusterClient;
pub use connect_error::ConnectError;
pub use connections::{ConnectionError, Connections, DEFAULT_CONNECTION};
pub use error::{ApiError, Cause, Refusal};
pub use pool::Clients;
pub(crate) use request::{ApiRequest, not_answered};

/// Plain data that a person writes: it lives with the other settings.
pub use crate::config::ConnectionSettings;
pub use crate::task::pods::ConnectionOverrides;
