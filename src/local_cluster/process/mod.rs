//! The local cluster as processes: starting, stopping and finding them.

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs one of the local cluster's own processes if `args` asks for one.
#[must_use]
pub fn entry(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut args = args.into_iter().skip(1);
    let name = args.next()?;
    let rest: Vec<_> = args.collect();
    super::node::entry(name.to_str()?, &rest)
}
