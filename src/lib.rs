//! Adjourn runs Kubernetes pods as durable, deferrable tasks.

pub mod clock;
pub mod config;
pub mod doctor;
pub mod engine;
#[doc(hidden)]
pub mod failpoint;
pub mod http;
#[doc(hidden)]
pub mod listen;
pub mod local_cluster;
pub mod operator;
pub mod pod;
pub mod service;
pub mod store;
pub mod task;
pub mod telemetry;
pub mod trigger;

#[doc(hidden)]
pub mod cli;
