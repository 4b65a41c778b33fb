//! Bounds that an engine keeps while it works: on active pods, on what is read at once, on how
//! much of a log is kept and for how long. Counted, never timed.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set its stage has failed"
)]

#[path = "../pod_adapters/answer.rs"]
mod answer;
#[allow(dead_code, reason = "shared with tests that ask for other failures")]
#[path = "../pod_adapters/api.rs"]
mod api;
#[allow(dead_code, reason = "shared with tests that look at other things")]
#[path = "../pains/room.rs"]
mod room;
#[allow(dead_code, reason = "shared with tests that put more on the stage")]
#[path = "../pod_adapters/stage.rs"]
mod stage;
#[path = "../pod_adapters/streams.rs"]
mod streams;

mod logs;
mod pods;
mod retention;
