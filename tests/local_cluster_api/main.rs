//! The local cluster as a whole program: the real binary's server process, asked by real clients.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and expects one thing out of many"
)]

mod access;
mod client;
mod cluster;
mod events;
mod exec;
mod faults;
mod frames;
mod gzip;
mod kubectl;
mod lifecycles;
mod listed;
mod logs;
mod metrics;
mod mishaps;
mod node;
mod ownership;
mod process;
mod python;
mod recorded;
mod rotation;
mod story;
mod terminal;
