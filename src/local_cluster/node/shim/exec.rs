//! Running another command inside a container that runs.
//!
//! A process of its own joins the container's namespaces and spawns the command there; its
//! standard streams are handed through. How the command ended goes into a file, because an exit
//! code cannot tell a command that failed from one that could not be started.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, killpg};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Pid, geteuid};
use serde::{Deserialize, Serialize};

use super::dir::ContainerDir;
use super::init;
use super::plan::{ContainerPlan, Isolation, StartRecord};
use super::{program, signals, terminal};

/// Between two looks at whether the container still runs.
const LOOK: Duration = Duration::from_millis(20);

/// How a command inside a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecEnd {
    /// It ran and ended with this code; 128 + signal for a death by signal.
    Exited(i32),
    /// It could not be started, and why.
    NotStarted(String),
}

/// Runs `command` in the container in `dir` and writes how that ended to `report`. If there is a
/// named pipe beside the report ([`sizes_beside`]) the command gets a terminal.
#[must_use]
pub fn run(dir: &Path, report: &Path, command: &[OsString]) -> ExitCode {
    let dir = ContainerDir::new(dir);
    // Opened before the namespaces are joined: there the paths mean nothing.
    let sizes = terminal::open_sizes(&sizes_beside(report)).ok();
    let (Ok(mut report), Ok(own)) = (File::create(report), File::open("/proc/self/exe")) else {
        return ExitCode::FAILURE;
    };
    let end = match serve(&dir, command, &own, sizes) {
        Ok(end) => end,
        Err(error) => ExecEnd::NotStarted(error.to_string()),
    };
    let written = serde_json::to_vec(&end)
        .map_err(io::Error::other)
        .and_then(|bytes| report.write_all(&bytes));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// The pipe that carries the sizes of the terminal of the command that reports to `report`.
#[must_use]
pub fn sizes_beside(report: &Path) -> PathBuf {
    report.with_extension("sizes")
}

fn serve(
    dir: &ContainerDir,
    command: &[OsString],
    own: &File,
    sizes: Option<File>,
) -> io::Result<ExecEnd> {
    let plan = dir.plan()?;
    let start = dir.start()?.ok_or(io::ErrorKind::NotFound)?;
    let (name, arguments) = command
        .split_first()
        .ok_or_else(|| io::Error::other("exec: no command was given"))?;
    let name = name.to_string_lossy();
    if plan.isolation == Isolation::Namespaces {
        join(&start)?;
    }
    init::limit(&plan.limits)?;
    std::env::set_current_dir(&plan.working_dir)?;
    let path = program::find(&name, plan.env_value("PATH"))?;
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
    signals::reset()?;
    if let Some(sizes) = sizes {
        let mut env = plan.env.clone();
        if plan.env_value("TERM").is_none() {
            // Programs that draw on a terminal must know one that there is.
            env.push(("TERM".to_owned(), "xterm".to_owned()));
        }
        let status = terminal::run(own, sizes, &path, command, &env)?;
        return Ok(ended(status));
    }
    let child = Command::new(path)
        .args(arguments)
        .env_clear()
        .envs(plan.env.iter().map(|(key, value)| (key, value)))
        .spawn()
        .map_err(|error| program::refused(&name, &error))?;
    Ok(ended(wait(child, &plan, &start)?))
}

fn ended(status: ExitStatus) -> ExecEnd {
    let by_signal = status.signal().map(|signal| 128 + signal);
    ExecEnd::Exited(by_signal.or(status.code()).unwrap_or(1))
}

/// Joins every namespace of the container; children are inside.
fn join(start: &StartRecord) -> io::Result<()> {
    if !start.alive() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let spaces = PathBuf::from(format!("/proc/{}/ns", start.pid));
    let open = |name: &str| File::open(spaces.join(name));
    let user = (open("user")?, CloneFlags::CLONE_NEWUSER);
    let others = [
        (open("mnt")?, CloneFlags::CLONE_NEWNS),
        (open("pid")?, CloneFlags::CLONE_NEWPID),
        (open("ipc")?, CloneFlags::CLONE_NEWIPC),
        (open("uts")?, CloneFlags::CLONE_NEWUTS),
    ];
    // The machine's root needs its powers to enter and gives them up last; an ordinary user gets
    // the powers to enter from the user namespace and needs it first.
    let own = fs::metadata("/proc/self/ns/user")?;
    let same = std::os::unix::fs::MetadataExt::ino(&own)
        == std::os::unix::fs::MetadataExt::ino(&user.0.metadata()?);
    let all: Vec<_> = if geteuid().is_root() {
        others.into_iter().chain([user]).collect()
    } else {
        [user].into_iter().chain(others).collect()
    };
    for (space, kind) in all {
        if kind != CloneFlags::CLONE_NEWUSER || !same {
            setns(space, kind)?;
        }
    }
    Ok(())
}

/// In a namespace the kernel ends the command with the container; without, we do.
fn wait(mut child: Child, plan: &ContainerPlan, start: &StartRecord) -> io::Result<ExitStatus> {
    if plan.isolation == Isolation::Namespaces {
        return child.wait();
    }
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if !start.alive() {
            let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
            // Errors mean that it has just ended by itself.
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
            let _ = child.kill();
        }
        std::thread::sleep(LOOK);
    }
}
