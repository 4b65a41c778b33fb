//! The local cluster as processes: starting, stopping and finding them.
//!
//! The server is this same program, detached from whoever started it: it lives until it is told
//! to stop. A cluster is a directory; whoever holds the lock in it is that cluster's server.

mod control;
mod credentials;
mod dir;
mod info;
mod launch;
mod server;

use std::ffi::OsString;
use std::process::ExitCode;

pub use dir::ClusterDir;
pub use info::{ClusterError, ClusterInfo, Settings, StartOptions};
pub use launch::{start, status, stop};

/// The hidden first argument that makes this program a cluster's server.
const SERVER: &str = "__cluster-server";

/// The hidden first argument that makes this program end what a dead server left running.
const END: &str = "__cluster-end";

/// Runs one of the local cluster's own processes if `args` (the program's name first) asks for
/// one. Must be called before the process has a second thread.
#[must_use]
pub fn entry(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut args = args.into_iter().skip(1);
    let name = args.next()?;
    let name = name
        .to_str()
        .filter(|name| name.starts_with("__cluster-"))?;
    let rest: Vec<OsString> = args.collect();
    if name == SERVER {
        return Some(server::run(&rest));
    }
    if name == END {
        return Some(server::end(&rest));
    }
    super::node::entry(name, &rest)
}
