//! What a node is told when it starts.

use std::path::PathBuf;
use std::time::Duration;

use super::shim::plan::{Isolation, Limits, LogPlan};

/// How containers are to be kept apart from the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IsolationChoice {
    /// In namespaces where the machine allows it, else as plain processes.
    #[default]
    Best,
    /// As plain processes, whatever the machine allows.
    Plain,
}

/// The settings of a node.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// The node's name.
    pub name: String,
    /// The directory for containers, logs and volumes.
    pub state_dir: PathBuf,
    /// This program's own file: shims are started from it. It must hand its arguments to
    /// [`entry`](super::entry()) before it has a second thread.
    pub program: PathBuf,
    /// How containers are kept apart from the machine.
    pub isolation: IsolationChoice,
    /// Patterns of the images that "exist", with `*` for anything; all if there are none. Nothing
    /// is ever pulled.
    pub images: Vec<String>,
    /// Whether containers are made up: they take no process, and annotations of the pod tell
    /// their life ([`Story`](super::Story)).
    pub simulate: bool,
    /// Directories that no container may see, beside `$HOME` and the state directory.
    pub hidden: Vec<PathBuf>,
    /// The node's address, which is that of its pods too.
    pub address: String,
    /// The size from which a container's log is put aside for a new one, in bytes. Only the newest
    /// file is served.
    pub log_max_bytes: u64,
    /// How often the size of a log is looked at.
    pub log_check: Duration,
    /// How many processes the calling user may have while a container of theirs starts another.
    pub max_processes: u64,
    /// The size of the largest file that a container may write, in bytes.
    pub max_file_bytes: u64,
    /// How much a container may write outside its volumes, in bytes.
    pub max_scratch_bytes: u64,
}

impl NodeConfig {
    /// The usual settings.
    #[must_use]
    pub fn new(state_dir: impl Into<PathBuf>, program: impl Into<PathBuf>) -> Self {
        Self {
            name: "local".to_owned(),
            state_dir: state_dir.into(),
            program: program.into(),
            isolation: IsolationChoice::default(),
            images: Vec::new(),
            simulate: false,
            hidden: Vec::new(),
            address: "127.0.0.1".to_owned(),
            log_max_bytes: 10 * 1024 * 1024,
            log_check: Duration::from_secs(10),
            max_processes: 4096,
            max_file_bytes: 16 * 1024 * 1024 * 1024,
            max_scratch_bytes: 1024 * 1024 * 1024,
        }
    }

    pub(super) fn limits(&self) -> Limits {
        Limits {
            processes: self.max_processes,
            file_bytes: self.max_file_bytes,
            scratch_bytes: self.max_scratch_bytes,
            memory_bytes: None,
        }
    }

    pub(super) fn log_plan(&self) -> LogPlan {
        LogPlan {
            max_bytes: self.log_max_bytes,
            check_millis: u64::try_from(self.log_check.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// What a node knows once it has looked at its machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grounds {
    /// How containers are kept apart.
    pub isolation: Isolation,
    /// Why they are not kept further apart, if they are not.
    pub because: Option<String>,
    /// Directories that no container may see.
    pub hidden: Vec<PathBuf>,
    /// Whether the node has the powers of the machine's root.
    pub root: bool,
    /// Whether containers are made up.
    pub simulated: bool,
}
