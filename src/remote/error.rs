//! Why a daemon elsewhere did not do what was asked.

use crate::http::{Problem, ProblemKind};

/// Why a daemon elsewhere did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// It says no.
    #[error("{}", .0.detail)]
    Refused(Box<Problem>),
    /// It cannot be reached.
    #[error(
        "cannot reach the daemon {server}: {detail}; check --server, and that `adjourn serve` runs there"
    )]
    Unreachable {
        /// Its URL.
        server: String,
        /// Why not.
        detail: String,
    },
    /// What answers is no daemon of this kind.
    #[error("{server} does not answer as adjourn serve does: {detail}; check --server")]
    Strange {
        /// Its URL.
        server: String,
        /// What was wrong with the answer.
        detail: String,
    },
    /// The URL or the token cannot be used.
    #[error("{0}")]
    Usage(String),
}

impl RemoteError {
    /// What a person is told: one line for each thing that is wrong.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Refused(problem) => problem.errors.clone(),
            Self::Unreachable { .. } | Self::Strange { .. } | Self::Usage(_) => {
                vec![self.to_string().replace('\n', " ")]
            }
        }
    }

    /// What kind of no it was, if it was one.
    #[must_use]
    pub fn kind(&self) -> Option<ProblemKind> {
        match self {
            Self::Refused(problem) => Some(problem.kind),
            Self::Unreachable { .. } | Self::Strange { .. } | Self::Usage(_) => None,
        }
    }
}
