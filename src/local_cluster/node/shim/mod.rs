//! The processes that surround a container's command.
//!
//! Each container has a [shim](supervise) outside, which spawns a [first process](init) that walks
//! into the container and becomes the command. They know the container's directory and nothing of
//! pods or of the cluster. All of it is single-threaded, blocking code.

pub(super) mod dir;
pub mod exec;
pub(super) mod identity;
pub(super) mod init;
mod inside;
pub(super) mod log_writer;
mod memory;
pub(super) mod orders;
pub(super) mod plan;
mod program;
mod root;
mod root_devices;
mod root_mounts;
mod root_volumes;
mod signals;
mod submounts;
pub(super) mod supervise;
mod survivors;
pub(super) mod terminal;

/// The hidden command that runs a shim.
pub const SHIM: &str = "__cluster-shim";
/// The hidden command that becomes a container's command.
pub const INIT: &str = "__cluster-init";
/// The hidden command that runs another command inside a container.
pub const EXEC: &str = "__cluster-exec";
/// The hidden command that becomes a command on a terminal.
pub const TERMINAL: &str = "__cluster-terminal";
