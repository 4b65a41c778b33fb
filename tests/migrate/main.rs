//! `adjourn migrate`: everything of an SQLite file on a PostgreSQL server, whatever comes between.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be"
)]

#[path = "../support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "shared with tests that ask for more"
)]
mod support;

mod deaths;
mod differences;
mod place;
mod refusals;
mod whole;
