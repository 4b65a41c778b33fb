//! The Kubernetes adapters over real HTTP, against a small API server that can fail on demand.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set its stage has failed"
)]

#[path = "pod_adapters/answer.rs"]
mod answer;
#[allow(dead_code, reason = "shared with tests that ask for other failures")]
#[path = "pod_adapters/api.rs"]
mod api;
#[path = "pod_adapters/lifecycle.rs"]
mod lifecycle;
#[path = "pod_adapters/local_cluster.rs"]
mod local_cluster;
#[path = "pod_adapters/logs.rs"]
mod logs;
#[path = "pod_adapters/stage.rs"]
mod stage;
#[path = "pod_adapters/streams.rs"]
mod streams;
#[path = "pod_adapters/watch.rs"]
mod watch;
#[path = "pod_adapters/watch_linger.rs"]
mod watch_linger;
#[path = "pod_adapters/watch_trouble.rs"]
mod watch_trouble;
