//! The program as a person uses it: real processes, a real cluster, real signals.

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
