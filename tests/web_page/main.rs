//! The web page as a person sees it: a real daemon, a real cluster, Chromium.
//!
//! Chromium is found as `chromium`; on Debian and its kin, `apt-get install chromium` brings it.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be; its shared parts too"
)]

#[path = "../support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "shared with tests that ask for more"
)]
mod support;

mod browser;
mod charts;
mod guarded;
mod pages;
mod plain;
mod shots;
mod site;
