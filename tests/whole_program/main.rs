//! The program as a person uses it: real processes, a real cluster, real signals.
#![allow(
    clippy::unwrap_used,
    reason = "what cannot be had here fails the test that wants it"
)]
#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be; its shared parts too"
)]

#[path = "../support/mod.rs"]
mod support;

mod cancelling;
mod crashes;
mod daemon;
mod deferral;
mod interrupts;
mod log_bytes;
mod outside;
mod refusals;
mod running;
mod verdicts;
