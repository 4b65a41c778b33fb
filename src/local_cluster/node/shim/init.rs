//! The first process of a container: walks in, then becomes the command.

use std::convert::Infallible;
use std::fs;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{sethostname, setsid};

use super::dir::ContainerDir;
use super::identity::Powers;
use super::plan::{ContainerPlan, Isolation, Limits};
use super::{identity, program, root, signals};

/// The exit code of a container whose command could not be started.
const NOT_STARTED: u8 = 128;

/// Becomes the command of the container in `dir`; returns only if that fails.
#[must_use]
pub fn run(dir: &Path, powers: Powers) -> ExitCode {
    let dir = ContainerDir::new(dir);
    // Standard input is a socket to the shim. Our copy of it closes by itself when the command
    // takes over, which is how the shim learns the moment.
    let Ok(socket) = io::stdin().as_fd().try_clone_to_owned() else {
        return ExitCode::from(NOT_STARTED);
    };
    let mut shim = UnixStream::from(socket);
    let Err(error) = become_command(&dir, powers, &mut shim);
    // If the shim is gone too there is nobody left to tell.
    let _ = shim.write_all(error.to_string().as_bytes());
    ExitCode::from(NOT_STARTED)
}

fn become_command(
    dir: &ContainerDir,
    powers: Powers,
    shim: &mut UnixStream,
) -> io::Result<Infallible> {
    let plan = dir.plan()?;
    setsid()?;
    match plan.isolation {
        Isolation::Namespaces => enter(dir, &plan, powers, shim)?,
        Isolation::Plain => {}
    }
    // From here on the death of the shim is ours: without it nobody would know how we end.
    set_pdeathsig(Signal::SIGKILL)?;
    limit(&plan.limits)?;
    start_in(&plan.working_dir)?;
    let (name, arguments) = plan
        .command
        .split_first()
        .ok_or(io::ErrorKind::InvalidInput)?;
    let path = program::find(name, plan.env_value("PATH"))?;
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
    signals::reset()?;
    let error = Command::new(path)
        .arg0(name)
        .args(arguments)
        .env_clear()
        .envs(plan.env.iter().map(|(key, value)| (key, value)))
        .stdin(Stdio::null())
        .exec();
    Err(program::refused(name, &error))
}

fn enter(
    dir: &ContainerDir,
    plan: &ContainerPlan,
    powers: Powers,
    shim: &mut UnixStream,
) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS)?;
    sethostname(&plan.hostname)?;
    root::enter(dir, plan, powers)?;
    match powers {
        Powers::Machine => identity::leave_host(shim),
        Powers::User => Ok(()),
    }
}

/// Sets what the processes of a container may use.
///
/// # Errors
/// When a limit cannot be set.
pub fn limit(limits: &Limits) -> io::Result<()> {
    let each = [
        (Resource::RLIMIT_NPROC, limits.processes),
        (Resource::RLIMIT_FSIZE, limits.file_bytes),
        (Resource::RLIMIT_CORE, 0),
    ];
    for (resource, wanted) in each {
        // A limit that was set for ourselves may be lower still, and cannot be raised.
        let (_, most) = getrlimit(resource)?;
        let value = wanted.min(most);
        setrlimit(resource, value, value)?;
    }
    Ok(())
}

/// As container runtimes do, makes a working directory that is missing.
fn start_in(working_dir: &Path) -> io::Result<()> {
    let entered = std::env::set_current_dir(working_dir).or_else(|_| {
        fs::create_dir_all(working_dir)?;
        std::env::set_current_dir(working_dir)
    });
    entered.map_err(|error| {
        let shown = working_dir.display();
        io::Error::new(error.kind(), format!("working directory {shown}: {error}"))
    })
}
