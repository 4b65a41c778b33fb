//! Where a test's tasks are: a file of its own.

use std::path::PathBuf;

use adjourn::store::Store;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use tempfile::TempDir;

use crate::support::at;

/// How many lives of the model are tried by default.
pub const CASES: u64 = 24;

pub struct Place {
    pub directory: TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub fn path(&self) -> PathBuf {
        self.directory.path().join("adjourn.db")
    }

    pub async fn store(&self) -> Store {
        Store::open(&self.path(), at(0)).await.unwrap()
    }

    async fn behind_its_back(&self) -> SqliteConnection {
        let database = format!("sqlite:{}", self.path().display());
        SqliteConnection::connect(&database).await.unwrap()
    }

    /// Runs a statement that the store knows nothing of.
    pub async fn execute(&self, statement: String) {
        let mut connection = self.behind_its_back().await;
        let statement = sqlx::query(AssertSqlSafe(statement));
        statement.execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// The rows of a table.
    pub async fn count(&self, table: &str) -> i64 {
        let mut connection = self.behind_its_back().await;
        let count = format!("SELECT count(*) FROM {table}");
        let count = sqlx::query_scalar(AssertSqlSafe(count));
        count.fetch_one(&mut connection).await.unwrap()
    }
}
