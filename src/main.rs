//! The `adjourn` program: parse, run, map to an exit code.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The local cluster's own processes (its server, one shim per container) are this same binary.
    // They are told apart before anything starts a thread: a shim must be single-threaded when it
    // enters its namespaces.
    if let Some(code) = adjourn::local_cluster::process::entry(std::env::args_os()) {
        return code;
    }
    if let Some(code) = adjourn::cli::answered() {
        return code;
    }
    #[cfg(feature = "failpoints")]
    if let Err(words) = adjourn::failpoint::arm() {
        eprintln!("error: {words}");
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the runtime does not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(adjourn::cli::run());
    // A thread that waits for a reader of our output, or for stdin, must not hold up the end.
    runtime.shutdown_background();
    code
}
