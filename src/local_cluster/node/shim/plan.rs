//! What the node and a container's shim tell each other, in files that carry a version.

use std::fs;
use std::path::PathBuf;

use jiff::Timestamp;
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
    /// Which start of the machine that was.
    #[serde(default)]
    pub boot: Option<String>,
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
            boot: boot(),
            started_at,
        }
    }

    /// Whether that very process is still there.
    #[must_use]
    pub fn alive(&self) -> bool {
        self.birth.is_some() && birth(self.pid) == self.birth && boot() == self.boot
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

/// The kernel's name for this start of the machine.
fn boot() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
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
}
