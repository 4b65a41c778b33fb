//! What stands in a move's way, in words for whoever runs it.

use std::path::{Path, PathBuf};

use super::super::error::StoreError;
use super::super::sql::is_lost;

/// Why nothing was moved, or not all.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The places cannot be what is meant.
    #[error("{0}")]
    Route(String),
    /// There is no such file.
    #[error("there is no database {}; --from names the SQLite file whose tasks are to be moved", .0.display())]
    NoSource(PathBuf),
    /// Somebody works with the file.
    #[error(
        "another program has the database {} open; stop adjourn serve and every adjourn run on it first",
        .0.display()
    )]
    InUse(PathBuf),
    /// The file is of an older program.
    #[error(
        "the database {} has schema {found}, and only schema {known} is moved; `adjourn list --db {}` brings it there",
        path.display(),
        path.display()
    )]
    OlderSchema {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// This program's.
        known: i64,
    },
    /// The file is damaged.
    #[error("{} is damaged: {detail}; restore it from a backup first", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite found.
        detail: String,
    },
    /// The server cannot be used.
    #[error("cannot use {}: {detail}; --to must name a database that is there, that lets you in and has the encoding UTF8", name.display())]
    NoTarget {
        /// The server.
        name: PathBuf,
        /// Why it cannot be used.
        detail: String,
    },
    /// Somebody works on the server.
    #[error(
        "another program works on the database {}; stop adjourn serve and every adjourn run on it first (one that was killed counts for some seconds more)",
        .0.display()
    )]
    Works(PathBuf),
    /// Somebody holds the database on the server.
    #[error("another program has the database {} for itself, perhaps another adjourn migrate; try again when it has ended", .0.display())]
    TargetHeld(PathBuf),
    /// The database on the server has the tasks of another installation.
    #[error("the database {} holds the tasks of another installation; --to must name an empty one", .0.display())]
    Taken(PathBuf),
    /// The server went away in the middle.
    #[error("the database {} went away in the middle ({source}); run the same again, it goes on where it stopped", name.display())]
    Lost {
        /// The server.
        name: PathBuf,
        /// What came of it.
        #[source]
        source: Box<sqlx::Error>,
    },
    /// Either database says no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MoveError {
    /// An error of the server's in the middle of a move.
    pub(super) fn of_target(name: &Path, source: sqlx::Error) -> Self {
        if is_lost(&source) {
            return Self::Lost {
                name: name.to_owned(),
                source: Box::new(source),
            };
        }
        Self::Store(StoreError::from_sql(name, source))
    }
}
