//! Several daemons on one PostgreSQL: deaths, cuts, restarts, and who has which share.
//!
//! The pods are made up, so that there may be many. `cargo test --test replicas -- --ignored
//! --nocapture` is the same with 3,000 tasks, and tells how soon a dead daemon's were taken over.
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

#[path = "../http_api/client.rs"]
#[allow(dead_code, reason = "not every program of tests needs all of it")]
mod client;

mod answers;
mod database_away;
mod deaths;
mod load;
mod renewals;
mod replicas;
mod server;
mod shares;
