//! What the processes of a cluster tell each other and whoever starts them.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How a cluster is to be started.
#[derive(Debug, Clone)]
pub struct StartOptions {
    /// This program's own file: the server, and a shim for each container, are started from it.
    /// It must hand its arguments to [`entry`](super::entry()) before anything else.
    pub program: PathBuf,
    /// How long the server may take to answer.
    pub patience: Duration,
    /// What the server is told.
    pub settings: Settings,
}

impl StartOptions {
    /// The usual options.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            patience: Duration::from_secs(30),
            settings: Settings::default(),
        }
    }
}

/// The settings of a server, for as long as it runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Patterns of the images that "exist", with `*` for anything; all if there are none.
    pub images: Vec<String>,
    /// Run containers as plain processes even where the machine could keep them apart.
    pub plain_processes: bool,
    /// Give containers no processes: annotations of their pods tell how their lives go.
    pub simulate: bool,
    /// Let the owner order faults at `/__adjourn/faults`, for tests.
    pub faults: bool,
    /// How many changes of each kind are kept for watches that start in the past or are slow;
    /// none for the usual number.
    pub watch_history: Option<usize>,
}

/// A cluster that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterInfo {
    /// The file that tells clients how to reach it.
    pub kubeconfig: PathBuf,
    /// The address of its API, as in `https://127.0.0.1:40123`.
    pub server: String,
    /// The process of its server.
    pub pid: u32,
    /// The version of the program that runs as its server; it may not be this one's.
    pub version: String,
    /// When the server started.
    pub started_at: DateTime<Utc>,
    /// How its containers are kept apart, in a few words.
    pub isolation: String,
    /// How many pods it has, ended ones included.
    pub pods: usize,
    /// What it was told when it was started.
    #[serde(default)]
    pub settings: Settings,
}

impl ClusterInfo {
    /// Whether the running server is another version than this program.
    #[must_use]
    pub fn is_other_version(&self) -> bool {
        self.version != env!("CARGO_PKG_VERSION")
    }
}

/// Why a cluster could not be started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// Its directory cannot be used.
    #[error("the local cluster's directory {path} cannot be used")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The program could not be started as the server.
    #[error("{program} could not be started as the local cluster's server")]
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The server ended before it answered.
    #[error("the local cluster's server ended at once ({status}): {last_words}; see {log}")]
    Ended {
        /// Its exit status.
        status: String,
        /// The last line of its log.
        last_words: String,
        /// Its log.
        log: PathBuf,
    },
    /// The server did not answer in time.
    #[error("the local cluster's server did not answer within {} s; see {log}", patience.as_secs())]
    Silent {
        /// How long was waited.
        patience: Duration,
        /// Its log.
        log: PathBuf,
    },
    /// Somebody else keeps starting or stopping it.
    #[error("the local cluster in {path} is being started or stopped by another process")]
    Busy {
        /// The directory.
        path: PathBuf,
    },
}
