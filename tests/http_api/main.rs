//! The daemon's HTTP API: the real program, asked over real connections.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be; its shared parts too"
)]

#[path = "../support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "not every program of tests needs all of it"
)]
mod support;

mod access;
mod both_ways;
mod client;
mod counted;
mod daemon;
mod document;
mod follow;
mod tasks;
mod tls;
