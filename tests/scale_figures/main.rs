//! Small forms of the figures of scale, as far as they do not depend on a clock: what one task
//! costs in requests and rows, what one more costs that waits, and that many steps at once do not
//! wait for one another. (What a waiting task costs in bytes: tests/waiter_memory.)

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set its stage has failed"
)]

mod lives;
mod steps;
mod watch;

#[path = "../pod_adapters/answer.rs"]
mod answer;
#[allow(dead_code, reason = "shared with tests that ask for more failures")]
#[path = "../pod_adapters/api.rs"]
mod api;
#[allow(dead_code, reason = "shared with tests that put more on the stage")]
#[path = "../pod_adapters/stage.rs"]
mod stage;
#[path = "../pod_adapters/streams.rs"]
mod streams;

use std::time::Duration;

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);
