//! Starting a cluster's server, finding it, and stopping it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::control::{self, Wish};
use super::dir::{ClusterDir, lock_file};
use super::info::{ClusterError, ClusterInfo, StartOptions};
use super::{END, SERVER};

/// Between two looks at a process that is starting or stopping.
const LOOK: Duration = Duration::from_millis(10);
/// How long a server may take to end its pods and itself.
const STOP_PATIENCE: Duration = Duration::from_secs(60);
/// A log larger than this is begun anew.
const LOG_LIMIT: u64 = 4 * 1024 * 1024;
/// What of the caller's environment the server gets: nothing secret, nothing of the caller's
/// working place.
const KEPT_ENVIRONMENT: [&str; 8] = [
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "RUST_LOG",
];

/// The running cluster of `dir`; none if none runs.
#[must_use]
pub fn status(dir: &ClusterDir) -> Option<ClusterInfo> {
    control::tell(dir, Wish::Status)
}

/// Starts the cluster of `dir` and waits until it answers. If it runs already, that is told:
/// several callers at once start one server. Blocks its thread.
///
/// # Errors
///
/// The directory cannot be used, or the server does not come up.
pub fn start(dir: &ClusterDir, options: &StartOptions) -> Result<ClusterInfo, ClusterError> {
    if let Some(info) = status(dir) {
        return Ok(info);
    }
    let until = Instant::now() + options.patience;
    let in_dir = |source| ClusterError::Directory {
        path: dir.path().to_owned(),
        source,
    };
    dir.create().map_err(in_dir)?;
    let _starting = hold(dir, &dir.start_lock(), until)?;
    if let Some(info) = status(dir) {
        return Ok(info);
    }
    // A server that is stopping still holds its lock: the next one must wait for it.
    drop(hold(dir, &dir.server_lock(), until)?);
    let mut server = spawn(dir, options)?;
    loop {
        if let Some(info) = status(dir) {
            return Ok(info);
        }
        if let Some(status) = server.try_wait().map_err(in_dir)? {
            return Err(ClusterError::Ended {
                status: status.to_string(),
                last_words: last_words(&dir.log()),
                log: dir.log(),
            });
        }
        if Instant::now() > until {
            // Half a start helps nobody. Errors mean that it has ended by itself.
            let _ = server.kill();
            let _ = server.wait();
            return Err(ClusterError::Silent {
                patience: options.patience,
                log: dir.log(),
            });
        }
        std::thread::sleep(LOOK);
    }
}

/// Stops the cluster of `dir`, its pods' processes included, and waits until it is gone. Returns
/// what was stopped; none if no server ran, and then what a killed server left running is ended.
/// Blocks its thread.
///
/// # Errors
///
/// The server or a container does not end.
pub fn stop(dir: &ClusterDir) -> Result<Option<ClusterInfo>, ClusterError> {
    if !dir.path().exists() {
        return Ok(None);
    }
    let until = Instant::now() + STOP_PATIENCE;
    let _starting = hold(dir, &dir.start_lock(), until)?;
    let Some(info) = control::tell(dir, Wish::Stop) else {
        drop(hold(dir, &dir.server_lock(), until)?);
        return end_containers(dir).map(|()| None);
    };
    match hold(dir, &dir.server_lock(), until) {
        Ok(_) => Ok(Some(info)),
        Err(ClusterError::Busy { .. }) => {
            // It has had its time, and holds the lock, so that the pid is still its own.
            if let Ok(pid) = i32::try_from(info.pid) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            hold(
                dir,
                &dir.server_lock(),
                Instant::now() + Duration::from_secs(5),
            )?;
            Ok(Some(info))
        }
        Err(error) => Err(error),
    }
}

/// Ends the containers of a cluster whose server is gone.
fn end_containers(dir: &ClusterDir) -> Result<(), ClusterError> {
    let (Ok(program), true) = (fs::read(dir.program()), dir.node().exists()) else {
        return Ok(());
    };
    let program = PathBuf::from(OsString::from_vec(program));
    let failed = |source| ClusterError::Spawn {
        program: program.clone(),
        source,
    };
    let path = fs::canonicalize(dir.path()).map_err(failed)?;
    let log = open_log(&dir.log()).map_err(failed)?;
    let ended = command(&program)
        .arg(END)
        .arg(path)
        .stderr(log)
        .status()
        .map_err(failed)?;
    if ended.success() {
        return Ok(());
    }
    Err(ClusterError::Ended {
        status: ended.to_string(),
        last_words: last_words(&dir.log()),
        log: dir.log(),
    })
}

/// Takes a lock, waiting until `until` for whoever has it.
fn hold(dir: &ClusterDir, path: &Path, until: Instant) -> Result<File, ClusterError> {
    let in_dir = |source| ClusterError::Directory {
        path: dir.path().to_owned(),
        source,
    };
    let file = lock_file(path).map_err(in_dir)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(LOOK),
            Err(TryLockError::WouldBlock) => {
                return Err(ClusterError::Busy {
                    path: dir.path().to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(in_dir(error)),
        }
    }
}

fn spawn(dir: &ClusterDir, options: &StartOptions) -> Result<Child, ClusterError> {
    let failed = |source| ClusterError::Spawn {
        program: options.program.clone(),
        source,
    };
    let program = fs::canonicalize(&options.program).map_err(failed)?;
    let path = fs::canonicalize(dir.path()).map_err(failed)?;
    let settings = serde_json::to_string(&options.settings)
        .map_err(|error| failed(io::Error::other(error)))?;
    let log = open_log(&dir.log()).map_err(failed)?;
    command(&program)
        .arg(SERVER)
        .arg(path)
        .arg(settings)
        .stderr(log)
        .spawn()
        .map_err(failed)
}

/// This program as a process of its own, with nothing of the caller's that it does not need.
fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs(
            KEPT_ENVIRONMENT
                .into_iter()
                .filter_map(|name| Some((name, std::env::var_os(name)?))),
        )
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

fn open_log(path: &Path) -> io::Result<File> {
    let large = fs::metadata(path).is_ok_and(|found| found.len() > LOG_LIMIT);
    if large {
        fs::rename(path, path.with_extension("log.old"))?;
    }
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

/// The last line of the log.
fn last_words(log: &Path) -> String {
    fs::read_to_string(log)
        .unwrap_or_default()
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("it said nothing")
        .to_owned()
}
