//! Callbacks, the mutation hook and webhooks: a real engine over a real cluster, and real web
//! servers.
#![allow(clippy::unwrap_used, reason = "what goes wrong in a test fails it")]

#[path = "../../examples/callbacks.rs"]
mod example;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "the whole-program tests use all of it")]
mod support;

mod changes;
mod faults;
mod house;
mod moments;
mod recorder;
mod web_server;
mod webhook_faults;
mod webhooks;
