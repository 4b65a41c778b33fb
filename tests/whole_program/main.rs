//! The program as a person uses it: real processes, a real cluster, real signals.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be; its shared parts too"
)]

#[path = "../support/mod.rs"]
mod support;

#[path = "../http_api/client.rs"]
#[allow(dead_code, reason = "not every program of tests needs all of it")]
mod client;

mod answers;
mod backups;
mod cancelling;
mod clusters;
mod crashes;
mod daemon;
mod deferral;
mod deploy;
mod doctor;
mod documents;
mod engines;
mod faults;
mod inherited;
mod installing;
mod interrupts;
mod log_bytes;
mod manifests;
mod metrics;
mod network;
mod on_local_cluster;
mod outside;
mod refusals;
mod reload;
mod replicas_deployed;
mod results;
mod running;
mod secrets;
mod shells;
mod storage;
mod terminal;
mod verdicts;
