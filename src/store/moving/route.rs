//! From where to where, as a person names it.

use std::path::{Path, PathBuf};

use super::super::error::StoreError;
use super::super::server::{name_of, named_by};
use super::super::sql::Server;
use super::error::MoveError;

/// The two places of a move.
pub(super) struct Route {
    pub from: PathBuf,
    pub to: Server,
    /// The server's name for people, without the password.
    pub name: PathBuf,
}

impl Route {
    /// Reads `sqlite:/path/adjourn.db`, or the path alone, and `postgres://user@host:5432/database`.
    pub(super) fn read(from: &str, to: &str) -> Result<Self, MoveError> {
        let wrong = |words: &str| Err(MoveError::Route(words.to_owned()));
        if named_by(Path::new(from)).is_some() {
            return wrong(
                "--from names a PostgreSQL server: tasks are moved from an SQLite file to a server, and no other way",
            );
        }
        let path = from.strip_prefix("sqlite:").unwrap_or(from);
        // An empty host, as URLs have it.
        let path = match path.strip_prefix("//") {
            Some(path) if path.starts_with('/') => path,
            Some(_) | None => path,
        };
        if path.is_empty() || path.starts_with("//") || path.contains("://") {
            return wrong("--from must be an SQLite file, as in sqlite:/path/adjourn.db");
        }
        let from = PathBuf::from(path);
        let Some(server) = named_by(Path::new(to)) else {
            let to = to.strip_prefix("sqlite:").unwrap_or(to);
            if Path::new(to) == from {
                return wrong("--from and --to name the same database");
            }
            return wrong(
                "--to must be a PostgreSQL server, as in postgres://user@host:5432/database",
            );
        };
        let server = server.map_err(|error| {
            let why = match &error {
                StoreError::Place { source, .. } => source.to_string(),
                error => error.to_string(),
            };
            MoveError::Route(format!("--to is no usable PostgreSQL URL: {why}"))
        })?;
        Ok(Self {
            from,
            name: name_of(&server),
            to: server,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "postgres://me:secret@host:5433/tasks";

    #[test]
    fn a_file_is_named_with_its_scheme_or_without() {
        for (from, path) in [
            ("sqlite:/var/adjourn.db", "/var/adjourn.db"),
            ("sqlite:///var/adjourn.db", "/var/adjourn.db"),
            ("sqlite:adjourn.db", "adjourn.db"),
            ("/var/adjourn.db", "/var/adjourn.db"),
        ] {
            let route = Route::read(from, SERVER).unwrap();
            assert_eq!(route.from, Path::new(path), "{from}");
            assert_eq!(route.name, Path::new("postgres://me@host:5433/tasks"));
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (from, to, words) in [
            (SERVER, "sqlite:a.db", "no other way"),
            (SERVER, SERVER, "no other way"),
            ("sqlite:", SERVER, "--from must be"),
            ("sqlite://host/a.db", SERVER, "--from must be"),
            ("mysql://host/a", SERVER, "--from must be"),
            ("sqlite:a.db", "sqlite:a.db", "the same database"),
            ("sqlite:a.db", "a.db", "the same database"),
            ("sqlite:a.db", "b.db", "--to must be"),
            ("sqlite:a.db", "mysql://host/a", "--to must be"),
            (
                "sqlite:a.db",
                "postgres://host:port/a",
                "no usable PostgreSQL URL",
            ),
        ] {
            let error = Route::read(from, to).err().unwrap().to_string();
            assert!(error.contains(words), "{from} {to}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
