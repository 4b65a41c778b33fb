//! The local cluster as processes: starting, stopping and finding them.

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs one of the local cluster's own processes if `args` asks for one.
#[must_use]
pub fn entry(_args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    None
}
