//! The bytes that travel through a shim's two named pipes.

/// To the shim: send the first process SIGTERM.
pub const TERM: u8 = b'T';
/// To the shim: end the container at once, all of it.
pub const KILL: u8 = b'K';
/// From the shim: the command runs.
pub const STARTED: &[u8] = b"S";
/// To the shim: put the log aside and begin a new one.
pub const ROTATE: u8 = b'R';
