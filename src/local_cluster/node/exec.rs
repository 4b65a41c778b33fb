//! Commands that are run inside containers on somebody's behalf.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::stat::Mode;
use nix::unistd::{geteuid, mkfifo};
use serde_json::Value;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use super::kubelet::place::PodPlace;
use super::kubelet::shared::Shared;
use super::logs::status_of;
use super::shim::EXEC;
use super::shim::exec::{ExecEnd, sizes_beside};
use super::shim::plan::Isolation;
use super::shim::terminal::open_sizes;

/// What is to be run, and which streams are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecRequest {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Whether something will be sent to it.
    pub stdin: bool,
    /// Whether its output is wanted.
    pub stdout: bool,
    /// Whether its error output is wanted.
    pub stderr: bool,
}

/// Why nothing can be run.
#[derive(Debug, thiserror::Error)]
pub enum ExecRefusal {
    /// The container does not run (any more, or yet).
    #[error("container not found ({0:?})")]
    NotRunning(String),
    /// Nobody reaches the node.
    #[error("error dialing backend: {0}")]
    Unreachable(String),
    /// This node cannot do it.
    #[error("{0}")]
    Unsupported(String),
    /// The machine is in the way.
    #[error("starting a command in the container: {0}")]
    Machine(#[from] io::Error),
}

/// A command that runs in a container. Dropping it does not end the command.
#[derive(Debug)]
pub struct ExecSession {
    /// Its input, if asked for; dropping it is the end of the input.
    pub stdin: Option<ChildStdin>,
    /// Its output, if asked for.
    pub stdout: Option<ChildStdout>,
    /// Its error output, if asked for.
    pub stderr: Option<ChildStderr>,
    /// Its terminal, if it has one.
    pub terminal: Option<Terminal>,
    child: Child,
    report: PathBuf,
}

/// The terminal of a command, as whoever sits before it sees it.
#[derive(Debug)]
pub struct Terminal(File);

impl Terminal {
    /// Sets its size.
    ///
    /// # Errors
    /// When the command cannot be reached.
    pub fn resize(&self, columns: u16, rows: u16) -> io::Result<()> {
        (&self.0).write_all(format!("{columns} {rows}\n").as_bytes())
    }
}

impl ExecSession {
    /// Waits for the end of the command. Its output may go on after it: a process that it has
    /// left behind may hold it.
    ///
    /// # Errors
    /// When nobody can tell how it ended.
    pub async fn wait(&mut self) -> io::Result<ExecEnd> {
        let status = self.child.wait().await?;
        let report = fs::read(&self.report)?;
        let end = serde_json::from_slice(&report).map_err(|_| {
            io::Error::other(format!(
                "the command's guard ended without a word ({status})"
            ))
        });
        // Whoever runs the node would otherwise collect them.
        let _ = fs::remove_file(&self.report);
        let _ = fs::remove_file(sizes_beside(&self.report));
        end
    }
}

/// Runs a command in `container` of `pod`, whose object is as the caller has just read it.
///
/// # Errors
/// Why it cannot be run.
pub fn exec(
    shared: &Shared,
    pod: &Value,
    container: &str,
    request: &ExecRequest,
    terminal: bool,
) -> Result<ExecSession, ExecRefusal> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    if shared.is_lost() {
        return Err(ExecRefusal::Unreachable(shared.unreachable()));
    }
    let status = status_of(pod, container);
    let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
    let place = PodPlace::new(&shared.config.state_dir, uid);
    if status["state"].get("running").is_none() {
        return Err(ExecRefusal::NotRunning(container.to_owned()));
    }
    if shared.config.simulate {
        let why = "simulated containers have no process to run a command beside";
        return Err(ExecRefusal::Unsupported(why.to_owned()));
    }
    if shared.grounds.isolation == Isolation::Plain && geteuid().is_root() {
        // Clients end a container by a signal to process 1, which would be the machine's own.
        return Err(ExecRefusal::Unsupported(
            "exec as root takes Linux namespaces, because process 1 of a plain container is the \
             machine's own: run the cluster as an ordinary user"
                .to_owned(),
        ));
    }
    let Some(number) = place.newest_run(container) else {
        return Err(ExecRefusal::NotRunning(container.to_owned()));
    };
    let dir = place.run(container, number);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let report = dir
        .path()
        .join(format!("exec-{}-{count}.json", std::process::id()));
    File::create(&report)?;
    let terminal = terminal
        .then(|| make_sizes(&sizes_beside(&report)).map(Terminal))
        .transpose()?;
    let piped = |wanted| {
        if wanted {
            Stdio::piped()
        } else {
            Stdio::null()
        }
    };
    let mut child = Command::new(&shared.config.program)
        .arg(EXEC)
        .arg(dir.path())
        .arg(&report)
        .args(&request.command)
        .env_clear()
        .stdin(piped(request.stdin))
        .stdout(piped(request.stdout))
        .stderr(piped(request.stderr))
        .process_group(0)
        .spawn()?;
    Ok(ExecSession {
        stdin: child.stdin.take(),
        stdout: child.stdout.take(),
        stderr: child.stderr.take(),
        terminal,
        child,
        report,
    })
}

fn make_sizes(path: &Path) -> io::Result<File> {
    mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR)?;
    open_sizes(path)
}
