//! Questions to a case's database, asked directly: a process for each would cost too much.

use std::path::PathBuf;

use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};
use tokio::runtime::Runtime;

pub struct Rows {
    path: PathBuf,
    runtime: Runtime,
}

impl Rows {
    pub fn of(path: PathBuf) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        Self { path, runtime }
    }

    fn ask(&self, question: &str) -> Result<Vec<SqliteRow>, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .read_only(true);
        self.runtime.block_on(async {
            let mut connection = options.connect().await?;
            let rows = sqlx::query(AssertSqlSafe(question))
                .fetch_all(&mut connection)
                .await;
            connection.close().await?;
            rows
        })
    }

    /// The number that a question gives; none while there is no database.
    pub fn count_if_there(&self, question: &str) -> Option<i64> {
        let rows = self.ask(question).ok()?;
        Some(rows.first()?.get(0))
    }

    /// The number that a question gives.
    #[track_caller]
    pub fn count(&self, question: &str) -> i64 {
        self.ask(question).unwrap()[0].get(0)
    }

    /// The texts that a question gives, a row each.
    #[track_caller]
    pub fn texts(&self, question: &str) -> Vec<String> {
        let rows = self.ask(question).unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}
