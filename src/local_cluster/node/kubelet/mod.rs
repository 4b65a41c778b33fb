//! What a kubelet does for the pods of its node.
//!
//! Pure: [`state`], [`machine`], [`status`], [`conditions`]. Everything else touches the disk, the
//! store or processes; [`worker`] ties both together, one task a pod, and [`simulation`] does so for
//! all pods whose containers are made up.

mod conditions;
mod environment;
mod images;
pub mod intake;
mod last_words;
mod launch;
mod machine;
pub(super) mod place;
mod preparation;
#[cfg(test)]
mod recorded;
pub(super) mod shared;
pub(super) mod simulation;
mod state;
pub(super) mod status;
mod telling;
pub(super) mod values;
mod volumes;
pub(super) mod worker;
