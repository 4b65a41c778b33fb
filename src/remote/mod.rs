//! A daemon elsewhere, asked over its HTTP API: what `service` answers, from afar.
//!
//! Speaks with the HTTP client that webhooks use. A daemon that was reached once may be away for a
//! while, to be started anew for example: questions are asked again until it is back.

mod client;
mod error;
mod tasks;

pub use client::Remote;
pub use error::RemoteError;
