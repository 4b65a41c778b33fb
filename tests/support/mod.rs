//! What whole-program tests stand on: a cluster that all share, a home for each test, processes
//! that are heard while they run.
//!
//! With `ADJOURN_TEST_KUBECONFIG` the tests use that cluster instead of the local one, and
//! `ADJOURN_TEST_IMAGE` (busybox by default) for their pods.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be; its shared parts too"
)]

mod cluster;
mod diary;
#[allow(dead_code, reason = "for those who check everything that must hold")]
mod ends;
mod home;
#[allow(dead_code, reason = "for the tests of several daemons alone")]
mod postgres;
mod process;
mod proxy;
mod tasks;

use std::time::{Duration, Instant};

pub use cluster::{Cluster, cluster};
pub use diary::Diary;
#[allow(
    unused_imports,
    reason = "for those who check everything that must hold"
)]
pub use ends::{End, Lines, Tally, finds_nothing, judge, nothing_is_left};
pub use home::Home;
#[allow(unused_imports, reason = "for the tests of several daemons alone")]
pub use postgres::{Postgres, Stop, postgres};
pub use process::{Finished, Running};
pub use proxy::Proxy;
pub use tasks::{image, script, with};

/// How long anything may take before a test fails: far longer than it does take.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks at something that gives no sign of its own.
const LOOK: Duration = Duration::from_millis(20);

/// Looks until `look` sees something.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < until, "in vain waited for {what}");
        std::thread::sleep(LOOK);
    }
}
