//! What whoever writes a wrong task file is told, by the program itself: one message for each of
//! some two hundred faults. The snapshots are to be read as somebody does at night.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be; its shared parts too"
)]

mod limits;
mod places;
#[allow(dead_code, reason = "not all of it is of use here")]
#[path = "../cli_offline/sandbox.rs"]
mod sandbox;
mod tables;
