//! The vocabulary of a task: what it is called, what a user may write about it, which states it
//! goes through and what it leaves behind.
//!
//! Pure: no I/O, no clock, no tokio, and nothing else of this crate but the type of a moment.
//! Plain data that two adapters must agree on (pod identities, log lines, trigger rows) lives
//! here too, because adapters never import each other.

pub mod deferral;
pub mod file;
pub mod id;
pub mod log;
pub mod outcome;
pub mod pods;
pub mod retry;
pub mod state;
pub mod template;
