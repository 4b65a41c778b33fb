//! Adjourn runs Kubernetes pods as durable, deferrable tasks.

pub mod clock;
pub mod config;
pub mod doctor;
pub mod engine;
#[doc(hidden)]
pub mod failpoint;
pub mod http;
#[doc(hidden)]
pub mod http_client;
#[doc(hidden)]
pub mod listen;
pub mod local_cluster;
#[doc(hidden)]
pub mod metrics;
pub mod operator;
pub mod pod;
#[doc(hidden)]
pub mod remote;
pub mod service;
pub mod store;
pub mod task;
pub mod telemetry;
pub mod trigger;

#[doc(hidden)]
pub mod cli;
