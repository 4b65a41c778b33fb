//! Several daemons on one PostgreSQL.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be"
)]

#[path = "../support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "shared with tests that ask for more"
)]
mod support;

mod server;
