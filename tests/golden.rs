//! What the real operator built and decided, case by case: ours must be the same.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a case that cannot be read fails its test, and JSON values have many kinds"
)]

#[path = "golden/helpers.rs"]
mod helpers;
#[path = "golden/pod_specs.rs"]
mod pod_specs;
#[path = "golden/validation.rs"]
mod validation;
