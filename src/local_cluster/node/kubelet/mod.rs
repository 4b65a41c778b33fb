//! What a kubelet does for the pods of its node.
//!
//! Pure: [`state`], [`machine`], [`status`], [`conditions`]. Everything else touches the disk, the
//! store or processes; [`worker`] ties both together, one task a pod.

mod conditions;
mod environment;
mod handle;
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
mod state;
pub(super) mod status;
pub(super) mod values;
mod volumes;
pub(super) mod worker;
