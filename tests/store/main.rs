//! The store: idempotent submits, fenced writes, events that fire once, views for people.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be; its shared parts too"
)]

mod claims;
mod files;
mod limits;
mod model;
mod place;
mod random;
mod support;
mod together;
mod upgrades;
mod views;
mod writes;
