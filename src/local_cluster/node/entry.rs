//! The node's own processes: the same program, told apart by a hidden first argument.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use super::shim::identity::Powers;
use super::shim::{EXEC, INIT, SHIM, TERMINAL, exec, init, supervise, terminal};

/// The exit code for arguments that nobody but a person can have given.
const MISUSED: u8 = 2;

/// Runs the hidden command `name`, if it is one of the node's. Must be called before this process
/// has a second thread.
#[must_use]
pub fn entry(name: &str, arguments: &[OsString]) -> Option<ExitCode> {
    let ran = match (name, arguments) {
        (SHIM, [dir]) => supervise::run(Path::new(dir)),
        (INIT, [dir, powers]) => match powers.to_str().and_then(Powers::from_name) {
            Some(powers) => init::run(Path::new(dir), powers),
            None => misused(name),
        },
        (EXEC, [dir, report, command @ ..]) => {
            exec::run(Path::new(dir), Path::new(report), command)
        }
        (TERMINAL, [name, program, words @ ..]) => {
            terminal::become_command(name, Path::new(program), words)
        }
        (SHIM | INIT | EXEC | TERMINAL, _) => misused(name),
        _ => return None,
    };
    Some(ran)
}

fn misused(name: &str) -> ExitCode {
    let _ = writeln!(
        io::stderr(),
        "{name} is for the local cluster's own use; try `cluster start` instead"
    );
    ExitCode::from(MISUSED)
}
