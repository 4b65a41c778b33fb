//! The `adjourn` program: parse, run, map to an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    // The local cluster's own processes (its server, one shim per container) are this same binary.
    // They are told apart before anything starts a thread: a shim must be single-threaded when it
    // enters its namespaces.
    if let Some(code) = adjourn::local_cluster::process::entry(std::env::args_os()) {
        return code;
    }
    ExitCode::SUCCESS
}
