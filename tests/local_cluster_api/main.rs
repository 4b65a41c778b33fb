//! The local cluster as a whole program: the real binary's server process, asked by real clients.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and expects one thing out of many"
)]

mod client;
mod cluster;
mod exec;
mod faults;
mod kubectl;
mod listed;
mod mishaps;
mod process;
mod python;
mod recorded;
mod terminal;
