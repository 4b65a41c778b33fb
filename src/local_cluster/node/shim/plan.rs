//! The files by which the node and a container's shim speak to each other.
//!
//! They lie in the container's own directory and are the whole protocol: whoever starts later (a
//! restarted server) reads the same files. Each carries a version.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The version of the formats in this file.
const VERSION: u32 = 1;

/// How far a container is kept apart from the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// Own mount, PID, IPC, UTS and user namespaces; the host's programs are the root file system.
    Namespaces,
    /// A process group on the host as it is.
    Plain,
}

/// A directory or file of the host that appears inside the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountPlan {
    /// Where it lies on the host.
    pub source: PathBuf,
    /// Where it appears; made if it is missing.
    pub target: PathBuf,
    /// Whether the container may only read it.
    pub read_only: bool,
}

/// Limits of a container's processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// How many processes its user may have.
    pub processes: u64,
    /// The size of the largest file that it may write, in bytes.
    pub file_bytes: u64,
    /// The size of what it writes outside volumes, in bytes (namespaces only).
    pub scratch_bytes: u64,
    /// How much memory all of them may have together, in bytes.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
}

/// When the log file is put aside for a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPlan {
    /// The size from which it is put aside, in bytes.
    pub max_bytes: u64,
    /// How often the size is looked at, in milliseconds.
    pub check_millis: u64,
}

/// All that a shim is told about its container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerPlan {
    version: u32,
    /// Program and arguments, never empty.
    pub command: Vec<String>,
    /// The whole environment; nothing is inherited.
    pub env: Vec<(String, String)>,
    /// The directory to start in.
    pub working_dir: PathBuf,
    /// The host name inside.
    pub hostname: String,
    /// Volumes and single files.
    pub mounts: Vec<MountPlan>,
    /// Directories of the host that the container must not see.
    pub hidden: Vec<PathBuf>,
    /// Whether the root file system may only be read.
    pub read_only_root: bool,
    /// How far it is kept apart.
    pub isolation: Isolation,
    /// Limits of its processes.
    pub limits: Limits,
    /// What happens to its log file.
    pub log: LogPlan,
}

impl ContainerPlan {
    /// A plan with the given command and everything else at its plainest.
    #[must_use]
    pub fn new(command: Vec<String>, isolation: Isolation, limits: Limits, log: LogPlan) -> Self {
        Self {
            version: VERSION,
            command,
            env: Vec::new(),
            working_dir: PathBuf::from("/"),
            hostname: "localhost".to_owned(),
            mounts: Vec::new(),
            hidden: Vec::new(),
            read_only_root: false,
            isolation,
            limits,
            log,
        }
    }

    /// The value that the container's environment gives `name`.
    #[must_use]
    pub fn env_value(&self, name: &str) -> Option<&str> {
        let found = self.env.iter().rev().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// That the command runs, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartRecord {
    version: u32,
    /// The container's first process, as the host numbers it.
    pub pid: i32,
    /// When that process began, in the kernel's own count, so that a reused number is noticed.
    pub birth: Option<u64>,
    /// When the command was started.
    pub started_at: Timestamp,
}

impl StartRecord {
    /// A record for `pid`.
    #[must_use]
    pub fn new(pid: i32, started_at: Timestamp) -> Self {
        Self {
            version: VERSION,
            pid,
            birth: birth(pid),
            started_at,
        }
    }

    /// Whether that very process is still there.
    #[must_use]
    pub fn alive(&self) -> bool {
        self.birth.is_some() && birth(self.pid) == self.birth
    }
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    version: u32,
    /// The exit code as a shell would tell it: 128 + signal for a death by signal.
    pub exit_code: i32,
    /// When the command was started; none if it could not be.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Timestamp,
    /// Why it could not be started.
    pub start_error: Option<String>,
    /// Whether it was ended because it took too much memory.
    #[serde(default)]
    pub out_of_memory: bool,
}

impl ExitRecord {
    /// The end of a command that ran.
    #[must_use]
    pub fn ended(exit_code: i32, started_at: Timestamp, finished_at: Timestamp) -> Self {
        Self {
            version: VERSION,
            exit_code,
            started_at: Some(started_at),
            finished_at,
            start_error: None,
            out_of_memory: false,
        }
    }

    /// A command that could not be started. Such a container ends with code 128.
    #[must_use]
    pub fn not_started(why: String, at: Timestamp) -> Self {
        Self {
            version: VERSION,
            exit_code: 128,
            started_at: None,
            finished_at: at,
            start_error: Some(why),
            out_of_memory: false,
        }
    }
}

/// The directory of one run of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerDir(PathBuf);

impl ContainerDir {
    /// The directory at `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The log file that is being written.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    /// The log file that was put aside last.
    #[must_use]
    pub fn old_log(&self) -> PathBuf {
        self.0.join("log.1")
    }

    /// What the container leaves as its last words.
    #[must_use]
    pub fn termination_log(&self) -> PathBuf {
        self.0.join("termination-log")
    }

    /// The pipe that the shim reads its orders from.
    #[must_use]
    pub fn control(&self) -> PathBuf {
        self.0.join("control")
    }

    /// The pipe that tells when the command runs, and by its end that the shim is gone.
    #[must_use]
    pub fn events(&self) -> PathBuf {
        self.0.join("events")
    }

    /// The file that the shim holds locked as long as it lives.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// Where the container's root file system is put together.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.0.join("root")
    }

    /// Where what the container writes to the host's directories is kept, as the machine's root.
    #[must_use]
    pub fn layers(&self) -> PathBuf {
        self.0.join("layers")
    }

    /// What the shim itself has to say when something is wrong with it.
    #[must_use]
    pub fn complaint(&self) -> PathBuf {
        self.0.join("shim.err")
    }

    fn plan_file(&self) -> PathBuf {
        self.0.join("container.json")
    }

    fn start_file(&self) -> PathBuf {
        self.0.join("started.json")
    }

    fn exit_file(&self) -> PathBuf {
        self.0.join("exit.json")
    }

    /// Makes the directory and stores the plan.
    ///
    /// # Errors
    /// When the directory or the file cannot be written.
    pub fn create(&self, plan: &ContainerPlan) -> io::Result<()> {
        fs::create_dir_all(self.root())?;
        // Whoever loses a plan to a power failure has lost the container too.
        fs::write(self.plan_file(), serde_json::to_vec(plan)?)
    }

    /// The stored plan.
    ///
    /// # Errors
    /// When it is missing or not readable.
    pub fn plan(&self) -> io::Result<ContainerPlan> {
        load(&self.plan_file())?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    /// Stores that the command runs.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn store_start(&self, record: &StartRecord) -> io::Result<()> {
        store(&self.start_file(), record, false)
    }

    /// Whether and where the command runs or ran.
    ///
    /// # Errors
    /// When the file is there and not readable.
    pub fn start(&self) -> io::Result<Option<StartRecord>> {
        load(&self.start_file())
    }

    /// Stores how the container ended; it is on the disk when this returns.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn store_exit(&self, record: &ExitRecord) -> io::Result<()> {
        store(&self.exit_file(), record, true)
    }

    /// How the container ended; none while it lives, or when its shim was lost.
    ///
    /// # Errors
    /// When the file is there and not readable.
    pub fn exit(&self) -> io::Result<Option<ExitRecord>> {
        load(&self.exit_file())
    }

    /// Whether a shim holds the lock.
    ///
    /// # Errors
    /// When the lock file cannot be opened for another reason than its absence.
    pub fn shim_alive(&self) -> io::Result<bool> {
        let file = match File::open(self.lock()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(fs::TryLockError::WouldBlock) => Ok(true),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Written beside, then renamed: a reader sees the whole file or none.
fn store(path: &Path, value: &impl Serialize, durable: bool) -> io::Result<()> {
    let beside = path.with_extension("tmp");
    let mut file = File::create(&beside)?;
    file.write_all(&serde_json::to_vec(value)?)?;
    if durable {
        file.sync_all()?;
    }
    fs::rename(&beside, path)?;
    match path.parent() {
        Some(parent) if durable => File::open(parent)?.sync_all(),
        Some(_) | None => Ok(()),
    }
}

fn load<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// When process `pid` began, in clock ticks since the machine started.
fn birth(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name stands in parentheses and may hold anything, so count from its end.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yesterdays_exit_file_is_readable() {
        let stored = r#"{"version":1,"exit_code":3,"started_at":"2026-11-24T08:53:24.5Z",
            "finished_at":"2026-11-24T08:53:26.000000001Z","start_error":null}"#;
        let record: ExitRecord = serde_json::from_str(stored).unwrap();
        assert_eq!(record.exit_code, 3);
        assert_eq!(
            record.finished_at.to_string(),
            "2026-11-24T08:53:26.000000001Z"
        );
    }

    #[test]
    fn our_own_process_is_alive_and_a_reused_number_is_noticed() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let mut record = StartRecord::new(pid, Timestamp::UNIX_EPOCH);
        assert!(record.alive());
        record.birth = record.birth.map(|birth| birth + 1);
        assert!(!record.alive());
    }

    #[test]
    fn a_lock_tells_whether_the_shim_lives() {
        let temp = tempfile::tempdir().unwrap();
        let dir = ContainerDir::new(temp.path());
        assert!(!dir.shim_alive().unwrap());
        let held = File::create(dir.lock()).unwrap();
        held.lock().unwrap();
        assert!(dir.shim_alive().unwrap());
        drop(held);
        assert!(!dir.shim_alive().unwrap());
    }
}
