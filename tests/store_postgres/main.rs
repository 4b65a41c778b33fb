//! The suite of the store once more, on a PostgreSQL server. What is about files alone is left out.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be; its shared parts too"
)]

#[path = "../store/claims.rs"]
mod claims;
#[path = "../store/limits.rs"]
mod limits;
#[path = "../store/model.rs"]
mod model;
mod place;
#[path = "../store/random.rs"]
mod random;
mod replicas;
#[path = "../store/support.rs"]
mod support;
#[path = "../store/together.rs"]
mod together;
#[path = "../store/views.rs"]
mod views;
#[path = "../support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "shared with tests that ask for more"
)]
mod whole_program;
#[path = "../store/writes.rs"]
mod writes;
