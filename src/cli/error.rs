//! Everything that can keep a command from its work.

use std::path::PathBuf;

use crate::config::ConfigErrors;
use crate::remote::RemoteError;
use crate::service::ServiceError;
pub(super) use crate::service::words::sentence;
use crate::store::StoreError;
use crate::task::file::TaskFileErrors;
use crate::telemetry::TelemetryError;

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The settings are wrong.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The settings file that was named cannot be read.
    #[error("cannot read the settings file {}: {source}; check --config and ADJOURN_CONFIG", path.display())]
    SettingsFile {
        /// The file.
        path: PathBuf,
        /// Why it cannot be read.
        #[source]
        source: std::io::Error,
    },
    /// The log cannot be set up.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The task file is wrong.
    #[error(transparent)]
    TaskFile(#[from] TaskFileErrors),
    /// What was to be read cannot be.
    #[error("cannot read {what}: {source}")]
    Input {
        /// What it was.
        what: String,
        /// Why it cannot be read.
        #[source]
        source: std::io::Error,
    },
    /// The command line asks for something that does not go.
    #[error("{0}")]
    Usage(String),
    /// What was named does not exist.
    #[error("{0}")]
    NotFound(String),
    /// The cluster cannot be reached.
    #[error("{0}")]
    Unreachable(String),
    /// Time ran out.
    #[error("{0}")]
    TimedOut(String),
    /// Something else.
    #[error("{0}")]
    Failed(String),
    /// The answer could not be written.
    #[error("cannot write to stdout: {0}")]
    Output(#[source] std::io::Error),
    /// Nobody reads stdout any more.
    #[error("nobody reads stdout any more")]
    ReaderGone,
    /// Somebody interrupted.
    #[error("interrupted")]
    Interrupted,
    /// A daemon elsewhere says no, or is out of reach.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The service or its store says no.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        Self::Service(error.into())
    }
}

impl CliError {
    /// What a person is told: one line for each thing that is wrong, or nothing when there is
    /// nothing to tell.
    pub(super) fn lines(&self) -> Vec<String> {
        match self {
            Self::ReaderGone | Self::Interrupted => Vec::new(),
            Self::Service(error) => error.lines(),
            Self::Remote(error) => error.lines(),
            Self::TaskFile(_) | Self::Config(_) => {
                self.to_string().lines().map(str::to_owned).collect()
            }
            Self::SettingsFile { .. }
            | Self::Telemetry(_)
            | Self::Input { .. }
            | Self::Usage(_)
            | Self::NotFound(_)
            | Self::Unreachable(_)
            | Self::TimedOut(_)
            | Self::Failed(_)
            | Self::Output(_) => vec![sentence(self)],
        }
    }
}
