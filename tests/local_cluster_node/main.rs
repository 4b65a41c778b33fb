//! The local cluster's node, driven through its object store: real processes, real shims.
#![allow(clippy::unwrap_used, reason = "tests")]

mod bench;
mod ends;
mod isolation;
mod life;
mod logs;
mod simulated;
mod waiting;
