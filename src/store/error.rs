//! What can go wrong with the store, in words for whoever runs it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::sql::is_lost;
use crate::task::id::{TaskId, TaskKey};
use crate::task::state::IllegalTransition;

/// An error of the store.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The directory of the database cannot be made or used.
    #[error("cannot use {}: {source}; give another place with --db PATH", path.display())]
    Place {
        /// What was to be used.
        path: PathBuf,
        /// Why it could not be.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// The file can be read but not written.
    #[error(
        "the database {} cannot be written; check its permissions and those of its directory, or give another with --db PATH",
        path.display()
    )]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// The file is no database, or a damaged one.
    #[error(
        "{} is not a usable SQLite database ({detail}); restore it from a backup, or give another with --db PATH",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        detail: String,
    },
    /// The file is a database of something else.
    #[error(
        "{} is an SQLite database, but not one of adjourn's; give another with --db PATH",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer adjourn has written the file.
    #[error(
        "the database {} has schema {found}, and this adjourn knows schemas up to {known}; use the newer adjourn that wrote it",
        path.display()
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// The schema of the file.
        found: i64,
        /// The newest schema of this program.
        known: i64,
    },
    /// Somebody else has taken the task over. Harmless: nothing was written.
    #[error("task {task} has been taken over; this write came too late and was dropped")]
    FenceLost {
        /// The task.
        task: TaskId,
    },
    /// There is no such task.
    #[error("there is no task {0}; `adjourn list` shows those there are")]
    NotFound(String),
    /// The key is taken by a task with another definition.
    #[error(
        "the key {key} is task {task} already, with another definition; give another run_id, or leave run_id out to start a new run"
    )]
    KeyTaken {
        /// The key.
        key: TaskKey,
        /// Who has it.
        task: TaskId,
    },
    /// Two tasks of one submission have the same key and different definitions.
    #[error(
        "the key {key} is submitted twice at once, with different definitions; give one of them another task_id, run_id or map_index"
    )]
    KeyTwice {
        /// The key.
        key: TaskKey,
    },
    /// The event has no meaning in the task's state.
    #[error("task {task}: {source}")]
    Illegal {
        /// The task.
        task: TaskId,
        /// What was tried.
        #[source]
        source: IllegalTransition,
    },
    /// A row does not make sense.
    #[error("the row of task {task} cannot be understood: {detail}")]
    BadRow {
        /// The task.
        task: TaskId,
        /// What is wrong with it.
        detail: String,
    },
    /// The disk is full.
    #[error("the disk that holds {} is full; make room, nothing of this step was stored", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// Another process held the database for too long.
    #[error("the database {} is held by another process; try again", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// A statement of a person's is wrong, or would write.
    #[error("{0}")]
    Query(String),
    /// The writer has ended: the program is stopping.
    #[error("the store is closed")]
    Closed,
    /// The server that holds the database is not there.
    #[error("the database {} cannot be reached ({source}); nothing of this step was stored", path.display())]
    Lost {
        /// The server.
        path: PathBuf,
        /// What came of it.
        #[source]
        source: Arc<sqlx::Error>,
    },
    /// Anything else that the database says.
    #[error("the database {} answered: {source}", path.display())]
    Sql {
        /// The file.
        path: PathBuf,
        /// Its words.
        #[source]
        source: Arc<sqlx::Error>,
    },
}

impl StoreError {
    /// Whether the same call may work a little later.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::Busy { .. } | Self::Full { .. } | Self::Lost { .. } => true,
            Self::Place { .. }
            | Self::ReadOnly { .. }
            | Self::Damaged { .. }
            | Self::Foreign { .. }
            | Self::NewerSchema { .. }
            | Self::FenceLost { .. }
            | Self::NotFound(_)
            | Self::KeyTaken { .. }
            | Self::KeyTwice { .. }
            | Self::Illegal { .. }
            | Self::BadRow { .. }
            | Self::Query(_)
            | Self::Closed
            | Self::Sql { .. } => false,
        }
    }

    /// Whether the write came too late: somebody else holds the task.
    #[must_use]
    pub fn is_fence_lost(&self) -> bool {
        matches!(self, Self::FenceLost { .. })
    }

    /// Whether the event has no meaning in the task's state.
    #[must_use]
    pub fn is_illegal(&self) -> bool {
        matches!(self, Self::Illegal { .. })
    }

    /// Whether the database is on a server that is not there.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Lost { .. })
    }

    /// Sorts an error by the database's code; never by its text.
    pub(super) fn from_sql(path: &Path, source: sqlx::Error) -> Self {
        let path = path.to_owned();
        if let Some(code) = postgres_code(&source) {
            return match code.as_str() {
                // The lock was not free in time, or two waited for each other.
                "55P03" | "40P01" | "40001" => Self::Busy { path },
                "53100" => Self::Full { path },
                _ if is_lost(&source) => Self::Lost {
                    path,
                    source: Arc::new(source),
                },
                _ => Self::Sql {
                    path,
                    source: Arc::new(source),
                },
            };
        }
        // The primary result code is the low byte of the extended one.
        let code = source
            .as_database_error()
            .and_then(|error| error.code())
            .and_then(|code| code.parse::<i32>().ok())
            .map(|code| code & 0xff);
        match code {
            Some(5 | 6) => Self::Busy { path },
            Some(8) => Self::ReadOnly { path },
            Some(13) => Self::Full { path },
            Some(11 | 26) => Self::Damaged {
                path,
                detail: source
                    .as_database_error()
                    .map_or_else(String::new, |error| error.message().to_owned()),
            },
            None if is_lost(&source) => Self::Lost {
                path,
                source: Arc::new(source),
            },
            Some(_) | None => Self::Sql {
                path,
                source: Arc::new(source),
            },
        }
    }
}

/// The code that PostgreSQL gave an error.
fn postgres_code(error: &sqlx::Error) -> Option<String> {
    let error = error.as_database_error()?;
    let error = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>()?;
    Some(error.code().to_owned())
}

/// Inside the store an `sqlx` error travels without its path, which the edge adds.
#[derive(Debug, thiserror::Error)]
pub(super) enum JobError {
    /// An error that is already told in full.
    #[error(transparent)]
    Told(#[from] Box<StoreError>),
    /// An error of SQLite's.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        Self::Told(Box::new(error))
    }
}

impl JobError {
    /// Whether the event has no meaning in the task's state.
    pub(super) fn is_illegal(&self) -> bool {
        match self {
            Self::Told(told) => told.is_illegal(),
            Self::Sql(_) => false,
        }
    }

    /// Adds the path.
    pub(super) fn at(self, path: &Path) -> StoreError {
        match self {
            Self::Told(error) => *error,
            Self::Sql(source) => StoreError::from_sql(path, source),
        }
    }
}
